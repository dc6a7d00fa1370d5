"""One sweep over readers: the same news to all of them, in slices, so that nothing else waits for its whole length."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from live.fanout.reader import Audience, Reader


class Errand(NamedTuple):
    """What one audience gets. `ahead` is the form of an urgent entry that overtakes, None for routine ones."""

    audience: Audience
    data: bytes
    ahead: bytes | None


class Leg:
    """The part of a sweep that concerns one audience: whom it has still to reach."""

    __slots__ = ("errand", "others", "sockets")

    def __init__(self, errand: Errand, sockets: list[int], others: list[Reader]) -> None:
        self.errand = errand
        self.sockets = sockets
        self.others = others


class Sweep:
    """Readers to reach, as they were when it began; those who join later have been told by their replay."""

    __slots__ = ("_legs", "urgent")

    def __init__(self, errands: Iterable[Errand], urgent: bool, share: tuple[int, int] = (0, 1)) -> None:
        part, parts = share
        self.urgent = urgent
        self._legs = [
            Leg(
                errand,
                [fd for fd in errand.audience.ready if fd % parts == part]
                if parts > 1
                else list(errand.audience.ready),
                [reader for reader in errand.audience.others if reader.fd % parts == part],
            )
            for errand in errands
            if errand.data
        ]
        self._legs = [leg for leg in self._legs if leg.sockets or leg.others]

    def advance(self, budget: int) -> bool:
        """Writes to at most `budget` readers; True when everybody was reached."""
        while budget > 0 and self._legs:
            leg = self._legs[-1]
            budget -= self._write_to_sockets(leg, budget) if leg.sockets else self._hand_to_others(leg, budget)
            if not leg.sockets and not leg.others:
                self._legs.pop()
        return not self._legs

    def _write_to_sockets(self, leg: Leg, budget: int) -> int:
        """The innermost loop of the program: one write(2) for each reader in step, and nothing else."""
        data, ready = leg.errand.data, leg.errand.audience.ready
        size, write = len(data), os.write
        slice_, leg.sockets = leg.sockets[-budget:], leg.sockets[:-budget]
        sockets = iter(slice_)
        while True:
            try:
                for fd in sockets:
                    if (taken := write(fd, data)) != size:
                        ready[fd].fall_behind(data[taken:])
                return len(slice_)
            except BlockingIOError:
                ready[fd].fall_behind(data)
            except OSError:
                ready[fd].abort()

    def _hand_to_others(self, leg: Leg, budget: int) -> int:
        slice_, leg.others = leg.others[-budget:], leg.others[:-budget]
        for reader in slice_:
            reader.send(leg.errand.data, leg.errand.ahead)
        return len(slice_)

    def settle(self, left: set[int], slowed: list[Reader]) -> None:
        """Takes note of who left or fell behind since the last slice, before a socket's number means somebody else."""
        for leg in self._legs:
            behind = {reader.fd: reader for reader in slowed if reader.audience is leg.errand.audience}
            away = left | behind.keys()
            if away.isdisjoint(leg.sockets):
                continue
            for fd in (behind.keys() & set(leg.sockets)) - left:
                behind[fd].send(leg.errand.data, leg.errand.ahead)
            leg.sockets = [fd for fd in leg.sockets if fd not in away]
