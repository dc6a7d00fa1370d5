"""What became of entries: a ping after them, and the pong that a reader's browser answers by itself.

A connection keeps its order, so whoever answers the ping has got all that was sent before it. Pings go out in *waves*,
at most one in an interval, longer the more readers, for the entries since the last one. A wave follows when everybody
has the news: in the same write as an entry, the first pongs would hold the last readers' news up.
Server-sent events have no pings: their readers are counted, and can prove nothing.

Entries and waves share one running number, given when their sweep begins, and a reader has one of them: all up to it is
settled, because it answered, or was not here yet. So a reader confirms an entry once, and only one that was sent to it.
Waves never overtake one another, so a pong answers the earlier ones too (RFC 6455, 5.5.3).
"""

import asyncio
import math
import secrets
import time
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
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
PINGS_PER_SECOND = 2_000
"""Pings that this process sends, and pongs that it takes, on average: about 2 % of a core. Large crowds have fewer
waves."""
KNOWN_WAVES = 1_000
"""Waves whose pongs are recognised, however late: a reader who slept answers all of them at once."""


class Receipt:
    """What became of one entry at the readers of this process. Times are those of `time.monotonic`.

    `written` readers over WebSocket were in its sweep, and `events` of server-sent events. Most of what is known is in
    the `shares`; `left` and `apart` (when they confirmed) are the readers to whom not all of their share applies.
    """

    __slots__ = (
        "_looks",
        "_told",
        "apart",
        "arrived",
        "cursor",
        "ends",
        "events",
        "left",
        "number",
        "shares",
        "written",
    )

    def __init__(self, cursor: Cursor, arrived: float, number: int) -> None:
        self.cursor = cursor
        self.arrived = arrived
        self.number = number
        self.written = 0
        self.events = 0
        self.left = 0
        self.apart = array("d")
        self.shares: list[Share] = []
        self.ends = math.inf
        self._looks = [0.0]
        self._told: tuple[int, int] | None = None

    def sent(self, moment: float) -> None:
        """Takes note that its wave begins."""
        self.ends = moment + LOOKS[-1]
        self._looks += [moment + look for look in LOOKS]

    def news(self, moment: float) -> Delivery | None:
        """What is known by now, if it is time to tell and different from what was told."""
        state = self._confirmed(), self._left()
        final = moment >= self.ends or sum(state) == self.written
        due = final
        while self._looks and self._looks[0] <= moment:
            del self._looks[0]
            due = True
        if not due or (self._told == state and not final):
            return None
        self._told = state
        return self._delivery(final)

    def _confirmed(self) -> int:
        return len(self.apart) + sum(len(share.answered) for share in self.shares)

    def _left(self) -> int:
        return self.left + sum(share.left for share in self.shares)

    def _delivery(self, final: bool) -> Delivery:
        moments = sorted(chain(self.apart, *(share.answered for share in self.shares)))
        return Delivery(
            written=self.written, confirmed=len(moments), left=self._left(), events=self.events, final=final,
            last=(moments[-1] - self.arrived) * 1000 if moments else 0.0, spread=spread_of(moments, self.arrived),
        )  # fmt: skip


class Share:
    """Audiences of a wave to whom the same receipts matter, oldest first; `answered` is when their readers did."""

    __slots__ = ("answered", "left", "receipts")

    def __init__(self, receipts: Sequence[Receipt]) -> None:
        self.receipts = receipts
        self.answered = array("d")
        self.left = 0

    def answer(self, settled: int, moment: float) -> None:
        """Counts a reader for whom all up to a number was settled before."""
        if settled < self.receipts[0].number:
            self.answered.append(moment)
        else:
            for receipt in after(settled, self.receipts):
                receipt.apart.append(moment)

    def leave(self, settled: int) -> None:
        """Counts a reader who left, and for whom all up to a number was settled."""
        if settled < self.receipts[0].number:
            self.left += 1
        else:
            for receipt in after(settled, self.receipts):
                receipt.left += 1


def after(settled: int, receipts: Iterable[Receipt]) -> Iterator[Receipt]:
    """The receipts that came after a number."""
    return (receipt for receipt in receipts if receipt.number > settled)


class Wave:
    """One ping, and the audiences it went to. None of them are kept when it is over."""

    __slots__ = ("ends", "number", "shares")

    def __init__(self, number: int, ends: float, shares: dict[Audience, Share]) -> None:
        self.number = number
        self.ends = ends
        self.shares: dict[Audience, Share] | None = shares


