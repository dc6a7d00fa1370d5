"""Readers who do not keep up, and the work that a fan-out costs however many readers there are."""

import asyncio
import json
import select
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from typing import Any

import httpx
import pytest

from live.fanout import Hub, frames
from live.fanout.frames import Message, Wire
from live.model import Cursor
from tests.conftest import StartNode, editor_of, make_token
from tests.fanout.echo import TEXT, UPGRADE, Frame, RawClient
from tests.fanout.newsroom import Connection, Data, ModelJournal, Newsroom, clock, settle, until
from tests.node import Node, eventually
from tests.web import samples

QUEUE = 262_144
LARGE = "The river stands in the streets below the market, and boats bring bread. " * 700  # about 50 KB
MANY = 500
"""Readers that one slice of a fan-out may reach at most: some 3 ms of work."""
WIRES: tuple[Wire, ...] = ("ws", "deflated", "sse")


@pytest.fixture
def node(start_node: StartNode) -> Node:
    return start_node(reader_queue_bytes=QUEUE, tick_seconds=300, receipt_seconds=0)  # no frames but messages


@pytest.fixture
def desk(node: Node, valkey: str) -> Iterator[httpx.Client]:
    """An editor who may do everything."""
    with editor_of(node, make_token(valkey, node.site, "admin")) as client:
        yield client


@pytest.fixture
def slug(node: Node, desk: httpx.Client) -> str:
    """A story that the node has told of: who joins now hears of its updates only."""
    slug = str(samples.create(desk)["slug"])
    eventually(lambda: httpx.get(f"{node.url}/poll.json", params={"topics": f"story/{slug}"}).json()["messages"])
    return slug


def follow(node: Node, slug: str, after: str = "", *, window: int = 0) -> RawClient:
    """A reader of the story and the breaking notice who was let in."""
    resume = f"&after={after}" if after else ""
    client = RawClient(
        node.url, f"/stream?topics=breaking,story/{slug}&as=json{resume}", UPGRADE, window=window
    )  # fmt: skip
    assert client.status == 101
    return client


def slow(node: Node, slug: str) -> RawClient:
    """A reader for whom little fits on the way, greeted, who reads nothing until told to."""
    client = follow(node, slug, window=4_096)
    greeted(client)
    return client


def greeted(client: RawClient) -> dict[str, Any]:
    """Reads hello and the notice of joining."""
    hello = message(client)
    assert hello["type"] == "hello"
    assert message(client)["type"] == "notice"
    return hello


def message(client: RawClient) -> dict[str, Any]:
    frame = client.frame()
    assert frame and frame.opcode == TEXT, frame
    found: dict[str, Any] = json.loads(frame.payload)
    return found


def post_large(desk: httpx.Client, slug: str, count: int) -> list[str]:
    return [samples.post(desk, slug, body=f"Number {number}. {LARGE}")["id"] for number in range(count)]


def resume(client: RawClient) -> list[Frame]:
    """All that comes up to the connection's end or the server's close frame."""
    client.hasten()
    found = []
    for frame in client.frames():
        found.append(frame)
        if frame.opcode != TEXT:
            break
    return found


def cursor_after(messages: Sequence[dict[str, Any]]) -> str:
    """Where a reader stands who keeps the protocol's rule."""
    return str([one["id"] for one in messages if not one.get("more")][-1])


def test_a_reader_who_stops_reading_is_closed_and_nobody_else_waits(node: Node, desk: httpx.Client, slug: str) -> None:
    with slow(node, slug) as stuck, follow(node, slug) as prompt:
        greeted(prompt)
        updates = []
        for _ in range(12):  # more than twice what may wait
            updates += post_large(desk, slug, 1)
            assert message(prompt)["update"] == updates[-1]
        *entries, last = resume(stuck)
        assert last.code == 4008
        got = [json.loads(frame.payload)["update"] for frame in entries]
        assert got == updates[: len(got)]
        assert len(got) < len(updates)


