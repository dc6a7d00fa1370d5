"""How many readers all processes of a site have, and what became of entries at them.

Each process tells of its own, under an ID that it has for its life; whoever asks adds them up. What a process has not
confirmed for a while counts no more, so one that was killed takes its readers with it.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError
from redis.asyncio import Redis

from live.errors import Unavailable
from live.journal.connection import reaching
from live.journal.keys import Keys
from live.model import Cursor, Delivery, Frozen, Readership, millis, now

LOOK_SECONDS = 0.25
CHANGE_SECONDS, HEARTBEAT_SECONDS = 2.0, 5.0
"""How often a process tells of its readers: while they change, and in any case."""
LASTS = timedelta(seconds=15)
KEPT = timedelta(hours=1)
"""How long receipts are kept."""
AT_ONCE = 200
MOST_UNTOLD = 2_000
"""Receipts that wait while the server is away; beyond that the oldest are lost."""
LEAVING_SECONDS = 1.0
log = logging.getLogger("live.journal")
R = TypeVar("R", bound=Frozen)
News = Sequence[tuple[Cursor, Delivery]]


class Present(Frozen):
    """One process: when it started, when it last told of itself (milliseconds since the epoch), and its readers."""

    since: int
    at: int
    readers: Readership
    polls_per_minute: int


class Rate:
    """How often something happened in the last minute, from a counter that only rises."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, count: int, moment: float) -> int:
        """What was added to the counter in the minute before this moment (monotonic, in seconds)."""
        self._seen.append((moment, count))
        while self._seen[0][0] < moment - 60:
            self._seen.popleft()
        return count - self._seen[0][1]


class Presence:
    """The readers of one site. Every method but `run` raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._id = secrets.token_hex(8)
        self._since = millis(now())
        self._told: tuple[float, object] = (-HEARTBEAT_SECONDS, None)
        self._untold: dict[Cursor, Delivery] = {}

    async def run(self, readers: Callable[[], Readership], polls: Callable[[], int], news: Callable[[], News]) -> None:
        """Tells of this process's readers, polls (a counter) and receipts (what is new of them), for ever."""
        rate = Rate()
        try:
            while True:
                self._untold |= news()
                with suppress(Unavailable):  # the journal says so elsewhere; it is told when the server is back
                    await self._tell_of_receipts()
                    await self._tell_of_readers(readers, rate.of(polls(), time.monotonic()))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(LEAVING_SECONDS):
                    await self._leave()

    async def _tell_of_readers(self, readers: Callable[[], Readership], polls: int) -> None:
        moment, (told_at, told) = time.monotonic(), self._told
        if moment - told_at < CHANGE_SECONDS:
            return
        counted = readers(), polls
        if counted == told and moment - told_at < HEARTBEAT_SECONDS - LOOK_SECONDS:
            return
        present = Present(since=self._since, at=millis(now()), readers=counted[0], polls_per_minute=polls)
        with reaching():
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.hset(self._keys.presence, self._id, present.model_dump_json(by_alias=True))
                pipe.expire(self._keys.presence, LASTS)
                await pipe.execute()
        self._told = moment, counted

    async def _tell_of_receipts(self) -> None:
        for cursor in list(self._untold)[:-MOST_UNTOLD]:
            del self._untold[cursor]
        part = dict(list(self._untold.items())[:AT_ONCE])
        if not part:
            return
        with reaching():
            async with self._client.pipeline(transaction=False) as pipe:
                for cursor, delivery in part.items():
                    key = self._keys.delivery(str(cursor))
                    pipe.hset(key, self._id, delivery.model_dump_json(by_alias=True))
                    pipe.expire(key, KEPT)
                await pipe.execute()
        for cursor in part:
            del self._untold[cursor]

    async def _leave(self) -> None:
        with reaching():
            await self._client.hdel(self._keys.presence, self._id)

    async def present(self) -> dict[str, Present]:
        """The processes that are there, by their IDs."""
        with reaching():
            told: Any = await self._client.hgetall(self._keys.presence)
            earliest = millis(now() - LASTS)
            everybody = _read(Present, told)
            gone = [name for name, present in everybody.items() if present.at < earliest]
            if gone:
                await self._client.hdel(self._keys.presence, *gone)
        return {name: present for name, present in everybody.items() if present.at >= earliest}

    async def deliveries(self, cursor: Cursor) -> dict[str, Delivery]:
        """What became of an entry at the readers of each process, by its ID; empty when none knows of it."""
        with reaching():
            told: Any = await self._client.hgetall(self._keys.delivery(str(cursor)))
        return _read(Delivery, told)


def _read(model: type[R], told: Mapping[str, str]) -> dict[str, R]:
    """What was told, but for that which a newer version of Live wrote in its own way."""
    found = {}
    for name, text in told.items():
        try:
            found[name] = model.model_validate_json(text)
        except ValidationError as error:
            log.warning("passed over what another process tells of its readers: %s", error)
    return found
