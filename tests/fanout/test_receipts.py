"""Receipts at the hub, with readers on real sockets who answer pings, late, twice, wrongly or never."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from live.fanout import Hub, pump, reader, receipts
from live.fanout.frames import Wire
from live.model import Cursor, Delivery, Event
from tests.fanout.echo import FIN, PONG, masked
from tests.fanout.newsroom import Connection, Data, Decoder, ModelJournal, Newsroom, clock, settle, spin, until

pytestmark = pytest.mark.anyio
EVERYTHING = {"front", "breaking", "story/quay", "story/harbour"}
NEVER_AGAIN = 50.0
"""Seconds between two waves of which a test shall see one."""
LOOK = 0.001
"""Seconds between two looks at a receipt."""
AT_ONCE = 1e-9
"""An interval that is over when it begins: every sweep has its wave."""


class Noting(Decoder):
    """A client's library that leaves pings to the test, with the cursors of the messages that came before each."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.seen: set[str] = set()
        self.pings: list[tuple[bytes, frozenset[str]]] = []

    def feed(self, data: bytes) -> list[Data]:
        if self._wire == "sse":
            return super().feed(data)
        self._protocol.receive_data(data)
        messages: list[Data] = []
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.PING:
                self.pings.append((bytes(event.data), frozenset(self.seen)))
            elif event.opcode is Opcode.TEXT:
                messages.append(json.loads(bytes(event.data)))
                self.seen.add(messages[-1]["id"])
        return messages


class Page(Connection):
    """A reader's page, which answers a ping when the test says so."""

    def __init__(self, hub: Hub, wire: Wire, topics: set[str], limit: int, buffer: int) -> None:
        super().__init__(hub, wire, frozenset(topics), limit, buffer)
        self.decoder: Noting = Noting(wire)

    def pings(self) -> list[bytes]:
        """The payloads of the pings that came since the last time."""
        self.read()
        found, self.decoder.pings = self.decoder.pings, []
        return [payload for payload, _ in found]

    async def pong(self, *payloads: bytes) -> None:
        """Sends pongs, in one packet."""
        self.far.send(b"".join(masked(FIN | PONG, payload) for payload in payloads))
        await spin(5)


@dataclass
class Site:
    """A hub, its journal, and what was told of its receipts."""

    hub: Hub
    journal: ModelJournal = field(default_factory=ModelJournal)
    newsroom: Newsroom = field(default_factory=Newsroom)
    told: dict[Cursor, Delivery] = field(default_factory=dict)

    def publish(self, event: Event | None = None) -> Cursor:
        entry = self.journal.append(event or self.newsroom.update("quay"))
        self.hub.publish(entry)
        return entry.cursor

    async def outcome(self, cursor: Cursor) -> tuple[int, int, int]:
        """How many readers an entry was written to, confirmed it, left."""
        await settle()
        await asyncio.sleep(LOOK)  # so that one is due: what changed is told of
        self.told |= dict(self.hub.receipts.news())
        found = self.told[cursor]
        assert sum(found.spread.values()) == found.confirmed
        assert found.missing >= 0
        return found.written, found.confirmed, found.left


def pinged(pages: list[Page]) -> int:
    """How many pings came to these pages and were not looked at."""
    for page in pages:
        page.read()
    return sum(len(page.decoder.pings) for page in pages)


def has(pages: list[Page], cursor: Cursor) -> int:
    """How many of these pages have an entry."""
    for page in pages:
        page.read()
    return sum(str(cursor) in page.decoder.seen for page in pages)


Start = Callable[[float], Site]
Join = Callable[..., Awaitable[Page]]
Crowded = tuple[Site, list[Page]]


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receipts are told of whenever they change."""
    monkeypatch.setattr(receipts, "LOOKS", (*(look * LOOK for look in range(9_000)), 10.0))


@pytest.fixture
async def start() -> Start:
    """A site with so many seconds between waves."""

    def start(seconds: float) -> Site:
        journal = ModelJournal()
        return Site(Hub(journal.since, clock, ring=50, receipt_seconds=seconds), journal)

    return start


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Lets a reader in."""
    opened: list[Page] = []

    async def join(
        site: Site, after: Cursor | None = None, *, wire: Wire = "ws", topics: set[str] = EVERYTHING,
        limit: int = 1_000_000, buffer: int = 0,
    ) -> Page:  # fmt: skip
        page = Page(site.hub, wire, topics, limit, buffer)
        opened.append(page)
        await page.open(after)
        await settle()
        page.read()
        return page

    yield join
    for page in opened:
        await page.end()


