"""Readers who answer pings as browsers do, and do nothing else, in a process of their own.

python -m tests.fanout.answering URL PATH COUNT      prints a line when all are let in; ends with its input
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.fanout.echo import FIN, PING, PONG, UPGRADE, masked

AT_ONCE = 50


class Answering(asyncio.Protocol):
    """One reader. `begun` becomes true when it was greeted."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self._upgraded = False
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert b" 101 " in head, head
            self._upgraded, self._buffer = True, rest
        while (size := self._frame()) and size <= len(self._buffer):
            self._take(self._buffer[:size])
            self._buffer = self._buffer[size:]

    def _frame(self) -> int:
        """Bytes of the next frame, 0 while that is unknown."""
        if len(self._buffer) < 4:
            return 0
        length = self._buffer[1]
        assert length < 127, "larger than this test needs"
        return 4 + int.from_bytes(self._buffer[2:4], "big") if length == 126 else 2 + length

    def _take(self, frame: bytes) -> None:
        if frame[0] == FIN | PING:
            self._transport.write(masked(FIN | PONG, frame[2:]))
        if not self.begun.done():
            self.begun.set_result(None)


async def main(url: str, path: str, count: int) -> None:
    """Lets the readers in, says so, and lets them answer until the input ends."""
    address = urlsplit(url)
    assert address.hostname and address.port
    host, port = address.hostname, address.port
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {address.netloc}",
        *(f"{name}: {value}" for name, value in UPGRADE.items()),
    ]
    request = "\r\n".join([*lines, "", ""]).encode()
    loop = asyncio.get_running_loop()
    turns = asyncio.Semaphore(AT_ONCE)
    kept = []

    async def join() -> None:
        async with turns:
            transport, reader = await loop.create_connection(lambda: Answering(request), host, port)
            kept.append(transport)
            await reader.begun

    await asyncio.gather(*(join() for _ in range(count)))
    print("all let in", flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def answering(url: str, path: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process with so many readers, all of them let in."""
    words = [sys.executable, "-m", "tests.fanout.answering", url, path, str(count)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "all let in\n"
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
