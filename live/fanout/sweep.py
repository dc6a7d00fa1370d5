"""One sweep over readers: the same news to all of them, in slices, so that nothing else waits for its whole length."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from live.fanout.audience import Audience, Send
from live.fanout.frames import Frames
from live.fanout.reader import Reader


class Errand(NamedTuple):
    """What one audience gets. `ahead` is the form of an urgent entry that overtakes, None for what is routine."""

    audience: Audience
    data: bytes
    ahead: bytes | None


class Leg:
    """The part of a sweep that concerns one audience: whom it has still to reach."""

    __slots__ = ("errand", "left", "others", "sockets")

    def __init__(self, errand: Errand, part: int, parts: int) -> None:
        self.errand = errand
        sends = errand.audience.sends
        if parts > 1:
            ready = errand.audience.ready
            sends = [send for send in sends if ready[send].fd % parts == part]
        self.sockets: Iterator[Send] = iter(sends)  # consumed: slices of a list would copy the rest each time
        self.left = len(sends)
        self.others = [reader for reader in errand.audience.others if reader.fd % parts == part]

    def exclude(self, sends: set[Send]) -> set[Send]:
        """Takes out of those in step whom it was still to reach; returns who that was."""
        rest = list(self.sockets)
        kept = [send for send in rest if send not in sends]
        self.sockets, self.left = iter(kept), len(kept)
        return sends.intersection(rest)


class Sweep:
    """Readers to reach, as they were when it began; those who join later have been told by their replay.

    It brings the entries of `batch`, and has `reached` so many readers.
    """

    __slots__ = ("_legs", "batch", "reached", "urgent")

    def __init__(
        self, errands: Iterable[Errand], urgent: bool, share: tuple[int, int] = (0, 1), batch: Sequence[Frames] = ()
    ) -> None:
        self.urgent = urgent
        self.batch = batch
        self.reached = 0
        legs = (Leg(errand, *share) for errand in errands if errand.data)
        self._legs = [leg for leg in legs if leg.left or leg.others]

    def advance(self, budget: int) -> bool:
        """Writes to at most `budget` readers; True when everybody was reached."""
        left = budget
        while left > 0 and self._legs:
            leg = self._legs[-1]
            left -= self._write_to_sockets(leg, left) if leg.left else self._hand_to_others(leg, left)
            if not leg.left and not leg.others:
                self._legs.pop()
        self.reached += budget - left
        return not self._legs

    def _write_to_sockets(self, leg: Leg, budget: int) -> int:
        """The innermost loop of the program: one send(2) for each reader in step, and nothing else."""
        data, ready = leg.errand.data, leg.errand.audience.ready
        size = len(data)
        count = min(budget, leg.left)
        leg.left -= count
        sockets = islice(leg.sockets, count)
        while True:
            try:
                for send in sockets:
                    if (taken := send(data)) != size:
                        ready[send].fall_behind(data[taken:])
                return count
            except BlockingIOError:
                ready[send].fall_behind(data)
            except OSError:
                if send in ready:  # else its reader left since the sweep began
                    ready[send].abort()

    def _hand_to_others(self, leg: Leg, budget: int) -> int:
        count = min(budget, len(leg.others))
        for _ in range(count):
            leg.others.pop().send(leg.errand.data, leg.errand.ahead)
        return count

    def settle(self, slowed: list[Reader]) -> None:
        """Hands it to those who fell behind since the last slice; nothing may be written to their sockets now."""
        for leg in self._legs:
            behind = {reader.raw_send: reader for reader in slowed if reader.audience is leg.errand.audience}
            for send in leg.exclude(set(behind)) if behind else ():
                behind[send].send(leg.errand.data, leg.errand.ahead)
