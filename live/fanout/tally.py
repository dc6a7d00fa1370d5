"""What the hub of one process did, in plain numbers: others read them, and nothing here costs a reader anything."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from live.fanout.frames import Frames
from live.model import Cursor

UNREAD = 10_000
"""Times that are kept until somebody reads them; beyond that the oldest are lost."""


class Traced(NamedTuple):
    """An entry with a trace that went out to so many: when it came, when the last socket had it (monotonic)."""

    trace: str
    cursor: Cursor
    arrived: float
    sent: float
    readers: int


class Tally:
    """`entries` came, `deliveries` were written (a reader counts once in a sweep), `slow_closes` readers were too slow.

    `fanout_seconds` are the times from an entry's coming to the last reader's socket, `latency_seconds` those from
    its publication by the newsroom. Whoever reads them takes them out.
    """

    __slots__ = ("deliveries", "entries", "fanout_seconds", "latency_seconds", "slow_closes", "traced")

    def __init__(self) -> None:
        self.entries = 0
        self.deliveries = 0
        self.slow_closes = 0
        self.fanout_seconds = deque[float](maxlen=UNREAD)
        self.latency_seconds = deque[float](maxlen=UNREAD)
        self.traced = deque[Traced](maxlen=UNREAD)

    def swept(self, batch: Sequence[Frames], reached: int) -> None:
        """Takes note of a sweep that is through: what it brought, and to how many readers."""
        if not batch or not reached:
            return
        self.deliveries += reached
        moment, now = monotonic(), datetime.now(UTC)
        for frames in batch:
            self.fanout_seconds.append(moment - frames.arrived)
            if frames.trace:
                self.traced.append(Traced(frames.trace, frames.cursor, frames.arrived, moment, reached))
            if frames.event is not None:  # else it was withdrawn meanwhile
                self.latency_seconds.append(max(0.0, (now - frames.event.at).total_seconds()))
