"""One connection of a reader: what it follows, and the bounded queue between the hub and its socket."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from live.fanout.frames import Variant

TOO_SLOW = 4008
"""Close code for a reader who takes messages more slowly than they come (docs/protocol.md)."""


class Audience:
    """The readers with the same topics and the same wire variant: one encoding serves them all."""

    __slots__ = ("readers", "topics", "variant")

    def __init__(self, topics: frozenset[str], variant: Variant) -> None:
        self.topics = topics
        self.variant = variant
        self.readers: set[Reader] = set()


class Reader:
    """A reader's side of the hub.

    Args:
        topics: what it follows.
        variant: how it wants its messages.
        limit: characters that may wait before it is closed as too slow; it resumes by its cursor.
    """

    __slots__ = ("_closed", "_limit", "_messages", "_room", "_waiting", "_wake", "topics", "variant")

    def __init__(self, topics: frozenset[str], variant: Variant, limit: int) -> None:
        self.topics = topics
        self.variant = variant
        self._limit = limit
        self._messages: deque[str] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed: int | None = None

    def send(self, messages: tuple[str, ...]) -> None:
        """Queues the messages of one entry: all of them, or the reader is closed as too slow.

        An entry larger than the limit passes when nothing else waits; else it could never be read.
        """
        if self._closed is not None:
            return
        size = sum(map(len, messages))
        if self._waiting and self._waiting + size > self._limit:
            self.close(TOO_SLOW)
            return
        self._messages.extend(messages)
        self._waiting += size
        if self._waiting > self._limit // 2:
            self._room.clear()
        self._wake.set()

    async def room(self) -> None:
        """Waits until at most half of the limit is taken, or the reader is closed."""
        await self._room.wait()

    def close(self, code: int) -> None:
        """Ends the reader's messages at once; what waits is dropped."""
        if self._closed is None:
            self._closed = code
            self._messages.clear()
            self._wake.set()
            self._room.set()

    @property
    def close_code(self) -> int | None:
        """Why the hub closed the reader; None while it has not."""
        return self._closed

    async def messages(self) -> AsyncIterator[str]:
        """Messages to write to the socket, until the reader is closed."""
        while self._closed is None:
            while self._messages:
                message = self._messages.popleft()
                self._waiting -= len(message)
                if self._waiting <= self._limit // 2:
                    self._room.set()
                yield message
            self._wake.clear()
            if not self._messages and self._closed is None:
                await self._wake.wait()
