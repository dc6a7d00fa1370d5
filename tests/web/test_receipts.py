"""Reader counts and delivery receipts, as an editor sees them: real servers, real readers in other processes."""

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import redis

from live.journal import Keys
from tests.conftest import StartNode, editor_of, make_token
from tests.fanout.answering import answering
from tests.fanout.echo import FIN, PING, PONG, TEXT, Frame, RawClient, masked
from tests.node import Node, eventually
from tests.web import samples
from tests.web.samples import refused

EVENTS = {"Accept": "text/event-stream"}
AGAIN = 1.0
"""Seconds between two waves of which a test shall see both."""
Answer = dict[str, Any]


@pytest.fixture
def start(plenty_of_files: None, start_node: StartNode) -> Callable[..., Node]:
    return lambda **settings: start_node(tick_seconds=300, **settings)


def post(desk: httpx.Client, slug: str) -> str:
    """Posts an update; returns its cursor."""
    answer = desk.post(f"/api/stories/{slug}/updates", json=samples.UPDATE)
    assert answer.status_code == 201, answer.text
    return answer.headers["Live-Cursor"]


def receipt(desk: httpx.Client, cursor: str) -> Answer:
    answer = desk.get(f"/api/receipts/{cursor}")
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


def outcome(desk: httpx.Client, cursor: str) -> tuple[int, int, int, int]:
    """How many had the page open, confirmed, left, are missing; as far as it is known."""
    found = receipt(desk, cursor)
    return found["open"], found["confirmed"], found["left"], found["missing"]


def readers(desk: httpx.Client) -> Answer:
    found: Answer = desk.get("/api/readers").json()
    return found


def test_of_two_thousand_readers_the_stopped_ones_are_missing(start: Callable[..., Node], valkey: str) -> None:
    node = start()
    with editor_of(node, make_token(valkey, node.site, "admin")) as desk, ExitStack() as stack:
        slug = samples.create(desk)["slug"]
        path = f"/stream?topics=breaking,story/{slug}&as=json"
        stack.enter_context(answering(node.url, path, 1_950))
        stopped = stack.enter_context(answering(node.url, path, 50))
        elsewhere = stack.enter_context(answering(node.url, "/stream?topics=breaking&as=json", 20))
        stopped.send_signal(signal.SIGSTOP)
        cursor = post(desk, slug)
        eventually(lambda: outcome(desk, cursor) == (2_000, 1_950, 0, 50))
        found = receipt(desk, cursor)
        assert found["share"] == 0.975 and not found["final"] and found["cursor"] == cursor
        assert 0 < found["milliseconds"]["p50"] <= found["milliseconds"]["p99"] <= found["milliseconds"]["last"]
        counted = eventually(lambda: (c := readers(desk))["total"] == 2_020 and c)
        assert (counted["ws"], counted["sse"], counted["nodes"]) == (2_020, 0, 1)
        assert counted["stories"] == {slug: 2_000}
        elsewhere.kill()
        stopped.kill()
        eventually(lambda: outcome(desk, cursor) == (2_000, 1_950, 50, 0))
        assert receipt(desk, cursor)["final"]
        eventually(lambda: readers(desk)["total"] == 1_950)


def test_readers_who_read_late_answer_a_ping_with_heartbeats_after_it(
    plenty_of_files: None, start_node: StartNode, valkey: str
) -> None:
    node = start_node(tick_seconds=0.2)
    with editor_of(node, make_token(valkey, node.site, "admin")) as desk, ExitStack() as stack:
        slug = samples.create(desk)["slug"]
        pausing = stack.enter_context(answering(node.url, f"/stream?topics=story/{slug}&as=json", 50))
        prompt = stack.enter_context(RawClient(node.url, f"/stream?topics=story/{slug}&as=json"))
        pausing.send_signal(signal.SIGSTOP)
        cursor = post(desk, slug)
        assert pings(prompt, cursor)
        ticks = (frame for frame in prompt.frames() if b'"tick"' in frame.payload)
        assert next(ticks) and next(ticks)  # those who pause have had one, too, by the second
        assert outcome(desk, cursor)[1] <= 1
        pausing.send_signal(signal.SIGCONT)
        eventually(lambda: outcome(desk, cursor) == (51, 51, 0, 0))