@pytest.fixture
async def crowded(start: Start, join: Join, monkeypatch: pytest.MonkeyPatch) -> Crowded:
    """A site whose waves may follow at once, with four readers, each of whom takes a slice of a sweep."""
    monkeypatch.setattr(pump, "SLICE", 1)
    site = start(AT_ONCE)
    return site, [await join(site) for _ in range(4)]


async def test_the_ping_comes_after_the_entry_and_names_it(start: Start, join: Join) -> None:
    site = start(NEVER_AGAIN)
    page = await join(site, wire="deflated")
    cursor = site.publish()
    await settle()
    page.read()
    ((payload, before),) = page.decoder.pings
    assert payload.startswith(f"{cursor} ".encode()) and payload.isascii() and len(payload) <= 125
    assert str(cursor) in before
    assert await site.outcome(cursor) == (1, 0, 0)
    await page.pong(payload)
    assert await site.outcome(cursor) == (1, 1, 0)
    assert site.told[cursor].final and 0 < site.told[cursor].last < 5_000


async def test_who_leaves_before_answering_is_counted_apart(start: Start, join: Join) -> None:
    site = start(NEVER_AGAIN)
    pages = [await join(site) for _ in range(4)]
    cursor = site.publish()
    await settle()
    await pages[0].pong(*pages[0].pings())
    for page in pages[:2]:
        page.cut()
    assert await site.outcome(cursor) == (4, 1, 1)
    assert site.told[cursor].missing == 2 and not site.told[cursor].final


async def test_only_readers_whom_the_entry_concerns_are_pinged_and_counted(start: Start, join: Join) -> None:
    site = start(NEVER_AGAIN)
    concerned = [await join(site, topics={"story/quay"}), await join(site, topics={"front", "story/other"})]
    other = await join(site, topics={"breaking", "story/harbour"})
    events = await join(site, topics={"front"}, wire="sse")
    cursor = site.publish()
    await settle()
    assert other.pings() == []
    assert events.read()[-1]["id"] == str(cursor)
    for page in concerned:
        await page.pong(*page.pings())
    assert await site.outcome(cursor) == (2, 2, 0)
    assert site.told[cursor].events == 1


@pytest.mark.parametrize(
    "forge",
    [
        lambda payload, _: payload.partition(b" ")[0],
        lambda payload, _: payload + b"0",
        lambda payload, _: b"",
        lambda _, cursor: f"{cursor} {'A' * 12}".encode(),
        lambda payload, _: b"9" + payload[1:],
    ],
)
async def test_a_forged_pong_counts_nothing(start: Start, join: Join, forge: Callable[[bytes, Cursor], bytes]) -> None:
    site = start(NEVER_AGAIN)
    page = await join(site)
    cursor = site.publish()
    await settle()
    (payload,) = page.pings()
    await page.pong(forge(payload, cursor))
    assert await site.outcome(cursor) == (1, 0, 0)


async def test_a_pong_counts_once_and_only_from_whom_the_ping_was_sent_to(start: Start, join: Join) -> None:
    site = start(NEVER_AGAIN)
    first, second = await join(site), await join(site)
    outsider = await join(site, topics={"breaking"})
    cursor = site.publish()
    await settle()
    late = await join(site)
    (payload,) = first.pings()
    for page in (first, first, outsider, late):
        await page.pong(payload)
        await page.pong(payload, payload)
    assert await site.outcome(cursor) == (2, 1, 0)
    outsider.cut()
    late.cut()
    assert await site.outcome(cursor) == (2, 1, 0)
    second.cut()
    assert await site.outcome(cursor) == (2, 1, 1)


async def test_the_ping_of_others_answers_none_of_ones_own(start: Start, join: Join) -> None:
    site = start(AT_ONCE)
    page, other = await join(site, topics={"breaking"}), await join(site, topics={"front"})
    cursor = site.publish(site.newsroom.put_notice())
    await settle()
    site.publish()
    await settle()
    (mine,), (others,) = page.pings(), other.pings()
    await page.pong(others)
    assert await site.outcome(cursor) == (1, 0, 0)
    await page.pong(mine)
    assert await site.outcome(cursor) == (1, 1, 0)


