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
from tests.fanout.client import Client, notice_of
from tests.fanout.newsroom import SECTION, ModelJournal, Newsroom, clock, settle, spin

CLIENTS: tuple[tuple[Wire, set[str]], ...] = (
    ("ws", {"front", "breaking"}),
    ("ws", {"front", "breaking"}),
    ("ws", {"front", "breaking"}),
    ("deflated", {"front", "breaking", "story/quay", "story/harbour"}),
    ("sse", {"story/quay", SECTION}),
    ("sse", {"breaking", "story/harbour"}),
)
WHO = st.integers(0, len(CLIENTS) - 1)
NODE = st.integers(0, 1)
READERS_IN_A_SLICE = 2


class Interleavings(RuleBasedStateMachine):
    new_loop: ClassVar[Callable[[], asyncio.AbstractEventLoop]] = asyncio.new_event_loop

    def __init__(self) -> None:
        super().__init__()
        self._slice, pump.SLICE = pump.SLICE, READERS_IN_A_SLICE
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
    )
    def start(self, ring: int, limit: int, buffer: int, before: int) -> None:
        for _ in range(before):
            self.journal.append(self.newsroom.update("quay"))
        self.hubs = [Hub(self.journal.since, clock, ring) for _ in range(2)]
        for hub in self.hubs:
            floor, entries = self.journal.tail(ring)
            hub.start(floor, entries, None)
        self.clients = [Client(self.journal, wire, topics, limit, buffer) for wire, topics in CLIENTS]

    @rule(
        kind=st.sampled_from(["update", "update", "edit", "story", "retract", "put_notice", "clear_notice"]),
        slug=st.sampled_from(["quay", "harbour"]),
        number=st.integers(0, 5),
        size=st.sampled_from([0, 0, 0, 3_000]),
    )
    def publish(self, kind: str, slug: str, number: int, size: int) -> None:
        match kind:
            case "update":
                event = self.newsroom.update(slug, size)
            case "story":
                event = self.newsroom.story(slug)
            case "retract":
                event = self.newsroom.retract(number)  # type: ignore[assignment]
            case _:
                event = getattr(self.newsroom, kind)()
        if event:
            self.journal.append(event)

    @rule(node=NODE, count=st.integers(1, 12))
    def deliver(self, node: int, count: int) -> None:
        self.run(self._deliver(node, count))

    async def _deliver(self, node: int, count: int) -> None:
        """As the app feeds the hub from the journal's follow."""
        hub = self.hubs[node]
        if not self.journal.knows(hub.position):
            self.rewinds[node] += 1
            hub.rewind(self.journal.last, notice_of(self.journal, self.journal.last))
            return
        for entry in self.journal.after(hub.position)[:count]:
            hub.publish(entry)

    @rule(steps=st.integers(1, 6))
    def let_run(self, steps: int) -> None:
        self.run(spin(steps))

    @rule(who=WHO, node=NODE)
    def connect(self, who: int, node: int) -> None:
        self.at[who] = node
        self.run(self.clients[who].connect(self.hubs[node], self.rewinds[node]))

    @rule(who=WHO, size=st.sampled_from([1, 150, 700, 3_000, 1 << 20]))
    def read(self, who: int, size: int) -> None:
        self._read(who, size)

    def _read(self, who: int, size: int = 1 << 20) -> int:
        return self.clients[who].read(size, self.rewinds[self.at.get(who, 0)])

    @rule(who=WHO)
    def cut(self, who: int) -> None:
        connection = self.clients[who].connection
        if connection:
            connection.cut()

    @rule(keep=st.integers(1, 10))
    def trim(self, keep: int) -> None:
        self.journal.trim(keep)

    @rule(node=NODE, part=st.integers(0, 1), parts=st.integers(1, 2))
    def tick(self, node: int, part: int, parts: int) -> None:
        async def tick() -> None:
            self.hubs[node].tick(part % parts, parts)

        self.run(tick())

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
                    await self._deliver(node, 5)
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
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = LONG
TestInterleavingsOnUvloop = InterleavingsOnUvloop.TestCase
TestInterleavingsOnUvloop.settings = LONG
