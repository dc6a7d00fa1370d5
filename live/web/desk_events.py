"""`GET /desk/events`: tells the desks of each deed, so that editors see each other's changes at once.

Server-sent events with a hint of what changed; what it is now, the desk asks the API. A desk that was away misses
hints, so it asks anew whenever it connects.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from live.errors import Unavailable
from live.journal.connection import reaching
from live.journal.topology import subscribe
from live.model import Identity, Role

TOLD = ("action", "target", "version", "who", "at")
READY = "retry: 2000\nevent: ready\ndata: {}\n\n"
"""The first thing a desk gets, once nothing that happens can be missed; how soon it comes back after a cut, in ms."""
WAITING = 100
"""Hints that may wait for one desk; past that it is cut off, connects again and asks anew."""
SILENCE_SECONDS = 15.0
log = logging.getLogger("live.web")


class Require(Protocol):
    """Recognises who sends a request."""

    async def __call__(self, request: Request, *, role: Role) -> Identity: ...


class DeskEvents:
    """The desks that are open at this process.

    Args:
        client, channel: where the deeds are published.
        require: recognises an editor, or raises.
    """

    def __init__(self, client: Redis, channel: str, require: Require) -> None:
        self._client = client
        self._channel = channel
        self._require = require
        self._desks: set[asyncio.Queue[str | None]] = set()
        self._somebody = asyncio.Event()
        self._listening = False

    async def run(self) -> None:
        """Passes the deeds on, for ever; where no desk is open there is nothing to listen for."""
        while True:
            await self._somebody.wait()
            try:
                with reaching():
                    async with self._client.pubsub() as channel:
                        await subscribe(self._client, channel, self._channel)
                        self._listening = True
                        self._tell_all(READY)
                        while self._desks:
                            message = await channel.get_message(ignore_subscribe_messages=True, timeout=5.0)
                            if message is not None:
                                self._tell(str(message["data"]))
                        self._listening = False
                        self._somebody.clear()  # at once: who comes while we take leave sets it again
            except Unavailable:
                self._listening = False
                self.close()  # who connects again asks anew, so nothing told meanwhile is missed
                await asyncio.sleep(1.0)

    def _tell(self, record: str) -> None:
        fields = json.loads(record)
        hint = json.dumps({name: fields[name] for name in TOLD if name in fields})
        self._tell_all(f"data: {hint}\n\n")

    def _tell_all(self, event: str) -> None:
        for desk in list(self._desks):
            if desk.qsize() < WAITING:
                desk.put_nowait(event)
            else:
                self._cut(desk)

    def _cut(self, desk: asyncio.Queue[str | None]) -> None:
        self._desks.discard(desk)
        desk.put_nowait(None)

    def close(self) -> None:
        """Ends every desk's events."""
        for desk in list(self._desks):
            self._cut(desk)

    async def endpoint(self, request: Request) -> Response:
        """The events of one desk. Raises NotAuthenticated or NotPermitted."""
        await self._require(request, role="reporter")
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[str]:
        desk: asyncio.Queue[str | None] = asyncio.Queue()
        self._desks.add(desk)
        if self._listening:
            desk.put_nowait(READY)
        self._somebody.set()
        try:
            while True:
                try:
                    hint = await asyncio.wait_for(desk.get(), SILENCE_SECONDS)
                except TimeoutError:
                    hint = ": still here\n\n"
                if hint is None:
                    return
                yield hint
        finally:
            self._desks.discard(desk)
