"""A server that echoes, for connections that are not lent, and a client that sends whatever bytes a test likes.

python -m tests.fanout.echo      serves on a free port of 127.0.0.1, which it prints
"""

import os
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from live.fanout import HTTPProtocol, WebSocketProtocol

LARGEST_MESSAGE = 128 * 1024
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, 1.3
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": SAMPLE_KEY,
    "Sec-WebSocket-Version": "13",
}
MASK = b"\x37\xfa\x21\x3d"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends back what it gets."""
    assert scope["type"] == "websocket"
    while (message := await receive())["type"] != "websocket.disconnect":
        answer: Message = {"type": "websocket.accept"}
        if message["type"] == "websocket.receive":
            answer = {**message, "type": "websocket.send"}
        await send(answer)


def main() -> None:
    """Serves until a signal, on a free port that it prints."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app, http=HTTPProtocol, ws=WebSocketProtocol, ws_max_size=LARGEST_MESSAGE, lifespan="off", log_level="error",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def serving() -> Iterator[str]:
    """The address of an echo server in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "tests.fanout.echo"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()


class Frame(NamedTuple):
    """What the server sent in one frame; `reserved` are its RSV bits."""

    opcode: int
    payload: bytes
    reserved: int = 0
    final: bool = True

    @property
    def code(self) -> int | None:
        """The code of a close frame, None for another or an empty one."""
        return struct.unpack("!H", self.payload[:2])[0] if self.opcode == CLOSE and self.payload else None

    @property
    def text(self) -> bytes:
        """The text, inflated on its own where it was compressed."""
        if not self.reserved & RSV1:
            return self.payload
        return zlib.decompressobj(-15).decompress(self.payload + b"\x00\x00\xff\xff")


def masked(first: int, payload: bytes = b"", mask: bytes = MASK) -> bytes:
    """A client's frame; `first` is its first byte."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return masked(FIN | CLOSE, struct.pack("!H", code) + reason)


class RawClient:
    """A connection that sent a request and read the head of the answer.

    Args:
        url: of the server.
        headers: of the request, `Host` aside.
        window: the size of the receive buffer, for a client who is to be slow; the system's when 0.
    """

    def __init__(
        self,
        url: str,
        path: str = "/",
        headers: Mapping[str, str] = UPGRADE,
        *,
        request: str = "GET {path} HTTP/1.1",
        window: int = 0,
    ) -> None:
        address = urlsplit(url)
        self.socket = socket.socket()
        self.socket.settimeout(10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_000)
        self.socket.connect((address.hostname, address.port))
        self.buffer = b""
        lines = [request.format(path=path), f"Host: {address.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())
        self.read_head()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read_head(self) -> None:
        """Reads the head of an answer."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hasten(self) -> None:
        """Takes the brake of a small receive buffer off."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def more(self) -> bool:
        """Reads on; False at the connection's end, however it came."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            return False
        self.buffer += data
        return bool(data)

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            assert self.more(), f"the connection ended: {self.buffer!r}"
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def frame(self) -> Frame | None:
        """The next frame, None at the connection's end."""
        while (size := self._size()) > len(self.buffer):
            if not self.more():
                return None
        first, head = self.buffer[0], {126: 4, 127: 10}.get(self.buffer[1], 2)
        payload, self.buffer = self.buffer[head:size], self.buffer[size:]
        return Frame(first & 0x0F, payload, first & 0x70, bool(first & FIN))

    def _size(self) -> int:
        """Bytes of the next frame, as far as it can be known."""
        if len(self.buffer) < 2:
            return 2
        length = self.buffer[1]
        assert length < 128, "a server masks nothing"
        if length < 126:
            return 2 + length
        width = 2 if length == 126 else 8
        return 2 + width + int.from_bytes(self.buffer[2 : 2 + width], "big")

    def frames(self) -> Iterator[Frame]:
        """The frames up to the connection's end."""
        while (frame := self.frame()) is not None:
            yield frame

    def control(self) -> Frame | None:
        """The next control frame, past whatever news come meanwhile."""
        return next((frame for frame in self.frames() if frame.opcode >= CLOSE), None)


def resident(process: int) -> int:
    """Bytes of memory that a process has in use."""
    with open(f"/proc/{process}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
