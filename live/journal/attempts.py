"""How often somebody tried, counted over all nodes: a bound on guessing.

A count begins with the first attempt and is forgotten a fixed time later; attempts that are refused meanwhile do not
prolong it. An attempt counts before it is judged, so that many at once are no way around the bound; one that succeeds
is taken back.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import Keys
from live.journal.secret import digest

WINDOW = timedelta(minutes=15)


class Limit(NamedTuple):
    """At most `most` attempts of one `kind` (name, address) by one `who`, in 15 minutes."""

    kind: str
    who: str
    most: int


class Verdict(NamedTuple):
    """Whether an attempt may go on: `wait` is 0, or else the seconds until it may be made again.

    `first` is true of the first attempt that was refused, and of it only.
    """

    wait: int
    first: bool = False


class Attempts:
    """The attempts on one site. Every method raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def count(self, limits: Sequence[Limit]) -> Verdict:
        """Counts an attempt under each limit, and judges it by the strictest."""
        with reaching():
            async with self._client.pipeline(transaction=True) as pipe:
                for limit in limits:
                    key = self._key(limit)
                    pipe.incr(key)
                    pipe.pexpire(key, WINDOW, nx=True)
                    pipe.pttl(key)
                found = await pipe.execute()
        counted = list(zip(limits, found[0::3], found[2::3], strict=True))
        over = [(count - limit.most, left) for limit, count, left in counted if count > limit.most]
        if not over:
            return Verdict(0)
        return Verdict(max(math.ceil(left / 1000) for _, left in over), first=max(excess for excess, _ in over) == 1)

    async def take_back(self, limits: Sequence[Limit]) -> None:
        """Undoes the count of one attempt, which succeeded."""
        with reaching():
            async with self._client.pipeline(transaction=True) as pipe:
                for limit in limits:
                    pipe.decr(self._key(limit))
                    pipe.pexpire(self._key(limit), WINDOW, nx=True)  # its time may have run out meanwhile
                await pipe.execute()

    def _key(self, limit: Limit) -> str:
        return self._keys.attempts(limit.kind, digest(limit.who))
