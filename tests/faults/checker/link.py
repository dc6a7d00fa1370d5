"""A TCP link that can be broken in ways that no socket shows, and one that tampers with what readers are told."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Trick = Literal["drop", "double", "swap"]
SLOW_SECONDS = 0.15


class Proxy(ABC):
    """Passes connections on to what `dial` connects to. Use as an asynchronous context manager."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError):
                answers, there = await self._dial()
                ways = [asyncio.create_task(self.up(reader, there)), asyncio.create_task(self.down(answers, writer))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
        finally:
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()

    async def up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Passes on what the client sends."""
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()

    @abstractmethod
    async def down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Passes on what the server sends."""


class Link(Proxy):
    """Between a node and Redis. `silent`: what is sent is swallowed, either way, for good; `slow`: it comes late."""

    state: Literal["well", "silent", "slow"] = "well"

    async def up(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        await self._pass(source, sink)

    async def down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        await self._pass(source, sink)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        is_dead = False
        while data := await source.read(65536):
            is_dead = is_dead or self.state == "silent"
            if is_dead:
                continue
            if self.state == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            sink.write(data)
            await sink.drain()


class Tampering(Proxy):
    """Between readers and a node: drops, doubles or swaps one update, over plain WebSocket or server-sent events.

    `trick` is done to the first update that comes after it was set, and is None again afterwards.
    """

    trick: Trick | None = None

    async def down(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        head = await source.readuntil(b"\r\n\r\n")
        sink.write(head)
        split = frame if b" 101 " in head else event if b"text/event-stream" in head else rest
        data, held = b"", b""
        while chunk := await source.read(65536):
            data += chunk
            while unit := split(data):
                data = data[len(unit) :]
                is_update = b'"type":"update"' in unit
                trick = self.trick if is_update else None
                if held and is_update:
                    unit, held = unit + held, b""
                elif trick:
                    self.trick = None
                    unit, held = {"drop": (b"", b""), "double": (unit + unit, b""), "swap": (b"", unit)}[trick]
                sink.write(unit)
            await sink.drain()


def frame(data: bytes) -> bytes:
    """The first whole WebSocket frame of a server (RFC 6455, 5.2), or nothing."""
    if len(data) < 2:
        return b""
    extended = {126: 2, 127: 8}.get(data[1] & 127, 0)
    size = int.from_bytes(data[2 : 2 + extended]) if extended else data[1] & 127
    end = 2 + extended + size
    return data[:end] if len(data) >= end else b""


def event(data: bytes) -> bytes:
    """The first whole server-sent event (WHATWG HTML, 9.2.5), or nothing."""
    text, end, _ = data.partition(b"\n\n")
    return text + end if end else b""


def rest(data: bytes) -> bytes:
    """All there is: an answer that is not a stream."""
    return data


def to_socket(path: str | os.PathLike[str]) -> Dial:
    return lambda: asyncio.open_unix_connection(path)


def to_port(port: int) -> Dial:
    return lambda: asyncio.open_connection("127.0.0.1", port)
