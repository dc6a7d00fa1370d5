"""What is sent when: one sweep after the other, in slices, between which the event loop does its other work.

Entries that arrive together, or while a sweep is under way, leave together in the next one. Urgent entries do not
wait for that: their sweep begins at once, on top of the one under way, and the entries that they overtake follow.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextvars import Context

from live.fanout.frames import Frames
from live.fanout.reader import Reader
from live.fanout.sweep import Errand, Sweep
from live.model import Cursor

OF_NOBODY = Context()
"""A sweep belongs to no request, whichever woke the pump."""
log = logging.getLogger("live.fanout")
SLICE = 400
"""Readers that are written to before anything else gets its turn: about 3 ms."""


class Pump:
    """The order of sending.

    Args:
        errands: what each audience gets of some entries, which are all urgent or all routine; `ahead` says whether
            others before them are still to come.
        pings: what each audience gets as a ping after entries.
        heartbeat: what each audience gets as a tick.
        progressed: is called when `begun` has moved.
        give_up: is called when a sweep failed, and some readers may not have got what they should have.
        swept: is called when a sweep is through, with its entries and the number of readers it reached.
    """

    def __init__(
        self,
        errands: Callable[[Sequence[Frames], bool], Iterable[Errand]],
        pings: Callable[[], Iterable[Errand]],
        heartbeat: Callable[[], Iterable[Errand]],
        give_up: Callable[[], None],
        progressed: Callable[[], None],
        swept: Callable[[Sequence[Frames], int], None],
    ) -> None:
        self._errands = errands
        self._pings = pings
        self._heartbeat = heartbeat
        self._give_up = give_up
        self._progressed = progressed
        self._swept = swept
        self.waiting: list[Frames] = []
        """Entries that no sweep has begun with."""
        self._sweeps: list[Sweep] = []  # the last one is under way; an urgent one lies on a routine one
        self._shares: list[tuple[int, int]] = []  # of the heartbeat, due
        self._pings_due = False
        self._pings_waited = False  # for entries that came meanwhile: that once is enough
        self._slowed: list[Reader] = []
        self._running = False
        self._progress = asyncio.Event()

    def begun(self, position: Cursor) -> Cursor:
        """The cursor up to which sending has at least begun, where entries up to `position` were put in."""
        return self.waiting[0].previous if self.waiting else position

    async def progress(self) -> None:
        """Waits until `begun` has moved."""
        await self._progress.wait()

    def put(self, frames: Frames) -> None:
        """Has an entry sent."""
        frames.waiting = True
        self.waiting.append(frames)
        self._wake()

    def put_tick(self, part: int, parts: int) -> None:
        """Has the heartbeat sent to one of `parts` shares of the readers, when nothing else is under way."""
        self._shares.append((part, parts))
        self._wake()

    def put_pings(self) -> None:
        """Has the pings sent that are due, when all sweeps are through."""
        self._pings_due = True
        self._wake()

    def restart(self, errands: Iterable[Errand]) -> None:
        """Forgets all that was to be sent, and sends this instead."""
        self.waiting.clear()
        self._sweeps[:] = [Sweep(errands, urgent=True)]
        self._moved()
        self._wake()

    def slowed(self, reader: Reader) -> None:
        """Takes note that a reader fell behind, so that nothing may be written to its socket."""
        if self._sweeps:
            self._slowed.append(reader)

    def _wake(self) -> None:
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._pump, context=OF_NOBODY)

    def _pump(self) -> None:
        """One slice of work, then the event loop's other work, until nothing is left to send."""
        try:
            self._settle()
            self._begin()
            if self._sweeps and self._sweeps[-1].advance(SLICE):
                sweep = self._sweeps.pop()
                self._swept(sweep.batch, sweep.reached)
        except Exception:
            log.exception("a sweep failed")
            self._sweeps.clear()
            self._give_up()
        self._running = bool(self._sweeps or self.waiting or self._pings_due or self._shares)
        if self._running:
            asyncio.get_running_loop().call_soon(self._pump, context=OF_NOBODY)

    def _begin(self) -> None:
        """Begins the next sweep: urgent entries at once, the others and then the heartbeat when the last is through."""
        under_way = self._sweeps[-1] if self._sweeps else None
        if under_way is None or not under_way.urgent:
            urgent = [frames for frames in self.waiting if frames.urgent]
            overtaking = under_way is not None or len(urgent) < len(self.waiting)
            if urgent and overtaking:
                self._take(urgent)
                self._sweeps.append(Sweep(self._errands(urgent, True), urgent=True, batch=urgent))
                return
        if under_way is not None:
            return
        if self.waiting and not self._pings_waited:
            self._pings_waited = self._pings_due
            batch = list(self.waiting)
            self._take(batch)
            self._sweeps.append(Sweep(self._errands(batch, False), urgent=False, batch=batch))
        elif self._pings_due:
            self._pings_due = self._pings_waited = False
            self._sweeps.append(Sweep(self._pings(), urgent=False))
        elif self._shares:
            self._sweeps.append(Sweep(self._heartbeat(), urgent=False, share=self._shares.pop(0)))

    def _take(self, batch: Iterable[Frames]) -> None:
        for frames in batch:
            frames.waiting = False
        self.waiting = [frames for frames in self.waiting if frames.waiting]
        self._moved()

    def _moved(self) -> None:
        self._progressed()
        self._progress.set()
        self._progress = asyncio.Event()

    def _settle(self) -> None:
        if self._slowed:
            for sweep in self._sweeps:
                sweep.settle(self._slowed)
            self._slowed.clear()
