"""Two nodes on one Redis, and what readers and editors see when a node or the Redis fails."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import editor_of
from tests.faults.readers import TRANSPORTS, Faithful, Reader, Transport
from tests.journal.samples import Server
from tests.node import Node, eventually
from tests.web.samples import create, post, retract

Pair = tuple[Node, Node]
Editors = tuple[httpx.Client, httpx.Client]
each_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@contextmanager
def faithful(node: Node, slug: str) -> Iterator[list[Faithful]]:
    """A faithful reader of the story on each transport."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Faithful(node, transport, topics=f"story/{slug}", **{"as": "json"}))
            for transport in TRANSPORTS
        ]


def post_numbered(editor: httpx.Client, slug: str, numbers: range) -> list[str]:
    return [str(post(editor, slug, body=f"number {number}")["body"]) for number in numbers]


def all_told(readers: list[Faithful], bodies: list[str]) -> bool:
    """Whether each was told all of these: once, in order, and nothing else."""
    return all(reader.bodies == bodies for reader in readers)


def insist(editor: httpx.Client, slug: str, body: str) -> httpx.Response:
    """Posts as a careful program does: the same request with the same key until it is taken."""

    def taken() -> httpx.Response | None:
        answer = editor.post(f"/api/stories/{slug}/updates", json={"body": body}, headers={"Idempotency-Key": body})
        assert answer.status_code in (201, 503), answer.text
        return answer if answer.status_code == 201 else None

    answer = eventually(taken, 30)
    assert answer
    return answer


@each_transport
def test_a_post_at_one_node_arrives_at_the_other_within_a_second_and_once(
    pair: Pair, editors: Editors, slug: str, transport: Transport
) -> None:
    with Faithful(pair[1], transport, topics=f"story/{slug},front", **{"as": "json"}) as reader:
        cursors, sent = [], []
        for number in range(5):
            answer = editors[0].post(f"/api/stories/{slug}/updates", json={"body": f"number {number}"})
            sent.append(time.monotonic())
            cursors.append(answer.headers["live-cursor"])
            eventually(lambda: cursors[-1] in reader.arrived)
        assert all(reader.arrived[cursor] - start < 1 for cursor, start in zip(cursors, sent, strict=True))
        answer = editors[1].post(f"/api/stories/{slug}/updates", json={"body": "the last"})
        eventually(lambda: reader.bodies[-1:] == ["the last"])
        assert reader.bodies == [*(f"number {number}" for number in range(5)), "the last"]
        assert reader.connections == 1


