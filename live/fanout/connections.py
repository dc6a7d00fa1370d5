"""The connections of one process: how many may come, how fast, how long they may take; and that they are to go.

Nothing here looks at more than one connection at a time: joining and leaving cost the same however many are there.
"""

import asyncio
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Container, Sized
from functools import lru_cache
from typing import Literal, NamedTuple

from live.errors import TooManyFromAddress, TooManyStreams

CONNECTIONS = "live.connections"
"""The name under which the server's state has the `Connections`."""
RESERVE = 100
"""Connections beyond the limit that are served, but for streams: who looks after the server gets an answer."""
BURST_SECONDS = 4.0
"""So many seconds' worth of streams may come at once."""
Refusal = Literal["connections", "address", "rate", "header", "url", "slow", "malformed"]


class Limits(NamedTuple):
    """What connections may take, where 0 means any number: in all, from one address for requests and for streams, new
    streams a second; seconds for a request's head and for its body, bytes of its head and of its URL."""

    connections: int = 0
    requests_per_address: int = 0
    streams_per_address: int = 0
    streams_per_second: float = 0
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    header_bytes: int = 32_768
    url_bytes: int = 8_192


NO_LIMITS = Limits()


class TokenBucket:
    """Lets through so many a second, and `depth` at once after a pause. Times are those of `time.monotonic`."""

    __slots__ = ("_at", "_depth", "_left", "_rate")

    def __init__(self, rate: float, depth: float, moment: float) -> None:
        self._rate = rate
        self._depth = self._left = depth
        self._at = moment

    def take(self, moment: float) -> float:
        """Takes one, and returns 0; or returns the seconds after which there will be one."""
        self._fill(moment)
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0

    def is_full(self, moment: float) -> bool:
        """Whether a new one would be the same."""
        self._fill(moment)
        return self._left >= self._depth

    def _fill(self, moment: float) -> None:
        self._left = min(self._depth, self._left + (moment - self._at) * self._rate)
        self._at = moment


class Place:
    """Where the readers of one address are counted, or those of all, if addresses do not matter."""

    __slots__ = ("_connections", "address", "readers")

    def __init__(self, connections: "Connections", address: str) -> None:
        self._connections = connections
        self.address = address
        self.readers = 0

    def leave(self) -> None:
        """Gives one reader's place back."""
        self._connections.left(self)


class Connections:
    """The connections of one process, of which there is one object in the server's state.

    Args:
        limits: what they may take.
        exempt: addresses from which any number of streams may come, since they are proxies'.
    """

    def __init__(self, limits: Limits = NO_LIMITS, exempt: Container[str] = ()) -> None:
        self.limits = limits
        self.harmless_bytes = min(limits.url_bytes, limits.header_bytes)
        """A request's head that is no longer than this meets no limit."""
        self.stopping = asyncio.Event()
        """Is set when the server is to stop."""
        self.requests: Sized = ()
        """The connections that are not lent, which are uvicorn's."""
        self.readers = 0
        self.opened = Counter[str]()
        """How many streams were opened, by their wire."""
        self.refused = Counter[Refusal]()
        """How often something was refused, by the limit that was met."""
        self.answered = [0] * 6
        """How many answers went out, by the first figure of their status."""
        self._exempt = exempt
        self._anywhere = Place(self, "")
        self._places: dict[str, Place] = {}
        self._guests = Counter[str]()
        rate = limits.streams_per_second
        self._bucket = TokenBucket(rate, rate * BURST_SECONDS, time.monotonic()) if rate else None

    def crowd(self) -> int:
        """How many connections there are beyond the limit, or how many there could be more, as a negative number."""
        limit = self.limits.connections
        return self.readers + len(self.requests) - limit if limit else -RESERVE

    def arrived(self, address: str) -> str:
        """Counts a connection from an address in, before its first request; returns the name to count it out by."""
        if not self.limits.requests_per_address or address in self._exempt:
            return ""
        household = household_of(address)
        self._guests[household] += 1
        return household

    def too_many_from(self, household: str) -> int:
        """How many connections there are from one address beyond the limit."""
        return self._guests[household] - self.limits.requests_per_address if household else 0

    def gone(self, household: str) -> None:
        """Counts a connection out: it ended, or serves no requests any more."""
        if self._guests[household] > 1:
            self._guests[household] -= 1
        else:
            del self._guests[household]

    def admit(self, address: str, wire: str) -> Place:
        """Counts a reader in; its `Place` is to be left once.

        Raises:
            TooManyStreams: there are too many connections, or too many streams are being opened.
            TooManyFromAddress: too many streams come from this address.
        """
        if self.crowd() > 0:
            raise self._refusing("connections", TooManyStreams(retry_after=5))
        place = self._place_of(address)
        if place is not self._anywhere and place.readers >= self.limits.streams_per_address:
            raise self._refusing("address", TooManyFromAddress())
        if self._bucket is not None and (wait := self._bucket.take(time.monotonic())):
            raise self._refusing("rate", TooManyStreams(retry_after=math.ceil(wait)))
        if not place.readers and place is not self._anywhere:
            self._places[place.address] = place
        place.readers += 1
        self.readers += 1
        self.opened[wire] += 1
        return place

    def _place_of(self, address: str) -> Place:
        if not self.limits.streams_per_address or address in self._exempt:
            return self._anywhere
        household = household_of(address)
        return self._places.get(household) or Place(self, household)

    def left(self, place: Place) -> None:
        """Counts a reader out."""
        place.readers -= 1
        self.readers -= 1
        if not place.readers:
            self._places.pop(place.address, None)

    def _refusing(self, why: Refusal, problem: TooManyStreams | TooManyFromAddress) -> Exception:
        self.refused[why] += 1
        return problem


@lru_cache(maxsize=4096)
def household_of(address: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, since a household has all the others (RFC 6177)."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