def test_who_was_too_slow_resumes_by_the_cursor_without_a_hole(node: Node, desk: httpx.Client, slug: str) -> None:
    with slow(node, slug) as stuck:
        updates = post_large(desk, slug, 12)
        got = [json.loads(frame.payload) for frame in resume(stuck) if frame.opcode == TEXT]
    assert 0 < len(got) < len(updates)
    with follow(node, slug, cursor_after(got)) as again:
        assert message(again)["type"] == "hello"
        # the notice of joining may come before an entry that the node learnt of after the reader joined
        missed = [
            one["update"] for one in (message(again) for _ in range(len(updates) - len(got) + 1)) if "update" in one
        ]
        assert [one["update"] for one in got] + missed == updates


def test_a_reader_who_pauses_gets_every_byte_once_and_in_order(node: Node, desk: httpx.Client, slug: str) -> None:
    with slow(node, slug) as pausing, follow(node, slug) as prompt:
        greeted(prompt)
        for _ in range(3):
            updates = post_large(desk, slug, 4)
            expected = [prompt.frame() for _ in updates]
            assert [json.loads(frame.payload)["update"] for frame in expected if frame] == updates
            assert [pausing.frame() for _ in updates] == expected


def overtaken(
    node: Node, desk: httpx.Client, slug: str, client: RawClient
) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]]]:
    """Large updates wait for the reader, then come a retraction and a notice: the updates, what the reader gets up to
    the notice, and after it up to the last update."""
    wrong = samples.post(desk, slug, body="The lock has broken.")
    assert message(client)["update"] == wrong["id"]
    with follow(node, slug) as prompt:
        greeted(prompt)
        updates = post_large(desk, slug, 4)
        samples.retract(desk, wrong)
        assert desk.put("/api/notice", json=samples.NOTICE).is_success
        while message(prompt)["type"] != "notice":
            pass  # then the slow reader's are under way, too
    client.hasten()
    before: list[dict[str, Any]] = []
    while not before or before[-1]["type"] != "notice":
        before.append(message(client))
    after: list[dict[str, Any]] = []
    while updates[-1] not in [one.get("update") for one in before + after]:
        after.append(message(client))
    return updates, before, after


def test_what_is_urgent_overtakes_what_waits_and_moves_no_cursor(node: Node, desk: httpx.Client, slug: str) -> None:
    with slow(node, slug) as client:
        updates, before, after = overtaken(node, desk, slug, client)
    assert [one["type"] for one in before[-2:]] == ["retraction", "notice"]
    assert [one.get("more", False) for one in before[-2:]] == [True, True]
    assert after, "nothing waited that could have been overtaken"
    routine = before[:-2] + after
    assert [one["update"] for one in routine] == updates
    assert not any(one.get("more") for one in routine)
    retraction, last = Cursor.parse(before[-2]["id"]), Cursor.parse(cursor_after(before + after))
    assert last == Cursor.parse(routine[-1]["id"])
    assert last < retraction


def test_a_cut_after_the_overtaking_loses_nothing(node: Node, desk: httpx.Client, slug: str) -> None:
    with slow(node, slug) as client:
        updates, before, _ = overtaken(node, desk, slug, client)
    routine = [one["update"] for one in before[:-2]]
    with follow(node, slug, cursor_after(before[:-2])) as again:
        assert message(again)["type"] == "hello"
        came = [message(again) for _ in range(len(updates) - len(routine) + 2)]
    assert routine + [one["update"] for one in came[:-2]] == updates
    assert [one["type"] for one in came[-2:]] == ["retraction", "notice"]
    assert not any(one.get("more") for one in came)


class Crowd:
    """A hub in this process and many readers of it on real sockets."""

    def __init__(self) -> None:
        self.journal = ModelJournal()
        self.newsroom = Newsroom()
        self.hub = Hub(self.journal.since, clock, ring=100)
        self.readers: list[Connection] = []

    async def join(
        self,
        count: int,
        wires: Sequence[Wire] = WIRES,
        topics: Sequence[str] = ("front",),
        after: Cursor | None = None,
    ) -> None:
        for number in range(count):
            connection = Connection(self.hub, wires[number % len(wires)], frozenset(topics), 100_000, 0)
            self.readers.append(connection)
            await connection.open(after)
        await settle()
        for connection in self.readers:
            connection.read()

    def publish(self) -> Cursor:
        """A new update, which concerns its story's page and the front page."""
        entry = self.journal.append(self.newsroom.update("quay", size=400))
        self.hub.publish(entry)
        return entry.cursor

    async def received(self) -> list[list[Data]]:
        """What each reader got, when all got something."""
        got: list[list[Data]] = [[] for _ in self.readers]

        def everybody() -> bool:
            for place, connection in enumerate(self.readers):
                got[place] = got[place] or connection.read()
            return all(got)

        await until(everybody)
        return got

    async def leave(self) -> None:
        for connection in self.readers:
            connection.cut()
            connection.reader.abort()
        await settle()