async def test_repeated_and_unsolicited_pongs_meet_the_limit_and_first_answers_do_not(
    start: Start, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CONTROL_FRAMES", 5)
    site = start(AT_ONCE)
    page, nagging, unasked = await join(site), await join(site), await join(site)
    for _ in range(12):
        site.publish()
        await settle()
    await page.pong(*page.pings())  # as one who slept
    (payload, *_) = nagging.pings()
    for each in range(6):
        assert not nagging.reader.gone
        await nagging.pong(payload)
        assert not unasked.reader.gone, each
        await unasked.pong(b"here I am")
    await nagging.pong(payload)
    assert [one.reader.gone for one in (page, nagging, unasked)] == [False, True, True]


async def test_the_answer_to_a_wave_that_is_over_is_no_fault_and_counts_nothing(
    start: Start, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "LOOKS", (0.0, 0.01))
    monkeypatch.setattr(reader, "CONTROL_FRAMES", 3)
    site = start(AT_ONCE)
    page = await join(site)
    cursors = [site.publish() for _ in range(1)]
    for _ in range(9):
        await settle()
        cursors.append(site.publish())
    await settle()
    await asyncio.sleep(0.02)
    assert await site.outcome(cursors[-1]) == (1, 0, 0)
    assert site.told[cursors[-1]].final
    for payload in page.pings():
        await page.pong(payload)
    assert not page.reader.gone
    assert site.hub.receipts.news() == []


async def test_one_answer_stands_for_the_pings_before_it(start: Start, join: Join) -> None:
    """RFC 6455, 5.5.3: of several pings a client may answer the newest only."""
    site = start(AT_ONCE)
    page = await join(site)
    cursors = []
    for _ in range(3):
        cursors.append(site.publish())
        await settle()
    pings = page.pings()
    assert len(pings) == 3
    await page.pong(pings[1])
    assert [await site.outcome(cursor) for cursor in cursors] == [(1, 1, 0), (1, 1, 0), (1, 0, 0)]


async def test_entries_within_the_interval_share_the_next_wave(start: Start, join: Join) -> None:
    site = start(0.2)
    page = await join(site)
    other = await join(site, topics={"story/harbour"})
    cursors = []
    for _ in range(5):
        cursors.append(site.publish())
        await settle()
    late, hasty = await join(site), await join(site)
    cursors.append(site.publish())
    harbour = site.publish(site.newsroom.update("harbour"))
    await settle()
    assert len(page.pings()) == 1 and late.pings() == other.pings() == []
    assert await site.outcome(cursors[1]) == (1, 0, 0)
    second: list[bytes] = []

    def came() -> bool:
        second.extend(page.pings())
        return bool(second)

    await until(came, 2_000_000)
    await settle()
    assert page.pings() == [] and other.pings() == late.pings() == second and len(second) == 1
    hasty.cut()
    assert [(await site.outcome(cursor))[1:] for cursor in cursors[1:]] == [(0, 0)] * 4 + [(0, 1)]
    await page.pong(*second)
    assert [await site.outcome(cursor) for cursor in cursors] == [(1, 1, 0)] * 5 + [(3, 1, 1)]
    await late.pong(*second)
    assert [await site.outcome(cursor) for cursor in cursors] == [(1, 1, 0)] * 5 + [(3, 2, 1)]
    assert await site.outcome(harbour) == (4, 2, 1)
    other.cut()
    assert await site.outcome(harbour) == (4, 2, 2)


@pytest.mark.parametrize(("pongs", "waves"), [(1, 1), (1_000, 2)])
async def test_the_more_readers_the_fewer_waves(
    start: Start, join: Join, monkeypatch: pytest.MonkeyPatch, pongs: int, waves: int
) -> None:
    """Three readers may answer three seconds later again if one pong a second is to be expected."""
    monkeypatch.setattr(receipts, "PINGS_PER_SECOND", pongs)
    site = start(0.01)
    page, _, _ = [await join(site) for _ in range(3)]
    site.publish()
    await settle()
    await asyncio.sleep(0.02)
    site.publish()
    await settle()
    assert len(page.pings()) == waves


async def test_who_leaves_before_the_wave_is_not_missing(start: Start, join: Join) -> None:
    site = start(NEVER_AGAIN)
    pages = [await join(site), await join(site)]
    site.publish()
    await settle()
    cursor = site.publish()
    await settle()
    pages[0].cut()
    assert await site.outcome(cursor) == (2, 0, 1)


async def test_a_reader_who_is_behind_gets_the_ping_in_its_place(start: Start, join: Join) -> None:
    """Urgent entries overtake what waits; their ping does not, so it proves all of it."""
    site = start(AT_ONCE)
    slow = await join(site, buffer=2_048)
    large = [site.publish(site.newsroom.update("quay", 30_000)) for _ in range(3)]
    await settle()
    waiting = site.publish(site.newsroom.update("harbour", 10_000))
    await settle()
    assert not slow.reader.in_step
    urgent = site.publish(site.newsroom.put_notice())
    await settle()
    order: list[str] = []

    def all_came() -> bool:
        order.extend(message["id"] for message in slow.read())
        return str(waiting) in order and len(slow.decoder.pings) == 3

    await until(all_came)
    assert order.index(str(urgent)) < order.index(str(waiting))
    pings = slow.decoder.pings
    expected = ({*large}, {*large, waiting}, {*large, waiting, urgent})
    assert all(set(map(str, told)) <= before for told, (_, before) in zip(expected, pings, strict=True))
    await slow.pong(pings[1][0])
    assert (await site.outcome(waiting), await site.outcome(urgent)) == ((1, 1, 0), (1, 0, 0))
    await slow.pong(pings[2][0])
    assert await site.outcome(urgent) == (1, 1, 0)


async def test_a_wave_follows_when_everybody_has_the_news(crowded: Crowded) -> None:
    """Else the first answers would hold up the last readers' news."""
    site, pages = crowded
    cursor = site.publish()
    await until(lambda: pinged(pages) == 1)
    assert all(str(cursor) in page.decoder.seen for page in pages)


async def test_a_wave_waits_for_entries_that_came_meanwhile_but_only_once(crowded: Crowded) -> None:
    site, pages = crowded
    first = site.publish()
    await spin(2)
    second = site.publish()
    await until(lambda: has(pages, second) > 0)
    third = site.publish()
    await until(lambda: pinged(pages) == len(pages))
    assert has(pages, third) == 0
    for page in pages:
        ((payload, before),) = page.decoder.pings
        assert {str(first), str(second)} <= before
        await page.pong(payload)
    assert [(await site.outcome(cursor))[1] for cursor in (first, second, third)] == [4, 4, 0]


async def test_an_urgent_entry_on_top_of_a_wave_awaits_the_next(crowded: Crowded) -> None:
    """Some get it before the ping, some after it: so that ping proves nothing of it."""
    site, pages = crowded
    routine = site.publish()
    await until(lambda: pinged(pages) == 1)
    urgent = site.publish(site.newsroom.put_notice())
    await until(lambda: pinged(pages) == 2 * len(pages))
    assert len({str(urgent) in page.decoder.pings[0][1] for page in pages}) == 2
    for page in pages:
        await page.pong(page.decoder.pings[0][0])
    assert [await site.outcome(cursor) for cursor in (routine, urgent)] == [(4, 4, 0), (4, 0, 0)]
    for page in pages:
        await page.pong(page.decoder.pings[1][0])
    assert await site.outcome(urgent) == (4, 4, 0)


async def test_without_an_interval_there_are_no_pings_and_no_receipts(start: Start, join: Join) -> None:
    site = start(0.0)
    page = await join(site)
    site.publish()
    await settle()
    assert page.pings() == [] and page.decoder.seen
    assert site.hub.receipts.news() == []


async def test_an_entry_for_nobody_is_final_at_once(start: Start) -> None:
    site = start(NEVER_AGAIN)
    cursor = site.publish()
    assert await site.outcome(cursor) == (0, 0, 0)
    assert site.told[cursor].final


async def test_after_a_rewind_nobody_confirms_what_may_not_have_been_sent(crowded: Crowded) -> None:
    site, pages = crowded
    cursor = site.publish()
    await until(lambda: pinged(pages) == 2)
    site.hub.rewind(cursor, None)
    await settle()
    pings = {payload for page in pages for payload in page.pings()}
    assert len(pings) == 1
    for page in pages:
        await page.pong(*pings)
    assert await site.outcome(cursor) == (4, 0, 0)
    assert site.told[cursor].final
    after = site.publish()
    await settle()
    for page in pages:
        await page.pong(*page.pings())
    assert await site.outcome(after) == (4, 4, 0)


async def test_counts_of_readers(start: Start, join: Join) -> None:
    site = start(NEVER_AGAIN)
    for topics in ({"front"}, {"story/quay", "front"}, {"story/quay", "story/harbour"}):
        for wire in ("ws", "deflated", "sse"):
            page = await join(site, topics=topics, wire=wire)
    page.cut()
    await settle()
    counted = site.hub.readership()
    assert (counted.ws, counted.sse, counted.stories) == (6, 2, {"quay": 5, "harbour": 2})


STEP = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(["update", "update", "notice"]), st.sampled_from([0, 3_000])),
    st.tuples(st.just("join"), st.sampled_from([2_048, 0]), st.sampled_from([("front",), ("story/quay", "breaking")])),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("answer"), st.integers(0, 9), st.integers(1, 3)),
    st.tuples(st.just("go on"), st.integers(1, 6)),
)


