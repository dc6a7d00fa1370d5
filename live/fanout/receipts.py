"""What became of entries: a ping after them, and the pong that a reader's browser answers by itself.

A connection keeps its order, so whoever answers the ping has got all that was sent before it. Pings go out in *waves*,
at most one in an interval: in the same write as an entry, or on their own for the entries since the last one. Server-sent
events have no pings: their readers are counted, and can prove nothing.

Entries and waves share one running number, given when their sweep begins, and a reader has one of them: all up to it is
settled, because it answered, or was not here yet. So a reader confirms an entry once, and only one that was sent to it.
Waves never overtake one another, so a pong answers the earlier ones too (RFC 6455, 5.5.3).
"""

import asyncio
import secrets
import time
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from live.fanout.audience import Audience
from live.fanout.frames import Frames
from live.fanout.sweep import Errand
from live.fanout.websocket import Opcode, frame
from live.model import Cursor, Delivery, spread_of

if TYPE_CHECKING:
    from live.fanout.reader import Reader

LOOKS = (0.25, 1.0, 2.0, 5.0, 10.0)
"""Seconds after its wave at which a receipt is told of, if it changed; the last look is final."""
KNOWN_WAVES = 1_000
"""Waves whose pongs are recognised, however late: a reader who slept answers all of them at once."""


class Receipt:
    """What became of one entry at the readers of this process. Times are those of `time.monotonic`."""

    __slots__ = ("_looks", "_told", "apart", "arrived", "cursor", "events", "left", "number", "sent", "shares", "written")

    def __init__(self, cursor: Cursor, arrived: float, number: int) -> None:
        self.cursor = cursor
        self.arrived = arrived
        self.number = number
        self.written = 0
        """Readers over WebSocket to whom its sweep went."""
        self.events = 0
        """Readers of server-sent events to whom it went."""
        self.left = 0
        self.apart = array("d")
        """When those confirmed it to whom not all of their share applies."""
        self.shares: list[Share] = []
        self.sent: float | None = None
        """When its wave began."""
        self._looks = iter((0.0, *LOOKS))
        self._told = (-1, -1)

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        over = self.sent is not None and time.monotonic() >= self.sent + LOOKS[-1]
        return over or self.written == sum(self._state())

    def _state(self) -> tuple[int, int]:
        """How many confirmed, how many left."""
        confirmed = len(self.apart) + sum(len(share.answered) for share in self.shares)
        return confirmed, self.left + sum(share.left for share in self.shares)

    def delivery(self) -> Delivery:
        """What is known by now."""
        confirmed, left = self._state()
        moments = array("d", sorted((*self.apart, *(moment for share in self.shares for moment in share.answered))))
        return Delivery(
            written=self.written, confirmed=confirmed, left=left, events=self.events, final=self.final,
            last=(moments[-1] - self.arrived) * 1000 if moments else 0.0,
            spread=spread_of(moments, self.arrived),
        )  # fmt: skip