@pytest.fixture
async def crowd(plenty_of_files: None) -> AsyncIterator[Crowd]:
    crowd = Crowd()
    yield crowd
    await crowd.leave()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str, Wire]]:
    """How often each message was encoded for each wire; the real work is done."""
    counts: Counter[tuple[str, str, Wire]] = Counter()
    encode = frames.encode

    def counting(message: Message, wire: Wire) -> bytes:
        counts[message["type"], message.get("topic", ""), wire] += 1
        return encode(message, wire)

    monkeypatch.setattr(frames, "encode", counting)
    return counts


@pytest.mark.anyio
@pytest.mark.parametrize("readers", [10, 5_000])
async def test_a_message_is_encoded_once_for_each_variant_in_use(
    crowd: Crowd, encoded: Counter[tuple[str, str, Wire]], readers: int
) -> None:
    await crowd.join(readers, topics=["front", "story/quay"])
    encoded.clear()
    cursor = str(crowd.publish())
    got = await crowd.received()
    assert [[(one["type"], one["id"], one["topic"]) for one in messages] for messages in got] == [
        [("update", cursor, "story/quay"), ("story", cursor, "front")]
    ] * readers
    assert encoded == {
        (kind, topic, wire): 1 for kind, topic in (("update", "story/quay"), ("story", "front")) for wire in WIRES
    }


@pytest.mark.anyio
async def test_readers_with_other_topics_share_what_concerns_them_alike(
    crowd: Crowd, encoded: Counter[tuple[str, str, Wire]]
) -> None:
    for topics in (["front"], ["front", "breaking"], ["front", "story/harbour"], ["front", "breaking", "story/other"]):
        await crowd.join(6, topics=topics)
    encoded.clear()
    crowd.publish()
    await crowd.received()
    assert encoded == {("story", "front", wire): 1 for wire in WIRES}


@pytest.mark.anyio
async def test_those_who_come_back_share_what_was_encoded_before(
    crowd: Crowd, encoded: Counter[tuple[str, str, Wire]]
) -> None:
    await crowd.join(6)
    first = crowd.publish()
    await crowd.received()
    crowd.publish()
    await crowd.received()
    encoded.clear()
    await crowd.join(60, after=first)
    assert {kind for kind, _, _ in encoded} == {"hello"}


@pytest.mark.anyio
async def test_a_variant_that_nobody_uses_is_not_encoded(crowd: Crowd, encoded: Counter[tuple[str, str, Wire]]) -> None:
    await crowd.join(10, wires=["deflated"])
    encoded.clear()
    crowd.publish()
    await crowd.received()
    assert encoded == {("story", "front", "deflated"): 1}


@pytest.mark.anyio
async def test_those_who_join_at_the_same_place_share_their_hello(
    crowd: Crowd, encoded: Counter[tuple[str, str, Wire]]
) -> None:
    for wire in WIRES:
        await crowd.join(20, wires=[wire])
    assert encoded == {("hello", "", wire): 1 for wire in WIRES}


@pytest.mark.anyio
async def test_the_loop_does_other_work_between_the_slices_of_a_fan_out(crowd: Crowd) -> None:
    readers = 3_000
    await crowd.join(readers)
    poll = select.poll()
    for connection in crowd.readers:
        poll.register(connection.far, select.POLLIN)
    reached = [len(poll.poll(0))]
    done = asyncio.get_running_loop().create_future()

    def look() -> None:
        reached.append(len(poll.poll(0)))
        if reached[-1] == readers:
            done.set_result(None)
        else:
            asyncio.get_running_loop().call_soon(look)

    crowd.publish()
    look()
    await asyncio.wait_for(done, 30)
    steps = [later - earlier for earlier, later in pairwise(reached)]
    assert reached[0] == 0
    assert max(steps) <= MANY
    assert sum(step > 0 for step in steps) >= readers // MANY