def test_readers_of_both_nodes_see_one_order(pair: Pair, editors: Editors, slug: str) -> None:
    with faithful(pair[0], slug) as here, faithful(pair[1], slug) as there:
        writers = [
            threading.Thread(target=post_numbered, args=(editor, slug, numbers))
            for editor, numbers in zip(editors, (range(0, 30), range(100, 130)), strict=True)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(30)
        eventually(lambda: all(len(reader.bodies) >= 60 for reader in here + there))
        assert all_told(here + there, here[0].bodies)
        assert sorted(here[0].bodies) == sorted(f"number {number}" for number in (*range(30), *range(100, 130)))


@each_transport
def test_a_reader_may_change_nodes_with_its_cursor(
    pair: Pair, editors: Editors, slug: str, transport: Transport
) -> None:
    query = {"topics": f"story/{slug}", "as": "json"}
    with Reader(pair[0], transport, after="0-0", **query) as reader:
        reader.hello()
        cursor = reader.next()["id"]
        for number in range(20):
            answer = editors[0].post(f"/api/stories/{slug}/updates", json={"body": f"number {number}"})
            cursor = answer.headers["live-cursor"]
            assert reader.next()["id"] == cursor
            with Reader(pair[1], transport, after=cursor, **query) as elsewhere:
                assert elsewhere.hello()["id"] == cursor
    post(editors[1], slug)
    with Reader(pair[0], transport, after=cursor, **query) as back:
        back.hello()
        assert back.next()["id"] > cursor


def test_readers_of_a_killed_node_get_what_they_missed_when_it_is_back(pair: Pair, editors: Editors, slug: str) -> None:
    with faithful(pair[0], slug) as readers:
        bodies = post_numbered(editors[0], slug, range(5))
        eventually(lambda: all_told(readers, bodies))
        pair[0].kill()
        bodies += post_numbered(editors[1], slug, range(5, 25))
        pair[0].start()
        bodies += post_numbered(editors[1], slug, range(25, 30))
        eventually(lambda: all_told(readers, bodies), 20)
        assert all(reader.connections > 1 for reader in readers)
        assert all("reset" not in reader.types for reader in readers)


def test_a_node_killed_again_and_again_while_posts_go_on(pair: Pair, editors: Editors, slug: str) -> None:
    with faithful(pair[0], slug) as readers:
        bodies: list[str] = []
        over = threading.Event()

        def write() -> None:
            while not over.is_set():
                bodies.extend(post_numbered(editors[1], slug, range(len(bodies), len(bodies) + 1)))
                over.wait(0.01)

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            before = len(bodies)
            eventually(lambda before=before: len(bodies) > before + 5)  # type: ignore[misc]
            pair[0].kill()
            pair[0].start()
        over.set()
        writer.join(20)
        eventually(lambda: all_told(readers, bodies), 20)
        assert len(bodies) > 15
        assert all("reset" not in reader.types for reader in readers)


def test_a_stopped_node_sends_its_readers_away_and_they_miss_nothing(pair: Pair, editors: Editors, slug: str) -> None:
    with faithful(pair[0], slug) as readers:
        bodies = post_numbered(editors[0], slug, range(3))
        eventually(lambda: all_told(readers, bodies))
        start = time.monotonic()
        pair[0].stop()
        assert time.monotonic() - start < 8
        assert pair[0].process.returncode == 0
        bodies += post_numbered(editors[1], slug, range(3, 9))
        pair[0].start()
        eventually(lambda: all_told(readers, bodies), 20)


def test_a_retraction_reaches_readers_who_were_away_and_its_text_does_not(
    pair: Pair, editors: Editors, slug: str
) -> None:
    with faithful(pair[0], slug) as readers:
        kept = post_numbered(editors[0], slug, range(2))
        eventually(lambda: all_told(readers, kept))
        pair[0].kill()
        wrong = post(editors[1], slug, body="the wrong bridge")
        retract(editors[1], wrong)
        kept += post_numbered(editors[1], slug, range(2, 4))
        pair[0].start()
        eventually(lambda: all_told(readers, kept), 20)
        for reader in readers:
            eventually(lambda reader=reader: "retraction" in reader.types)  # type: ignore[misc]
            assert "wrong bridge" not in str(reader.told)


def end_by_killing(redis: Server) -> None:
    redis.kill()


def end_by_freezing(redis: Server) -> None:
    redis.freeze()


def bring_back(redis: Server) -> None:
    if redis.process.poll() is None:
        redis.thaw()
    else:
        redis.start()


outages = pytest.mark.parametrize("end", [end_by_killing, end_by_freezing])


@outages
def test_a_post_without_redis_is_refused_for_now(
    redis: Server, pair: Pair, editors: Editors, slug: str, end: Callable[[Server], None]
) -> None:
    end(redis)
    for editor in editors:
        answer = editor.post(f"/api/stories/{slug}/updates", json={"body": "Can you hear me?"}, timeout=30)
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (503, 503)
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert "journal" in problem["detail"] and "redis" not in problem["detail"].lower()


@outages
def test_pages_stay_up_without_redis(
    redis: Server, pair: Pair, editors: Editors, slug: str, end: Callable[[Server], None]
) -> None:
    for node in pair:
        for path in ("/", f"/story/{slug}"):
            eventually(lambda address=node.url + path: slug in httpx.get(address).text)  # type: ignore[misc]
    end(redis)
    for node in pair:
        for path in ("/", f"/story/{slug}", "/", f"/story/{slug}"):
            answer = httpx.get(node.url + path, timeout=20)
            assert (answer.status_code, slug in answer.text) == (200, True)
        assert httpx.get(f"{node.url}/livez").status_code == 200


def test_a_page_that_was_never_rendered_says_that_it_is_away_for_now(
    redis: Server, pair: Pair, editors: Editors, slug: str
) -> None:
    redis.kill()
    answer = httpx.get(f"{pair[0].url}/section/unheard", headers={"Accept": "text/html"}, timeout=20)
    assert answer.status_code == 503
    assert "text/html" in answer.headers["content-type"] and "retry-after" in answer.headers


@outages
def test_streams_outlive_an_outage_and_bring_all_of_it(
    redis: Server, pair: Pair, editors: Editors, slug: str, end: Callable[[Server], None]
) -> None:
    with faithful(pair[0], slug) as here, faithful(pair[1], slug) as there:
        bodies = post_numbered(editors[0], slug, range(5))
        eventually(lambda: all_told(here + there, bodies))
        end(redis)
        refused = editors[0].post(
            f"/api/stories/{slug}/updates",
            json={"body": "number 5"},
            headers={"Idempotency-Key": "number 5"},
            timeout=30,
        )
        assert refused.status_code == 503
        with Reader(pair[0], topics="front") as reader:
            assert reader.hello()
            assert reader.receive()["type"] == "tick"
        bring_back(redis)
        for number in range(5, 9):
            bodies.append(str(insist(editors[number % 2], slug, f"number {number}").json()["body"]))
        eventually(lambda: all_told(here + there, bodies), 30)
        assert all("reset" not in reader.types for reader in here + there)
        stored = editors[1].get(f"/api/stories/{slug}").json()["updates"]
        assert sorted(update["body"] for update in stored) == sorted(bodies)


def test_what_was_answered_outlives_redis_killed_in_the_middle_of_it(
    redis: Server, pair: Pair, editors: Editors, slug: str
) -> None:
    accepted: list[str] = []
    over = threading.Event()

    def write(editor: httpx.Client, prefix: str) -> None:
        number = 0
        while not over.is_set():
            accepted.append(str(insist(editor, slug, f"{prefix} {number}").json()["body"]))
            number += 1

    with faithful(pair[0], slug) as here, faithful(pair[1], slug) as there:
        writers = [threading.Thread(target=write, args=pair) for pair in zip(editors, ("one", "other"), strict=True)]
        for writer in writers:
            writer.start()
        for _ in range(2):
            before = len(accepted)
            eventually(lambda before=before: len(accepted) > before + 20, 30)  # type: ignore[misc]
            redis.kill()
            redis.start()
        over.set()
        for writer in writers:
            writer.join(40)
        stored = editors[0].get(f"/api/stories/{slug}").json()["updates"]
        assert sorted(update["body"] for update in stored) == sorted(accepted)
        eventually(lambda: len(here[0].bodies) >= len(accepted), 30)
        eventually(lambda: all_told(here + there, here[0].bodies), 30)
        assert sorted(here[0].bodies) == sorted(accepted)


def test_an_emptied_redis_resets_everybody(redis: Server, pair: Pair, editors: Editors, slug: str, token: str) -> None:
    tokens = redis.call("HGETALL", f"live:{{{pair[0].site}}}:tokens")
    assert isinstance(tokens, dict) and tokens
    with faithful(pair[0], slug) as here, faithful(pair[1], slug) as there:
        bodies = post_numbered(editors[0], slug, range(3))
        eventually(lambda: all_told(here + there, bodies))
        redis.call("FLUSHALL")
        redis.call("HSET", f"live:{{{pair[0].site}}}:tokens", *[word for item in tokens.items() for word in item])
        eventually(lambda: all("reset" in reader.types for reader in here + there))
        with editor_of(pair[0], token) as editor:
            new = create(editor, slug=slug)
            body = post(editor, new["slug"], body="a new life")["body"]
        eventually(lambda: all(reader.bodies[-1] == body for reader in here + there))
        for node in pair:
            eventually(lambda node=node: "a new life" in httpx.get(f"{node.url}/story/{slug}").text)  # type: ignore[misc]


def test_a_cut_of_the_channel_alone_is_noticed(redis: Server, pair: Pair, editors: Editors, slug: str) -> None:
    with faithful(pair[1], slug) as readers:
        bodies: list[str] = []
        for number in range(4):
            redis.call("CLIENT", "KILL", "TYPE", "pubsub")
            bodies += post_numbered(editors[0], slug, range(number, number + 1))
        eventually(lambda: all_told(readers, bodies))
        assert all(reader.connections == 1 for reader in readers)


def test_a_cursor_that_only_redis_knows_cannot_be_served_without_it(
    redis: Server, on_redis: Callable[..., Node], token: str
) -> None:
    from websockets.exceptions import ConnectionClosed

    node = on_redis(ring=2)
    with editor_of(node, token) as editor:
        slug = create(editor)["slug"]
        post_numbered(editor, slug, range(6))
        with Reader(node, topics=f"story/{slug}", after="0-0") as reader:
            cursors: list[Any] = [reader.hello()["id"], *(message["id"] for message in reader.take(7))]
    redis.kill()
    with Reader(node, topics=f"story/{slug}", after=cursors[1]) as reader:
        with pytest.raises(ConnectionClosed) as caught:
            reader.receive()
        assert caught.value.rcvd and caught.value.rcvd.code == 1013
    with Reader(node, topics=f"story/{slug}", after=cursors[-2]) as reader:
        assert [reader.receive()["id"] for _ in range(2)] == cursors[-2:]
