"""Readers who do as docs/protocol.md says, on any node, over WebSocket, server-sent events or polls."""

import asyncio
import json
import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from functools import lru_cache
from typing import Any, ClassVar

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from live.bench.crowd import MARKER
from live.model import Cursor
from tests.faults.checker.ledger import Ledger, Snapshot, Told

Message = dict[str, Any]
SILENCE = 5.0
"""Seconds without so much as a tick after which a connection is given up (ticks come every half second here)."""
POLL_SECONDS = (1.0, 2.0)
BACK_OFF = 1.0
"""The longest wait before a reader connects again, in seconds."""
BODY = re.compile(r'<div class="body">\s*<p>@@(\d+)@@')
OLDER = re.compile(r'id="older"><a href="[^"?]*\?before=(\w+)"')
CURSOR = re.compile(r'data-cursor="([0-9-]+)"')


class Interrupted(Exception):
    """The stream ended, or the server answered with something else."""


class Lost(Exception):
    """The cursor is not in the log any more."""


CUT = (OSError, TimeoutError, httpx.HTTPError, WebSocketException, EOFError, Interrupted)


def numbers_on(html: str) -> tuple[int, ...]:
    """The numbers of the updates on a story page, each as often as it is there."""
    return tuple(map(int, BODY.findall(html)))


@lru_cache(maxsize=256)
def parsed_page(html: str) -> tuple[tuple[int, ...], str]:
    """The numbers on a part of a story, and the update that the next part begins before; "" after the last."""
    before = OLDER.search(html)
    return numbers_on(html), before[1] if before else ""


async def whole_story(client: httpx.AsyncClient, address: str, story: str) -> tuple[Cursor, tuple[int, ...]]:
    """The cursor of a story's page, and the numbers on it and on the parts before it. Raises Interrupted."""
    page = await client.get(f"{address}/story/{story}")
    found = CURSOR.search(page.text)
    if page.status_code != 200 or not found:
        raise Interrupted
    numbers, before = parsed_page(page.text)
    while before:
        part = await client.get(f"{address}/story/{story}/older", params={"before": before})
        if part.status_code != 200:
            raise Interrupted
        more, before = parsed_page(part.text)
        numbers += more
    return Cursor.parse(found[1]), numbers


@lru_cache(maxsize=64)
def parsed_poll(content: bytes) -> Message:
    """A poll's answer; many readers get the same."""
    answer: Message = json.loads(content)
    return answer


class Reader(ABC):
    """Follows some stories until it is stopped, and keeps the ledger of what it was told.

    Args:
        name: what its ledger is called.
        stories: the slugs that it follows.
        addresses: the nodes; it takes any one each time.
        client: shared by all readers.
        form: `html` or `json`.
    """

    wire: ClassVar[str]

    def __init__(
        self, name: str, stories: Sequence[str], addresses: Sequence[str], client: httpx.AsyncClient, form: str
    ) -> None:
        self.ledger = Ledger(f"{self.wire} reader {name} ({form})", frozenset(stories))
        self.cursor: Cursor | None = None
        self.query = {"topics": ",".join(["front", *(f"story/{story}" for story in stories)]), "as": form}
        self.client = client
        self._addresses = addresses
        self._unfinished: list[tuple[int, Cursor]] = []
        self._asked: float | None = None  # seconds after which the server wants it to connect again
        self._present = asyncio.Event()
        self._present.set()
        self._session: asyncio.Task[None] | None = None
        self._life = asyncio.create_task(self._live())

    @property
    def address(self) -> str:
        """One of the nodes', as a load balancer gives it."""
        return random.choice(self._addresses)

    @abstractmethod
    async def listen(self) -> None:
        """Connects, resumes at the cursor, and passes what comes to `take`. Raises one of CUT, or Lost."""

    def cut(self) -> None:
        """Breaks the connection."""
        if self._session:
            self._session.cancel()

    def go(self) -> None:
        """Stays away until told to `come`."""
        self._present.clear()
        self.cut()

    def come(self) -> None:
        self._present.set()

    async def stop(self) -> None:
        self._life.cancel()
        self.cut()
        with suppress(asyncio.CancelledError):
            await self._life

    async def _live(self) -> None:
        while True:
            await self._present.wait()
            self._session = asyncio.create_task(self._visit())
            await asyncio.wait([self._session])
            if not self._session.cancelled() and (error := self._session.exception()):
                raise error
            await asyncio.sleep(random.uniform(0, BACK_OFF) if self._asked is None else self._asked)

    async def _visit(self) -> None:
        """Takes a page if there is none, then listens until the connection is cut."""
        self._unfinished.clear()
        self._asked = None
        with suppress(*CUT):
            try:
                if self.cursor is None:
                    await self._load()
                await self.listen()
            except Lost:
                self.cursor = None

    async def _load(self) -> None:
        """Loads the stories' pages. The oldest cursor is good for all: pages may be newer than the cursor."""
        stories = [await whole_story(self.client, self.address, story) for story in sorted(self.ledger.stories)]
        self.cursor = min(cursor for cursor, _ in stories)
        numbers = frozenset(number for _, numbers in stories for number in numbers)
        self.ledger.events.append(Snapshot(time.monotonic(), self.cursor, numbers))

    def take(self, message: Message) -> None:
        """One message. With `more` it counts only once its entry is complete: otherwise that comes again as a whole."""
        kind = message["type"]
        if kind == "reconnect":
            self._asked = message["in"] / 1000
            raise Interrupted
        if kind == "reset":
            self.ledger.resets += 1
            raise Lost
        if kind == "hello":
            self.ledger.connections += 1
        cursor = Cursor.parse(message["id"])
        if kind == "update":
            text = message.get("html") or message["item"]["body"]
            found = MARKER.search(text.encode())
            if found:
                self._unfinished.append((int(found[1]), cursor))
        if not message.get("more"):
            now = time.monotonic()
            self.ledger.events += [Told(now, number, at) for number, at in self._unfinished]
            self._unfinished.clear()
            self.cursor = cursor


