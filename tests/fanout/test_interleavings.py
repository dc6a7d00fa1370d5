"""Any interleaving of publish, withheld entries, cuts, slow readers, trims and rewinds, at two nodes of one journal.

Each reader gets every entry that concerns its topics once and in order, or an explicit reset; what each message must
satisfy is in `client.py`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from live.fanout import Hub, pump
from live.fanout.frames import Wire
from live.model import Event
from tests.fanout.client import Client, notice_of
from tests.fanout.newsroom import SECTION, STORIES, ModelJournal, Newsroom, clock, settle, spin

CLIENTS: tuple[tuple[Wire, set[str]], ...] = (
    ("ws", {"front", "breaking"}),
    ("ws", {"front", "breaking"}),
    ("ws", {"front", "breaking"}),
    ("deflated", {"front", "breaking", "story/quay", "story/harbour"}),
    ("sse", {"story/quay", SECTION}),
    ("sse", {"breaking", "story/harbour"}),
)
KINDS = ("update", "update", "update", "edit", "story", "retract", "retract", "put_notice", "clear_notice")
WHO = st.integers(0, len(CLIENTS) - 1)
NODE = st.sampled_from([0, 0, 0, 1])
DELIVER = st.tuples(st.just("deliver"), NODE, st.integers(1, 6))
PUBLISH = st.tuples(st.just("publish"), st.sampled_from(KINDS), st.integers(0, 5), st.sampled_from([0, 0, 0, 3_000]))
STEP = st.one_of(
    PUBLISH,
    PUBLISH,
    DELIVER,
    DELIVER,
    st.tuples(st.just("admit"), WHO),
    st.tuples(st.just("admit"), WHO),
    st.tuples(st.just("read"), WHO, st.sampled_from([1, 150, 700, 3_000, 1 << 20])),
    st.tuples(st.just("cut"), WHO),
    st.tuples(st.just("trim"), st.integers(1, 20)),
    st.tuples(st.just("tick"), NODE, st.integers(0, 1), st.integers(1, 2)),
)
Step = tuple[Any, ...]


class Interleavings(RuleBasedStateMachine):
    """Each rule is a burst of steps between which the event loop does not go round, and then some rounds of it."""

    new_loop: ClassVar[Callable[[], asyncio.AbstractEventLoop]] = asyncio.new_event_loop

    def __init__(self) -> None:
        super().__init__()
        self._slice, pump.SLICE = pump.SLICE, 1
        self.runner = asyncio.Runner(loop_factory=type(self).new_loop)
        self.journal = ModelJournal()
        self.newsroom = Newsroom()
        self.rewinds = [0, 0]
        self.at: dict[int, int] = {}

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)

    @initialize(
        ring=st.sampled_from([1, 3, 8, 100]),
        limit=st.sampled_from([2_000, 20_000]),
        buffer=st.sampled_from([2_048, 8_192, 0]),
        before=st.integers(0, 4),
        receipts=st.sampled_from([0.0, 1e-9]),
    )
    def start(self, ring: int, limit: int, buffer: int, before: int, receipts: float) -> None:
        for _ in range(before):
            self.journal.append(self.newsroom.update("quay"))
        self.hubs = [Hub(self.journal.since, clock, ring, receipts) for _ in range(2)]
        for hub in self.hubs:
            floor, entries = self.journal.tail(ring)
            hub.start(floor, entries, None)
        self.clients = [Client(self.journal, wire, topics, limit, buffer) for wire, topics in CLIENTS]

    @rule(steps=st.lists(STEP, min_size=1, max_size=8), node=NODE, rounds=st.integers(0, 4))
    def burst(self, steps: list[Step], node: int, rounds: int) -> None:
        self.run(self._burst(steps, node, rounds))

    async def _burst(self, steps: list[Step], node: int, rounds: int) -> None:
        for who in sorted({step[1] for step in steps if step[0] == "admit"}):
            self.at[who] = node
            await self.clients[who].prepare(self.hubs[node])
        for name, *arguments in steps:
            getattr(self, f"_{name}")(*arguments)
        await spin(rounds)

    def _publish(self, kind: str, number: int, size: int) -> None:
        slug = STORIES[number % 2]
        match kind:
            case "update":
                event: Event | None = self.newsroom.update(slug, size)
            case "story":
                event = self.newsroom.story(slug)
            case "retract":
                event = self.newsroom.retract(-1 - number // 4)  # mostly of what is newest
            case _:
                event = getattr(self.newsroom, kind)()
        if event:
            self.journal.append(event)

    def _deliver(self, node: int, count: int) -> None:
        """As the app feeds the hub from the journal's follow."""
        hub = self.hubs[node]
        if not self.journal.knows(hub.position):
            self.rewinds[node] += 1
            hub.rewind(self.journal.last, notice_of(self.journal, self.journal.last))
            return
        for entry in self.journal.after(hub.position)[:count]:
            hub.publish(entry)

    def _admit(self, who: int) -> None:
        self.clients[who].admit(self.rewinds[self.at[who]])

    def _read(self, who: int, size: int = 1 << 20) -> int:
        return self.clients[who].read(size, self.rewinds[self.at.get(who, 0)])

    def _cut(self, who: int) -> None:
        connection = self.clients[who].connection
        if connection:
            connection.cut()

    def _tick(self, node: int, part: int, parts: int) -> None:
        self.hubs[node].tick(part % parts, parts)

    def _trim(self, keep: int) -> None:
        self.journal.trim(keep)

    def teardown(self) -> None:
        try:
            if hasattr(self, "clients"):
                self.run(self._finish())
        finally:
            pump.SLICE = self._slice
            self.runner.close()

    async def _finish(self) -> None:
        """Whoever is connected, and goes on reading, gets to where the journal is."""
        try:
            for node in (0, 1):
                while self.hubs[node].position != self.journal.last:
                    self._deliver(node, 5)
                    await settle()
            for who in self.at:
                await self._drain(who)
        finally:
            for client in self.clients:
                await client.disconnect()
        assert [hub.readers for hub in self.hubs] == [0, 0]

    async def _drain(self, who: int) -> None:
        client, hub = self.clients[who], self.hubs[self.at[who]]
        for _ in range(60):
            if client.connection is None or client.connection.ended:
                await client.connect(hub, self.rewinds[self.at[who]])
            await settle()
            if self._read(who) == 0 and not client.connection.ended:  # type: ignore[union-attr]
                hub.tick(0, 1)
                await settle()
                self._read(who)
                if client.cursor == self.journal.last:
                    break
        assert client.cursor == self.journal.last
        client.check_notice(self.newsroom.notice)


class InterleavingsOnUvloop(Interleavings):
    new_loop = uvloop.new_event_loop


LONG = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = LONG
TestInterleavingsOnUvloop = InterleavingsOnUvloop.TestCase
TestInterleavingsOnUvloop.settings = LONG