class Receipts:
    """The receipts of one process.

    Args:
        seconds: the least time between two waves; 0 means that there are neither waves nor receipts.
        wake: has the pump ask for the `pings`, when nothing else is under way.
    """

    def __init__(self, seconds: float, wake: Callable[[], None]) -> None:
        self._seconds = seconds
        self._wake = wake
        self.number = 0
        """The running number given last."""
        self._open: list[Receipt] = []
        self._pending: dict[Audience, list[Receipt]] = {}  # by audience, those that await their wave
        self._waves: deque[Wave] = deque()  # that are not over, the oldest first
        self._known: OrderedDict[bytes, Wave] = OrderedDict()  # by the payload of the ping
        self._next = 0.0  # when the next wave may begin
        self._timer: asyncio.TimerHandle | None = None

    def open(self, batch: Iterable[Frames]) -> list[Receipt]:
        """A receipt for each of some entries whose sweep begins; none where there are no receipts."""
        receipts = []
        for frames in batch if self._seconds else ():
            self.number += 1
            receipts.append(Receipt(frames.cursor, frames.arrived, self.number))
        self._open += receipts
        return receipts

    def written(self, audience: Audience, receipts: Iterable[Receipt]) -> None:
        """Takes note that entries go to all who are in an audience now."""
        for receipt in receipts:
            if audience.variant.wire == "sse":
                receipt.events += len(audience)
            else:
                receipt.written += len(audience)
                self._pending.setdefault(audience, []).append(receipt)

    def pings(self) -> Iterator[Errand]:
        """Begins a wave: a ping to each audience whose receipts are pending."""
        moment = time.monotonic()
        alike: dict[tuple[Receipt, ...], Share] = {}
        shares = {}
        for audience, receipts in self._pending.items():
            key = tuple(receipts)
            shares[audience] = alike[key] = alike.get(key) or Share(key)
        self._pending = {}
        ping = self._ping(moment, shares) if shares else b""
        return (Errand(audience, ping, None) for audience in shares)

    def _ping(self, moment: float, shares: dict[Audience, Share]) -> bytes:
        """The frame of a wave that begins."""
        covered = {}
        for share in {*shares.values()}:
            for receipt in share.receipts:
                receipt.shares.append(share)
                covered[receipt.number] = receipt
        for receipt in covered.values():
            receipt.sent(moment)
        self.number += 1
        reached = sum(len(audience) for audience in shares)
        self._next = moment + max(self._seconds, reached / PINGS_PER_SECOND)
        wave = Wave(self.number, moment + LOOKS[-1], shares)
        # The cursor is for people who look; the rest cannot be guessed, so who answers it has read it.
        payload = f"{covered[max(covered)].cursor} {secrets.token_urlsafe(9)}".encode()
        self._waves.append(wave)
        self._known[payload] = wave
        self._forget(moment)
        return frame(Opcode.PING, payload)

    def _forget(self, moment: float) -> None:
        while self._waves and self._waves[0].ends <= moment:
            self._waves.popleft().shares = None
        while len(self._known) > KNOWN_WAVES:
            self._known.popitem(last=False)[1].shares = None

    def follow_up(self) -> None:
        """Sees to it that what is pending gets its wave as soon as one may begin."""
        if not self._pending or self._timer is not None:
            return
        delay = self._next - time.monotonic()
        if delay <= 0:
            self._wake()
        else:
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        self._wake()

    def confirm(self, reader: "Reader", payload: bytes) -> bool:
        """Takes a pong; returns whether it is a reader's first answer to a wave that was sent to it.

        The answer to a wave that is over counts for nothing, but is no fault either.
        """
        wave = self._known.get(payload)
        if wave is None or wave.number <= reader.settled or reader.gone:
            return False
        if wave.shares is not None and reader.audience not in wave.shares:
            return False
        moment = time.monotonic()
        for share in self._shares_of(reader, wave.number):
            share.answer(reader.settled, moment)
        reader.settled = wave.number
        return True

    def left(self, reader: "Reader") -> None:
        """Takes note that a reader is gone."""
        for share in self._shares_of(reader, self.number):
            share.leave(reader.settled)
        for receipt in after(reader.settled, self._pending.get(reader.audience, ())):
            receipt.left += 1

    def _shares_of(self, reader: "Reader", upto: int) -> Iterator[Share]:
        """The reader's shares of the waves that it was sent and has not answered, up to the one with a number."""
        for wave in reversed(self._waves):
            if wave.number <= reader.settled:
                return
            if wave.number <= upto and wave.shares and (share := wave.shares.get(reader.audience)):
                yield share

    def news(self) -> list[tuple[Cursor, Delivery]]:
        """What is to be told of receipts by now; to be asked for every quarter of a second."""
        moment = time.monotonic()
        self._forget(moment)
        news = [(receipt.cursor, delivery) for receipt in self._open if (delivery := receipt.news(moment))]
        over = {cursor for cursor, delivery in news if delivery.final}
        self._open = [receipt for receipt in self._open if receipt.cursor not in over]
        return news

    def abandon(self) -> None:
        """Leaves all receipts as they are, since it is not known any more what was sent."""
        self._pending = {}
        for receipt in self._open:
            receipt.ends = 0.0
        for wave in self._waves:
            wave.shares = None
        self._waves.clear()
