"""Fan-out: every entry to every reader whom it concerns, and the way of a reader into the stream.

Everything here runs on one event loop; what must be atomic has no `await` in it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from live.errors import CursorLost, Unavailable
from live.fanout import frames as wire
from live.fanout.frames import Frames, Message
from live.fanout.reader import Audience, Reader
from live.fanout.ring import Ring
from live.model import Cursor, Entry, Notice, NoticeChanged, StoryWithdrawn, UpdateRetracted

Since = Callable[[Cursor], Awaitable[Sequence[Entry]]]
AHEAD_SECONDS = 5.0
"""How long a reader who has seen more than this process waits for it to catch up."""


class Hub:
    """The readers of one process.

    Args:
        since: reads a batch of entries after a cursor from the journal; raises CursorLost.
        clock: gives the present time.
        ring: entries to keep for resuming readers.
    """

    def __init__(self, since: Since, clock: Callable[[], datetime], ring: int) -> None:
        self._since = since
        self._clock = clock
        self._ring = Ring(ring, Cursor(0, 0))
        self._notice: Notice | None = None
        self._audiences: dict[tuple[frozenset[str], wire.Variant], Audience] = {}
        self._by_topic: dict[str, set[Audience]] = {}
        self._moved = asyncio.Condition()

    @property
    def position(self) -> Cursor:
        """The cursor of the last entry that went out."""
        return self._ring.position

    @property
    def readers(self) -> int:
        """How many readers are connected."""
        return sum(len(audience.readers) for audience in self._audiences.values())

    def start(self, floor: Cursor, entries: Sequence[Entry], notice: Notice | None) -> None:
        """Takes the end of the log (and the notice in force), before there are readers."""
        self._ring.clear(floor)
        self._notice = notice
        for entry in entries:
            self.publish(entry)

    def publish(self, entry: Entry) -> Frames:
        """Sends an entry to its readers; entries come in the journal's order."""
        frames = Frames(entry)
        match entry.event:
            case UpdateRetracted() | StoryWithdrawn() as gone:
                self._ring.withdraw(gone)
            case NoticeChanged(notice=notice):
                self._notice = notice
        self._ring.add(frames)
        concerned: set[Audience] = set()
        for topic in frames.topics:
            concerned |= self._by_topic.get(topic, set())
        for audience in concerned:
            messages = frames.encoded(audience.topics, audience.variant)
            for reader in audience.readers:
                reader.send(messages)
        return frames

    def rewind(self, cursor: Cursor, notice: Notice | None) -> None:
        """Tells every reader to start afresh, since entries were lost before this cursor."""
        self._ring.clear(cursor)
        self._notice = notice
        self._to_all(wire.reset(cursor))

    def tick(self) -> None:
        """Sends the heartbeat to every reader."""
        self._to_all(wire.tick(self.position, self._clock()))

    def close_all(self, code: int) -> None:
        """Ends every reader's stream."""
        for audience in self._audiences.values():
            for reader in audience.readers:
                reader.close(code)

    def _to_all(self, message: Message) -> None:
        for audience in self._audiences.values():
            encoded = (wire.encode(message, audience.variant.wire),)
            for reader in audience.readers:
                reader.send(encoded)

    async def moved(self) -> None:
        """Wakes the readers who wait for this process to catch up."""
        async with self._moved:
            self._moved.notify_all()

    async def join(self, reader: Reader, after: Cursor | None) -> None:
        """Lets a reader in: hello, what it missed since `after`, the notice in force, then all that comes.

        Replay ends, and registration happens, in one step without an `await`, so no entry can come between: none is
        missing and none comes twice. The reader's queue must be drained meanwhile: a long replay waits for room.

        Raises:
            Unavailable: the cursor is older than the ring and the journal cannot be reached.
        """
        try:
            if after is not None and after > self.position:
                await self._reach(after)
            elif after is not None and not self._ring.holds(after):
                await self._since(after)
            start, lost = after or self.position, False
        except CursorLost:
            start, lost = self.position, True
        reader.send(self._encode(wire.hello(start, self._clock()), reader))
        try:
            if not lost:
                await self._replay(reader, start)
        except CursorLost:  # trimmed while the replay was under way
            lost = True
        if lost:
            reader.send(self._encode(wire.reset(self.position), reader))
        if "breaking" in reader.topics:
            moment = self._clock()
            notice = self._notice if self._notice and self._notice.in_force(moment) else None
            message = wire.notice_in_force(self.position, notice, moment, reader.variant.form)
            reader.send(self._encode(message, reader))
        self._register(reader)

    async def _replay(self, reader: Reader, after: Cursor) -> None:
        """Sends what came after a cursor, from the journal and then from the ring; returns in step with the hub."""
        while after != self.position:
            for frames in await self._batch(after):
                await reader.room()
                if messages := frames.encoded(reader.topics, reader.variant):
                    reader.send(messages)
                after = frames.cursor

    async def _batch(self, after: Cursor) -> list[Frames]:
        """The next entries after a cursor, none of them beyond what the hub has sent out."""
        if self._ring.holds(after):
            return list(self._ring.after(after))
        batch = [Frames(entry) for entry in await self._since(after) if entry.cursor <= self.position]
        if not batch:  # the hub itself was rewound meanwhile
            raise CursorLost()
        return batch

    async def _reach(self, cursor: Cursor) -> None:
        """Waits until this process is at a cursor that the reader got from another one."""
        await self._since(cursor)  # raises CursorLost if the log does not know it
        try:
            async with asyncio.timeout(AHEAD_SECONDS), self._moved:
                await self._moved.wait_for(lambda: self.position >= cursor)
        except TimeoutError:
            raise Unavailable("This server is behind the others just now; try again shortly.") from None

    def _encode(self, message: Message, reader: Reader) -> tuple[str]:
        return (wire.encode(message, reader.variant.wire),)

    def _register(self, reader: Reader) -> None:
        key = (reader.topics, reader.variant)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(*key)
            for topic in reader.topics:
                self._by_topic.setdefault(topic, set()).add(audience)
        audience.readers.add(reader)

    def leave(self, reader: Reader) -> None:
        """Lets a reader go; harmless for one who never got in."""
        key = (reader.topics, reader.variant)
        audience = self._audiences.get(key)
        if audience is None:
            return
        audience.readers.discard(reader)
        if not audience.readers:
            del self._audiences[key]
            for topic in reader.topics:
                self._by_topic[topic].discard(audience)
                if not self._by_topic[topic]:
                    del self._by_topic[topic]