class Crowd:
    """Readers who come, answer and go; what they could have confirmed is known from what they read."""

    def __init__(self, seconds: float) -> None:
        journal = ModelJournal()
        self.site = Site(Hub(journal.since, clock, ring=50, receipt_seconds=seconds), journal)
        self.pages: list[Page] = []
        self.provable: Counter[str] = Counter()
        self.proven: dict[Page, frozenset[str]] = {}

    async def step(self, name: str, *arguments: object) -> None:
        await getattr(self, name.replace(" ", "_"))(*arguments)

    async def publish(self, kind: str, size: int) -> None:
        newsroom = self.site.newsroom
        self.site.publish(newsroom.put_notice() if kind == "notice" else newsroom.update("quay", size))

    async def join(self, buffer: int, topics: tuple[str, ...]) -> None:
        page = Page(self.site.hub, "ws", set(topics), 1_000_000, buffer)
        await page.open(None)
        self.pages.append(page)
        self.proven[page] = frozenset()

    async def leave(self, number: int) -> None:
        if self.pages:
            await self.pages.pop(number % len(self.pages)).end()

    async def answer(self, number: int, count: int) -> None:
        if not self.pages:
            return
        page = self.pages[number % len(self.pages)]
        page.read()
        answered, page.decoder.pings = page.decoder.pings[:count], page.decoder.pings[count:]
        for _, before in answered:
            self.provable.update(before - self.proven[page])
            self.proven[page] |= before
        if answered:
            await page.pong(*(payload for payload, _ in answered))

    async def go_on(self, rounds: int) -> None:
        await spin(rounds)

    async def finish(self) -> dict[Cursor, Delivery]:
        """Everybody who is still here answers everything."""
        for _ in range(60):
            await settle()
            for number in range(len(self.pages)):
                await self.answer(number, 100)
            self.site.told |= dict(self.site.hub.receipts.news())
        for page in self.pages:
            await page.end()
        return self.site.told


@given(st.lists(STEP, min_size=5, max_size=40), st.sampled_from([AT_ONCE, 0.002]))
@settings(max_examples=150, deadline=None)
def test_any_interleaving_accounts_for_everybody(steps: list[tuple[str, ...]], seconds: float) -> None:
    async def play() -> tuple[Crowd, dict[Cursor, Delivery]]:
        crowd = Crowd(seconds)
        for step in steps:
            await crowd.step(*step)
        return crowd, await crowd.finish()

    slice_, pump.SLICE = pump.SLICE, 1
    try:
        crowd, told = asyncio.run(play())
    finally:
        pump.SLICE = slice_
    assert set(told) == {entry.cursor for entry in crowd.site.journal.written}
    for cursor, delivery in told.items():
        assert delivery.missing == 0 and delivery.final, cursor
        assert delivery.confirmed <= crowd.provable[str(cursor)]
