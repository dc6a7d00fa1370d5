"""How often one token, or one person at the desk, may ask the API; counted in this process."""

import math
import time

from live.errors import TooManyRequests
from live.fanout import TokenBucket

LOOK_EVERY = 1_000
"""After so many newcomers those are forgotten who have not asked for a while."""


class RequestRates:
    """Lets `per_minute` requests a minute of each through, as many at once after a pause; 0: any number."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, TokenBucket] = {}
        self._look_at = LOOK_EVERY
        self.refused = 0

    def take(self, who: str) -> None:
        """Counts a request. Raises TooManyRequests, with the seconds to wait, when it is one too many."""
        if not self._per_minute:
            return
        moment = time.monotonic()
        bucket = self._buckets.get(who)
        if bucket is None:
            self._make_room(moment)
            bucket = self._buckets[who] = TokenBucket(self._per_minute / 60, self._per_minute, moment)
        if wait := bucket.take(moment):
            self.refused += 1
            raise TooManyRequests(retry_after=math.ceil(wait))

    def _make_room(self, moment: float) -> None:
        if len(self._buckets) >= self._look_at:
            self._buckets = {who: bucket for who, bucket in self._buckets.items() if not bucket.is_full(moment)}
            self._look_at = len(self._buckets) + LOOK_EVERY