class Streaming(Reader):
    """A reader of the stream, over either wire."""

    @abstractmethod
    def messages(self) -> AsyncIterator[str | bytes]:
        """The texts of the messages after the cursor."""

    async def listen(self) -> None:
        async with aclosing(self.messages()) as texts:  # type: ignore[type-var]
            async for text in texts:
                self.take(json.loads(text))
        raise Interrupted


class OverWebSocket(Streaming):
    wire = "WebSocket"
    compression: ClassVar[str | None] = "deflate"

    async def messages(self) -> AsyncIterator[str | bytes]:
        url = httpx.URL(
            f"{self.address}/stream".replace("http", "ws", 1), params={**self.query, "after": str(self.cursor)}
        )
        async with asyncio.timeout(SILENCE):
            socket = await connect(
                str(url), compression=self.compression, proxy=None, ping_interval=None, close_timeout=SILENCE
            )
        try:
            while True:
                async with asyncio.timeout(SILENCE):
                    text = await socket.recv()
                yield text
        finally:
            socket.transport.abort()


class OverPlainWebSocket(OverWebSocket):
    wire = "plain WebSocket"
    compression = None


class OverEvents(Streaming):
    """Resumes with `Last-Event-ID`, as browsers do; the address has the cursor of its page."""

    wire = "event"

    async def messages(self) -> AsyncIterator[str | bytes]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self.cursor)}
        async with self.client.stream("GET", f"{self.address}/stream", params=self.query, headers=headers) as answer:
            if answer.status_code != 200:
                raise Interrupted
            rest = b""
            async for chunk in answer.aiter_raw():
                *events, rest = (rest + chunk).split(b"\n\n")
                for event in events:
                    data = [line[6:] for line in event.split(b"\n") if line.startswith(b"data: ")]
                    if data:
                        yield b"\n".join(data)


class OverPolls(Reader):
    wire = "polling"

    async def listen(self) -> None:
        tag = ""
        while True:
            headers = {"If-None-Match": tag} if tag else {}
            answer = await self.client.get(f"{self.address}/poll.json", params=self.query, headers=headers)
            if answer.status_code == 200:
                self.ledger.connections += not tag
                tag = answer.headers["etag"]
                self._take_new(parsed_poll(answer.content))
            elif answer.status_code != 304:
                raise Interrupted
            await asyncio.sleep(random.uniform(*POLL_SECONDS))

    def _take_new(self, content: Message) -> None:
        assert self.cursor
        cursor, newest = self.cursor, Cursor.parse(content["id"])
        if cursor < Cursor.parse(content["from"]):
            self.ledger.late_polls += 1
            raise Lost
        for message in content["messages"]:
            if Cursor.parse(message["id"]) > cursor:
                self.take(message)
        self.cursor = max(cursor, newest)  # an answer may come from a node, or a cache, that is behind


KINDS: tuple[type[Reader], ...] = (OverWebSocket, OverEvents, OverPolls, OverPlainWebSocket, OverEvents, OverPolls)


def crowd(
    count: int, stories: Sequence[str], addresses: Sequence[str], client: httpx.AsyncClient,
    kinds: Sequence[type[Reader]] = KINDS,
) -> list[Reader]:  # fmt: skip
    """So many readers: of each kind, of one story or of all, in either form."""
    readers = []
    for number in range(count):
        round_, kind = divmod(number, len(kinds))
        followed = stories if round_ % 4 == 3 else [stories[round_ % len(stories)]]
        form = ("html", "json")[round_ // 2 % 2]
        readers.append(kinds[kind](str(number), followed, addresses, client, form))
    return readers
