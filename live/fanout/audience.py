"""The readers whom the same bytes serve."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from live.fanout.frames import Variant
from live.model import Readership

if TYPE_CHECKING:
    from live.fanout.reader import Reader

Send = Callable[[bytes], int]
"""Writes to a socket what it takes, and says how much that was."""


def unsendable(data: bytes) -> int:
    """What a reader sends with that has no connection yet."""
    raise BlockingIOError


class Audience:
    """The readers with the same topics and the same variant: the same bytes serve them all.

    `ready` are those in step, by the `send` of their sockets; `others` are behind, or are reached through TLS.
    """

    __slots__ = ("_sends", "others", "ready", "topics", "variant")

    def __init__(self, topics: frozenset[str], variant: Variant) -> None:
        self.topics = topics
        self.variant = variant
        self.ready: dict[Send, Reader] = {}
        self.others: set[Reader] = set()
        self._sends: list[Send] | None = None

    def __len__(self) -> int:
        return len(self.ready) + len(self.others)

    @property
    def sends(self) -> list[Send]:
        """`ready` as it is now, in a list that nobody changes: kept from one entry to the next while it holds."""
        if self._sends is None:
            self._sends = [*self.ready]
        return self._sends

    def place(self, reader: "Reader") -> None:
        """Counts a reader among those in step, or among the others."""
        self.remove(reader)
        if reader.in_step:
            self.ready[reader.raw_send] = reader
        else:
            self.others.add(reader)

    def remove(self, reader: "Reader") -> bool:
        """Lets a reader go; returns whether it was here."""
        self._sends = None
        if self.ready.pop(reader.raw_send, None) is not None:
            return True
        here = reader in self.others
        self.others.discard(reader)
        return here


def followers(audiences: Iterable[Audience]) -> Counter[tuple[str, str]]:
    """The readers of some audiences, counted by the wire and by kind of topic: one of two kinds counts for both."""
    found = Counter[tuple[str, str]]()
    for audience in audiences:
        for kind in {topic.partition("/")[0] for topic in audience.topics}:
            found["sse" if audience.variant.wire == "sse" else "ws", kind] += len(audience)
    return found


def readership(audiences: Iterable[Audience]) -> Readership:
    """The readers of some audiences, counted by the wire and by story."""
    events, total, stories = 0, 0, Counter[str]()
    for audience in audiences:
        total += len(audience)
        events += len(audience) if audience.variant.wire == "sse" else 0
        for topic in audience.topics:
            kind, _, slug = topic.partition("/")
            if kind == "story":
                stories[slug] += len(audience)
    return Readership(ws=total - events, sse=events, stories=dict(stories))
