"""The checker: its verdict on made-up ledgers, on messages that a proxy tampers with, and on a site that is well."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from live.model import Cursor
from tests.faults.checker.__main__ import main
from tests.faults.checker.fault import Fault
from tests.faults.checker.ledger import Ledger, Page, Post, Snapshot, Told, Verdict, judge, recovery
from tests.faults.checker.link import Tampering, Trick, to_port
from tests.faults.checker.readers import OverEvents, OverPlainWebSocket, Reader
from tests.faults.checker.run import Plan
from tests.faults.checker.site import Site

STORY = "harbour"
POSTS = [Post(number, STORY, begun=float(number), cursor=Cursor(number + 1, 0), attempts=1) for number in range(4)]


def told(*numbers: int) -> list[Told]:
    return [Told(10.0 + number, number, Cursor(number + 1, 0)) for number in numbers]


def page(upto: int, *numbers: int) -> Snapshot:
    """A page with the cursor of the post before `upto`, and these numbers on it."""
    return Snapshot(1.0, Cursor(upto, 0), frozenset(numbers))


def verdict_on(*events: Told | Snapshot, posts: Sequence[Post] = POSTS, gone: int = 0) -> Verdict:
    return judge(posts, [Ledger("a reader", frozenset({STORY}), list(events))], [], Cursor(gone, 0))


def counts(verdict: Verdict) -> tuple[int, int, int]:
    return verdict.lost, verdict.doubled, verdict.disordered


UNANSWERED = [*POSTS, Post(4, STORY, begun=4.0)]
LATE = Told(19.0, 4, Cursor(9, 0))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([page(0), *told(0, 1, 2, 3)], (0, 0, 0), id="all there"),
        pytest.param([page(2, 0, 1), *told(2, 3)], (0, 0, 0), id="half of it on the page already"),
        pytest.param([page(1, 0, 1), *told(1, 2, 3)], (0, 0, 0), id="a page newer than its cursor"),
        pytest.param([page(0), *told(0, 1, 3)], (1, 0, 0), id="a loss"),
        pytest.param([page(0), *told(0, 1, 2)], (1, 0, 0), id="a loss at the end"),
        pytest.param([page(0), *told(0, 1, 1, 2, 3)], (0, 1, 0), id="a duplicate"),
        pytest.param([page(0), *told(0, 1, 3, 2)], (0, 0, 1), id="a swap"),
        pytest.param([page(0), *told(0), page(3, 0, 1, 2), *told(3)], (0, 0, 0), id="a loss that a reset covers"),
        pytest.param([page(0), *told(0), page(3, 0, 1), *told(3)], (1, 0, 0), id="a reset whose page lacks one"),
        pytest.param([page(0), *told(0, 2), page(4, 0, 1, 2, 3)], (1, 0, 0), id="a loss before a reset is one"),
        pytest.param([], (4, 0, 0), id="never had a page"),
        pytest.param([page(0), *told(0, 1, 2, 3), Told(20.0, 7, Cursor(9, 0))], (0, 0, 1), id="what nobody posted"),
    ],
)
def test_the_verdict_on_a_reader(events: list[Told | Snapshot], expected: tuple[int, int, int]) -> None:
    verdict = verdict_on(*events)
    assert counts(verdict) == expected
    assert verdict.good == (expected == (0, 0, 0))
    assert len(verdict.wrongs) >= (sum(expected) > 0)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [pytest.param([], 0, id="no"), pytest.param([LATE], 0, id="once"), pytest.param([LATE, LATE], 1, id="twice")],
)
def test_a_post_without_an_answer_may_be_there_once(extra: list[Told], expected: int) -> None:
    assert counts(verdict_on(page(0), *told(0, 1, 2, 3), *extra, posts=UNANSWERED)) == (0, expected, 0)


def test_what_was_accepted_before_the_store_was_emptied_is_gone_for_good() -> None:
    events: list[Told | Snapshot] = [page(0), *told(0, 1), page(2), *told(2, 3)]
    assert counts(verdict_on(*events, gone=2)) == (0, 0, 0)
    assert verdict_on(*events).lost == 2


@pytest.mark.parametrize(
    ("numbers", "expected"), [((3, 2, 1, 0), (0, 0, 0)), ((3, 1, 0), (1, 0, 0)), ((3, 2, 2, 1, 0), (0, 1, 0))]
)
def test_the_verdict_on_a_fresh_page(numbers: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert counts(judge(POSTS, [], [Page("a page", STORY, numbers)])) == expected


def test_recovery_ends_when_the_last_reader_has_what_was_posted_before_the_mending() -> None:
    slow = Ledger("slow", frozenset({STORY}), [page(0), *told(0, 1, 2, 3)])
    elsewhere = Ledger("elsewhere", frozenset({"quay"}), [page(0)])
    assert recovery(POSTS, [slow, elsewhere], mended=2.0) == pytest.approx(12.0 - 2.0)


class Tampered(Fault):
    """Readers are behind a proxy that does one trick to one message."""

    what = "a proxy tampers with one message"
    trick: ClassVar[Trick]

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        return [{}, {}]

    async def inject(self, site: Site) -> None:
        self.proxy = Tampering(to_port(httpx.URL(site.nodes[0].url).port or 0))
        await site.stack.enter_async_context(self.proxy)
        # In place, since the readers have this very list; those who are cut come back by the proxy.
        site.addresses[:] = [f"http://127.0.0.1:{self.proxy.port}"]
        for reader in site.readers:
            reader.cut()

    async def hold(self, site: Site, seconds: float) -> None:
        await super().hold(site, seconds / 2)
        self.proxy.trick = self.trick
        await super().hold(site, seconds / 2)


@pytest.mark.parametrize(
    ("trick", "kind", "found"),
    [
        ("drop", OverEvents, "1 lost, 0 doubled, 0 out of order."),
        ("double", OverPlainWebSocket, "0 lost, 1 doubled, 0 out of order."),
        ("swap", OverEvents, "0 lost, 0 doubled, 1 out of order."),
    ],
)
def test_one_message_tampered_with_is_found(
    trick: Trick, kind: type[Reader], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = type("Planted", (Tampered,), {"name": trick, "trick": trick})
    plan = Plan(kinds=(kind,), quiet_within=2)
    code = main(["--seconds", "1.5", "--readers", "4", "--rate", "10"], [fault], plan)
    printed = capsys.readouterr()
    assert code == 1, printed
    assert printed.out.splitlines()[-1].endswith(found), printed


def test_a_site_that_is_broken_and_mended_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seconds", "1.5", "--readers", "40", "--only", "node-killed,readers-cut"]
    assert main(arguments) == 0, capsys.readouterr()
    assert capsys.readouterr().out.splitlines()[-1].endswith("0 lost, 0 doubled, 0 out of order.")


def test_a_fault_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "calm,meteorite"])
    assert ended.value.code == 2
    assert "no such fault: meteorite" in capsys.readouterr().err


def test_a_fault_that_fails_stops_no_other_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(Fault):
        name = "failing"
        what = "its site cannot be started"

        def store(self, directory: Path) -> Any:
            raise AssertionError("there is no such server")

        async def inject(self, site: Site) -> None: ...

    class Absent(Failing):
        name = "absent"

        def unavailable(self) -> str:
            return "there is no such thing here"

    assert main([], [Failing, Absent]) == 1
    out, err = capsys.readouterr()
    assert "| failing | not done: AssertionError, see above |" in out
    assert "| absent | not done: there is no such thing here |" in out
    assert "there is no such server" in err


def test_a_fault_that_this_machine_cannot_have_is_told_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    class Missing(Fault):
        name = "missing"
        what = "cannot be done here"

        def unavailable(self) -> str:
            return "there is no such thing here"

        async def inject(self, site: Site) -> None:
            raise AssertionError

    assert main([], faults=[Missing]) == 0
    assert "| missing | not done: there is no such thing here |" in capsys.readouterr().out
