"""A TCP proxy between the browser and one or more nodes, as hostile to streams as some networks are."""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Kind = Literal["websocket", "sse", "poll", "page"]
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD_END = b"\r\n\r\n"
CHUNK = 65_536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def kind_of(head: bytes) -> Kind:
    """What a request asks for, by its head."""
    if re.search(rb"\r\nupgrade: *websocket", head, re.IGNORECASE):
        return "websocket"
    path = head.split(b" ", 2)[1]
    return "sse" if path.startswith(b"/stream") else "poll" if path.startswith(b"/poll.json") else "page"


class Proxy:
    """A context manager: passes each connection on to the next in turn of the `ports` that can be reached.

    A connection carries one request (the node is asked to close after its answer), which its head tells the kind of.

    Args:
        ports: those of the nodes, on this machine.
        cut: kinds of request that are let through, and whose connection is reset so many seconds `after`.
    """

    def __init__(self, *ports: int, cut: tuple[Kind, ...] = (), after: float = 0.2) -> None:
        self.seen: list[tuple[Kind, int]] = []
        """The kind of each request that came, and the port that it went to."""
        self._ports = list(ports)
        self._cut = cut
        self._after = after
        self._held = 0  # connections, from the first on, that pass nothing any more
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def count(self, kind: Kind) -> int:
        """How many requests of a kind came so far."""
        return sum(each == kind for each, _ in self.seen)

    def hold(self) -> None:
        """Passes nothing on any more on the connections there are, and closes none: they are dead, and do not know."""
        self._held = len(self.seen)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _end(self) -> None:
        self._server.close()
        await asyncio.sleep(0)  # those who came just now begin
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self._pass_on((reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the browser or the node went
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over
        finally:
            await _close(writer)
            self._tasks.discard(task)

    async def _pass_on(self, browser: Ends) -> None:
        head = await browser[0].readuntil(HEAD_END)
        kind = kind_of(head)
        port, node = await self._connect()
        number = len(self.seen)
        self.seen.append((kind, port))
        if kind != "websocket":
            head = re.sub(rb"\r\nConnection: [^\r]*", b"\r\nConnection: close", head, flags=re.IGNORECASE)
        node[1].write(head)
        try:
            async with asyncio.timeout(self._after if kind in self._cut else None):
                await _either(self._copy(browser[0], node[1], number), self._copy(node[0], browser[1], number))
        except TimeoutError:
            # Not a good-bye: a reset, as from a firewall.
            browser[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            browser[1].transport.abort()
        finally:
            node[1].transport.abort()
            await _close(node[1])

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while data := await reader.read(CHUNK):
            if number < self._held:
                await asyncio.Event().wait()  # for ever
            writer.write(data)
            await writer.drain()

    async def _connect(self) -> tuple[int, Ends]:
        for _ in self._ports:
            port = self._ports.pop(0)
            self._ports.append(port)
            try:
                return port, await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue  # this node is down: the next one
        raise ConnectionRefusedError


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _either(*works: Coroutine[Any, Any, None]) -> None:
    """Runs both until one is over: where one side ends, so does the connection."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
