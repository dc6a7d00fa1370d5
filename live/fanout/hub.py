"""Fan-out: every entry to every reader whom it concerns, and the way of a reader into the stream.

Everything here runs on one event loop; what must be atomic has no `await` in it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, compress

from live.errors import CursorLost, Unavailable
from live.fanout import frames as wire
from live.fanout.audience import Audience, followers, readership
from live.fanout.frames import Form, Frames, Message, Variant
from live.fanout.pump import Pump
from live.fanout.reader import Reader
from live.fanout.receipts import Receipts
from live.fanout.ring import Ring, withdraw
from live.fanout.sweep import Errand
from live.fanout.tally import Tally
from live.fanout.websocket import CloseCode
from live.model import Cursor, Entry, Notice, NoticeChanged, Readership, StoryWithdrawn, UpdateRetracted

Since = Callable[[Cursor], Awaitable[Sequence[Entry]]]
AHEAD_SECONDS = 5.0
"""How long a reader who has seen more than this process waits for it to catch up."""


class Hub:
    """The readers of one process.

    Args:
        since: reads a batch of entries after a cursor from the journal; raises CursorLost.
        clock: gives the present time.
        ring: entries to keep for resuming readers.
        receipt_seconds: the least time between two waves of pings; 0: there are neither pings nor receipts.
    """

    def __init__(self, since: Since, clock: Callable[[], datetime], ring: int, receipt_seconds: float = 0.0) -> None:
        self._since = since
        self._clock = clock
        self._ring = Ring(ring, Cursor(0, 0))
        self._notice: Notice | None = None
        self.tally = Tally()
        self._audiences: dict[tuple[frozenset[str], Variant], Audience] = {}
        self._by_topic: dict[str, set[Audience]] = {}
        give_up, progressed = partial(self.close_all, CloseCode.TRY_AGAIN_LATER), lambda: self._ring.shrink(self.begun)
        self._pump = Pump(self._errands, self._pings, self._heartbeat, give_up, progressed, self.tally.swept)
        self.receipts = Receipts(receipt_seconds, self._pump.put_pings)
        self._notices: dict[Variant, tuple[object, bytes]] = {}
        self._last_hello: tuple[object, bytes] = (None, b"")

    @property
    def position(self) -> Cursor:
        """The cursor of the last entry taken from the journal."""
        return self._ring.position

    @property
    def begun(self) -> Cursor:
        """The cursor up to which sending has at least begun: what a reader who joins now is told by its replay."""
        return self._pump.begun(self._ring.position)

    @property
    def readers(self) -> int:
        """How many readers are connected."""
        return sum(map(len, self._audiences.values()))

    def readership(self) -> Readership:
        """Who is connected, counted by the wire and by story."""
        return readership(self._audiences.values())

    def followers(self) -> Mapping[tuple[str, str], int]:
        """Who is connected, counted by the wire and by kind of topic."""
        return followers(self._audiences.values())

    def behind(self) -> Iterator[Reader]:
        """The readers to whom the hub cannot write at once."""
        return chain.from_iterable([*audience.others] for audience in self._audiences.values())

    def recent(self, topics: frozenset[str], form: Form, limit: int) -> tuple[Cursor, Cursor, list[Message]]:
        """The messages of the last `limit` entries of these topics, oldest first; before them the cursor after which
        they are complete, and the one up to which they are."""
        floor, messages = self._ring.recent(topics, form, limit)
        return floor, self.position, messages

    def start(self, floor: Cursor, entries: Sequence[Entry], notice: Notice | None) -> None:
        """Takes the end of the log (and the notice in force), before there are readers."""
        self._ring.clear(floor)
        self._notice = notice
        for entry in entries:
            self._keep(Frames(entry, self._ring.position))
            self._ring.shrink(entry.cursor)

    def publish(self, entry: Entry) -> Frames:
        """Takes an entry, in the journal's order, and has it sent."""
        frames = Frames(entry, self._ring.position)
        self._keep(frames)
        self._pump.put(frames)
        return frames

    def _keep(self, frames: Frames) -> None:
        match frames.event:
            case UpdateRetracted() | StoryWithdrawn() as gone:
                withdraw(chain(self._ring.entries, self._pump.waiting), gone)
            case NoticeChanged(notice=notice):
                self._notice = notice
        self._ring.add(frames)

    def rewind(self, cursor: Cursor, notice: Notice | None) -> None:
        """Tells every reader to start afresh, since entries were lost before this cursor."""
        self._ring.clear(cursor)
        self._notice = notice
        self.receipts.abandon()
        self._pump.restart(self._to_all(wire.reset(cursor)))

    def tick(self, part: int, parts: int) -> None:
        """Has the heartbeat sent to one of `parts` shares of the readers."""
        self._pump.put_tick(part, parts)

    def close_all(self, code: int) -> None:
        """Ends every reader's stream."""
        for reader in self.everybody():
            reader.close(code)

    def everybody(self) -> Iterator[Reader]:
        """The readers who are connected; they may leave meanwhile."""
        for audience in list(self._audiences.values()):
            yield from [*audience.ready.values(), *audience.others]

    def _errands(self, batch: Sequence[Frames], ahead: bool) -> Iterator[Errand]:
        """What each audience gets of some entries, which are all urgent or all routine."""
        receipts = self.receipts.open(batch)
        concerned = set[Audience]()
        for topic in frozenset[str]().union(*(frames.topics for frames in batch)):
            concerned |= self._by_topic.get(topic, set())
        for audience in concerned:
            topics, variant = audience.topics, audience.variant
            parts = [frames.encoded(topics, variant, ahead=ahead) for frames in batch]
            self.receipts.written(audience, compress(receipts, parts))
            overtaking = None
            if batch[0].urgent:  # some readers have a backlog to overtake, though nothing waits here
                overtaking = b"".join(frames.encoded(topics, variant, ahead=True) for frames in batch)
            yield Errand(audience, b"".join(parts), overtaking)
        self.receipts.follow_up()

    def _pings(self) -> Iterator[Errand]:
        return self.receipts.pings()

    def _heartbeat(self) -> Iterator[Errand]:
        return self._to_all(wire.tick(self.position, self._clock()))

    def _to_all(self, message: Message) -> Iterator[Errand]:
        for audience in self._audiences.values():
            yield Errand(audience, wire.encode(message, audience.variant.wire), None)

    def audience(self, topics: frozenset[str], variant: Variant) -> Audience:
        """The readers with these topics and this variant, of whom there may be none yet."""
        return self._audiences.get((topics, variant)) or Audience(topics, variant)

    def first_of(self, reader: Reader, after: Cursor | None) -> bytes | None:
        """What to send first to a reader whose missed entries are all at hand: hello, replay, the notice in force.

        None if they are not at hand: then its way in is `join`. Between this and `register` there must be no `await`,
        so that no entry can come between: none is missing and none comes twice.
        """
        start = self.begun if after is None else after
        if not self._ring.holds(start) or start > self.begun:
            return None
        return b"".join([self._hello(reader, start), *self._rest(reader, start), self._notice_in_force(reader)])

    def _hello(self, reader: Reader, start: Cursor) -> bytes:
        """Encoded once for all who join at the same cursor in the same millisecond: after a cut, they are many."""
        key = (start, self._clock(), reader.variant.wire)
        if key != self._last_hello[0]:
            self._last_hello = (key, wire.encode(wire.hello(start, key[1]), key[2]))
        return self._last_hello[1]

    async def join(self, reader: Reader, after: Cursor | None) -> None:
        """Lets a reader in: hello, what it missed since `after`, the notice in force, then all that comes.

        Raises:
            Unavailable: the cursor is older than the ring and the journal cannot be reached.
        """
        try:
            if after is not None and after > self.begun:
                await self._reach(after)
            elif after is not None and not self._ring.holds(after):
                await self._since(after)
            start, lost = after or self.begun, False
        except CursorLost:
            start, lost = self.begun, True
        if lost:  # a cut between this and the reset must not leave the reader at a cursor it was never brought to
            reader.send(wire.encode(wire.hello(start, self._clock()) | {"more": True}, reader.variant.wire))
        else:
            reader.send(self._hello(reader, start))
        try:
            if not lost:
                start = await self._replay(reader, start)
        except CursorLost:  # trimmed while the replay was under way
            start, lost = self.begun, True
        if lost:
            reader.send(wire.encode(wire.reset(start), reader.variant.wire))
        for data in self._rest(reader, start):
            reader.send(data)
        reader.send(self._notice_in_force(reader))
        self.register(reader)

    async def _replay(self, reader: Reader, after: Cursor) -> Cursor:
        """Sends what came after a cursor as fast as the reader takes it, and returns how far that went: to where only
        a last few entries, or none, are missing."""
        while after < self.begun and not reader.gone:
            for frames in await self._batch(after):
                await reader.room()
                if frames.cursor > self.begun:
                    break
                reader.send(frames.encoded(reader.topics, reader.variant))
                after = frames.cursor
        if after > self.begun:  # the hub was rewound meanwhile
            raise CursorLost()
        return after

    async def _batch(self, after: Cursor) -> list[Frames]:
        """The next entries after a cursor, from the ring or the journal, none beyond what the hub has begun to send."""
        if self._ring.holds(after):
            return list(self._ring.after(after))
        batch = [Frames(entry, after) for entry in await self._since(after) if entry.cursor <= self.begun]
        if not batch:  # the hub itself was rewound meanwhile
            raise CursorLost()
        return batch

    def _rest(self, reader: Reader, after: Cursor) -> Iterator[bytes]:
        """What a reader at this cursor has missed and no sweep will bring; ahead of its place where one will."""
        overtaking = False
        for frames in self._ring.after(after) if self._ring.holds(after) else ():
            if frames.waiting:
                overtaking = True
            else:
                yield frames.encoded(reader.topics, reader.variant, ahead=overtaking)

    def _notice_in_force(self, reader: Reader) -> bytes:
        """Encoded once for all who join while it stays as it is."""
        if "breaking" not in reader.topics:
            return b""
        moment = self._clock()
        notice = self._notice if self._notice and self._notice.in_force(moment) else None
        known, data = self._notices.get(reader.variant, (None, b""))
        state = (self.begun, notice)
        if known != state:
            message = wire.notice_in_force(self.begun, notice, moment, reader.variant.form)
            data = wire.encode(message, reader.variant.wire)
            self._notices[reader.variant] = (state, data)
        return data

    async def _reach(self, cursor: Cursor) -> None:
        """Waits until this process is at a cursor that the reader got from another one."""
        await self._since(cursor)  # raises CursorLost if the log does not know it
        try:
            async with asyncio.timeout(AHEAD_SECONDS):
                while self.begun < cursor:
                    await self._pump.progress()
        except TimeoutError:
            raise Unavailable("This server is behind the others just now; try again shortly.") from None

    def register(self, reader: Reader) -> None:
        """Has every entry sent to the reader from now on."""
        if reader.gone:
            return
        key = (reader.topics, reader.variant)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = reader.audience
            for topic in audience.topics:
                self._by_topic.setdefault(topic, set()).add(audience)
        reader.audience = audience
        reader.settled = self.receipts.number
        audience.place(reader)

    def changed_step(self, reader: Reader) -> None:
        """Takes note that a reader fell behind or caught up."""
        if reader.audience.remove(reader):  # else it is not registered yet
            reader.audience.place(reader)
            if not reader.in_step:
                self._pump.slowed(reader)

    def leave(self, reader: Reader) -> None:
        """Lets a reader go; harmless for one who never got in."""
        audience = reader.audience
        if not audience.remove(reader):
            return
        self.receipts.left(reader)
        if not audience:
            del self._audiences[audience.topics, audience.variant]
            for topic in audience.topics:
                self._by_topic[topic].discard(audience)
                if not self._by_topic[topic]:
                    del self._by_topic[topic]
