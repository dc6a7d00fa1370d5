"""Whom a site reaches: the readers of its processes, and what became of an entry at them."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field

from live.model.records import Frozen

WIDTH = 1.05
"""From one bound of a spread to the next: quantiles are right to within five per cent."""


class Readership(Frozen):
    """The readers who are connected, by wire and by the stories they follow."""

    ws: int = 0
    sse: int = 0
    stories: dict[str, int] = Field(default_factory=dict)


class Delivery(Frozen):
    """What became of one entry at some readers.

    `written` readers had it sent over WebSocket; `confirmed` of them proved that it arrived, `left` went before they
    could. `events` are the readers of server-sent events, who can prove nothing. `last` is how many milliseconds the
    last proof took, `spread` the number of proofs by the place of their bound (`WIDTH` to the power of that place, in
    milliseconds), so that the spreads of several processes add up. `final` says that nothing will change any more.
    """

    written: int = 0
    confirmed: int = 0
    left: int = 0
    events: int = 0
    last: float = 0.0
    spread: dict[int, int] = Field(default_factory=dict)
    final: bool = True

    @property
    def missing(self) -> int:
        """Readers of whom nothing is known."""
        return self.written - self.confirmed - self.left

    @classmethod
    def sum(cls, deliveries: Iterable[Self]) -> Self:
        """What became of the entry at all of their readers."""
        parts = list(deliveries)
        spread = Counter[int]()
        for part in parts:
            spread.update(part.spread)
        return cls(
            written=sum(part.written for part in parts),
            confirmed=sum(part.confirmed for part in parts),
            left=sum(part.left for part in parts),
            events=sum(part.events for part in parts),
            last=max((part.last for part in parts), default=0.0),
            spread=dict(spread),
            final=all(part.final for part in parts),
        )

    def within(self, share: float) -> float:
        """The milliseconds within which this share (0 to 1) of the proofs came; 0 when there are none."""
        wanted = math.ceil(share * self.confirmed)
        for place in sorted(self.spread):
            wanted -= self.spread[place]
            if wanted <= 0:
                return min(WIDTH**place, self.last)
        return self.last


def spread_of(moments: Sequence[float], start: float) -> Counter[int]:
    """The spread of moments, which are in order, as they lie after a start; all in seconds."""
    spread = Counter[int]()
    done = 0
    while done < len(moments):
        place = max(0, math.ceil(math.log(max(1.0, (moments[done] - start) * 1000), WIDTH)))
        end = max(done + 1, bisect_right(moments, start + WIDTH**place / 1000, done))
        spread[place] += end - done
        done = end
    return spread