def test_the_nodes_add_up_and_server_sent_events_and_polls_are_counted_apart(
    start: Callable[..., Node], valkey: str
) -> None:
    nodes = start(), start()
    with editor_of(nodes[0], make_token(valkey, nodes[0].site, "admin")) as desk, ExitStack() as stack:
        slug = samples.create(desk)["slug"]
        path = f"/stream?topics=front,story/{slug}&as=json"
        for node, count in zip(nodes, (30, 12), strict=True):
            stack.enter_context(answering(node.url, path, count))
            stack.enter_context(RawClient(node.url, path, EVENTS))
            httpx.get(f"{node.url}/poll.json?topics=front")
        silent = stack.enter_context(RawClient(nodes[1].url, path))
        cursor = post(desk, slug)
        eventually(lambda: outcome(desk, cursor) == (43, 42, 0, 1))
        found = receipt(desk, cursor)
        assert (found["sse"], found["final"], found["at"]) == (2, False, found["at"])
        counted = {
            "total": 45, "ws": 43, "sse": 2, "pollsPerMinute": 2, "stories": {slug: 45}, "nodes": 2,
        }  # fmt: skip
        eventually(lambda: readers(desk) == counted)
        silent.socket.close()
        eventually(lambda: outcome(desk, cursor) == (43, 42, 1, 0))
        found = receipt(desk, cursor)
        assert found["final"] and found["share"] == 42 / 43 and found["pollsPerMinute"] == 2
        nodes[1].stop()
        eventually(lambda: readers(desk)["nodes"] == 1)
        assert readers(desk)["total"] == 31


def pings(page: RawClient, last: str) -> list[Frame]:
    """The pings up to the one after the message with this cursor, each of them answered."""
    found, seen = [], False
    for frame in page.frames():
        if frame.opcode == TEXT:
            seen = seen or json.loads(frame.text)["id"] == last
        if frame.opcode == PING:
            found.append(frame)
            page.send(masked(FIN | PONG, frame.payload))
            if seen:
                break
    return found


def test_entries_within_one_interval_share_a_wave_and_each_has_its_receipt(
    start: Callable[..., Node], valkey: str
) -> None:
    node = start(receipt_seconds=AGAIN)
    with editor_of(node, make_token(valkey, node.site, "admin")) as desk:
        slug = samples.create(desk)["slug"]
        eventually(lambda: httpx.get(f"{node.url}/poll.json?topics=front").json()["messages"])
        with RawClient(node.url, f"/stream?topics=story/{slug}&as=json") as page:
            cursors = [post(desk, slug) for _ in range(10)]
            assert 1 <= len(pings(page, cursors[-1])) <= 2
            eventually(lambda: [outcome(desk, cursor) for cursor in cursors] == [(1, 1, 0, 0)] * 10)
            assert all(receipt(desk, cursor)["final"] for cursor in cursors)


def test_without_an_interval_nobody_is_pinged_and_nothing_is_claimed(start: Callable[..., Node], valkey: str) -> None:
    node = start(receipt_seconds=0)
    with editor_of(node, make_token(valkey, node.site, "admin")) as desk:
        slug = samples.create(desk)["slug"]
        with RawClient(node.url, f"/stream?topics=story/{slug}&as=json") as page:
            cursor, last = post(desk, slug), post(desk, slug)
            for frame in page.frames():
                assert frame.opcode == TEXT
                if json.loads(frame.text)["id"] == last:
                    break
            page.send(masked(FIN | PING, b"mine"))
            answer = page.control()
            assert answer and (answer.opcode, answer.payload) == (PONG, b"mine")  # and nothing before it
            eventually(lambda: readers(desk)["ws"] == 1)
        refused(desk.get(f"/api/receipts/{cursor}"), 404, "Not found")


def test_who_may_ask_and_for_what(reporter: httpx.Client, server: Node) -> None:
    assert reporter.get("/api/readers").is_success
    refused(reporter.get("/api/receipts/1700000000000-0"), 404, "Not found")
    refused(reporter.get("/api/receipts/18446744073709551615-0"), 404, "Not found")
    refused(reporter.get("/api/receipts/yesterday"), 400, "Malformed cursor")
    for path in ("/api/readers", "/api/receipts/1700000000000-0"):
        refused(httpx.get(server.url + path), 401, "Not authenticated")


def test_a_process_that_was_killed_takes_its_readers_with_it(
    start: Callable[..., Node], valkey: str, keys: Keys
) -> None:
    node = start()
    with editor_of(node, make_token(valkey, node.site, "admin")) as desk, redis.Redis.from_url(valkey) as client:
        (mine,) = eventually(lambda: client.hkeys(keys.presence))
        start().kill()
        assert readers(desk)["nodes"] == 2
        for name, text in client.hgetall(keys.presence).items():
            if name != mine:  # as if it had told of itself a while ago
                client.hset(keys.presence, name, json.dumps(json.loads(text) | {"at": json.loads(text)["at"] - 15_001}))
        assert readers(desk)["nodes"] == 1
        assert client.hkeys(keys.presence) == [mine]
