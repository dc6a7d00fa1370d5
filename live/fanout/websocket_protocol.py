"""The uvicorn side for WebSocket: the handshake, then a lent connection, or messages as ASGI has them (RFC 6455)."""

import asyncio
import binascii
import logging
from collections import deque
from typing import Any
from urllib.parse import unquote

from starlette.types import Message, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from live.fanout.connections import CONNECTIONS
from live.fanout.lending import LEND, Headers, Lender, header_lines, named
from live.fanout.reader import Reader
from live.fanout.websocket import (
    DEFLATE,
    Broken,
    CloseCode,
    Opcode,
    Parser,
    Received,
    accept_key,
    begins_close,
    close_code_of,
    close_frame,
    frame,
    offers_deflate,
    text_frame,
)

QUEUED_MESSAGES = 32
CLOSING_SECONDS = 5.0
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
log = logging.getLogger("live.fanout")


class WebSocketProtocol(asyncio.Protocol, Lender):
    """A WebSocket connection until it is lent, or to its end if it is not."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: object = None
    ) -> None:
        self._config = config
        self._state = server_state
        self._app_state = app_state
        self._transport: asyncio.Transport | None = None
        self._key = b""
        self._accepted = False
        self._lent = False
        self._closed = False
        self._broken = False
        self._parser: Parser | None = None
        self._received: deque[Message] = deque([{"type": "websocket.connect"}])
        self._arrival: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._denial: Message | None = None

    def upgrade(self, http: HttpToolsProtocol) -> None:
        """Takes over from the HTTP protocol that read the request's head."""
        self._transport = http.transport
        self.peer = http.client[0] if http.client else ""
        self._state.connections.add(self)  # type: ignore[arg-type]
        http.transport.set_protocol(self)
        problem = self._read_handshake(http)
        if problem is not None:
            self._refuse(*problem)
            return
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._run(self._scope(http)))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _read_handshake(self, http: HttpToolsProtocol) -> tuple[int, Headers] | None:
        """RFC 6455, 4.2.1: None if it is well, else the status to refuse it with."""
        version = key = b""
        for name, value in http.headers:
            if name == b"sec-websocket-key":
                key = value.strip()
            elif name == b"sec-websocket-version":
                version = value.strip()
            elif name == b"sec-websocket-extensions" and not self.deflate:
                self.deflate = offers_deflate(value)
        if version != b"13":
            return 426, [(b"Sec-WebSocket-Version", b"13"), (b"Upgrade", b"websocket")]
        try:
            well = len(binascii.a2b_base64(key, strict_mode=True)) == 16
        except binascii.Error:
            well = False
        if not well or http.scope["method"] != "GET":
            return 400, []
        self._key = key
        return None

    def _scope(self, http: HttpToolsProtocol) -> Scope:
        raw_path, _, query = http.url.partition(b"?")
        path = raw_path.decode("ascii")
        root = self._config.root_path
        protocols = [value for name, value in http.headers if name == b"sec-websocket-protocol"]
        return {
            "type": "websocket", "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1", "scheme": "wss" if http.scheme == "https" else "ws", "server": http.server,
            "client": http.client, "root_path": root, "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode() + raw_path, "query_string": query, "headers": http.headers,
            "subprotocols": [word.strip() for value in protocols for word in value.decode("latin-1").split(",")],
            "state": self._app_state, "extensions": {"websocket.http.response": {}, LEND: self},
        }  # fmt: skip

    async def _run(self, scope: Scope) -> None:
        try:
            await self._config.loaded_app(scope, self.receive, self.send)
        except Exception:
            log.exception("the application failed on a WebSocket")
        if self._lent or self._closed:
            return
        if self._accepted:
            self._close(CloseCode.NORMAL)
        else:
            self._refuse(500, [])

    def lend(self, reader: Reader, first: bytes, headers: Headers) -> None:
        """Accepts the handshake and gives the connection to the reader."""
        if self._transport is None or self._transport.is_closing():
            reader.connection_lost(None)
            return
        self._lent = True
        self._state.connections.discard(self)
        reader.adopt(self._transport)
        reader.send(self._acceptance(headers) + first)

    def _acceptance(self, headers: Headers) -> bytes:
        if self.deflate:
            headers = [(b"Sec-WebSocket-Extensions", DEFLATE), *headers]
        self.status = 101
        return SWITCHING + accept_key(self._key) + b"\r\n" + named(self.request_id) + header_lines(headers)

    async def receive(self) -> Message:
        """ASGI: the next event of the connection."""
        while not self._received:
            if self._closed:
                return {"type": "websocket.disconnect", "code": 1006}
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if self._transport and len(self._received) == QUEUED_MESSAGES:
            self._transport.resume_reading()
        return self._received.popleft()

    async def send(self, message: Message) -> None:
        """ASGI: what the app answers."""
        if self._writable is not None:
            await self._writable
        if self._transport is None or self._closed:
            return
        match message["type"]:
            case "websocket.accept":
                self._accepted = True
                headers: Headers = list(message.get("headers", ()))
                if protocol := message.get("subprotocol"):
                    headers.append((b"Sec-WebSocket-Protocol", protocol.encode()))
                self._transport.write(self._acceptance(headers))
            case "websocket.send":
                if (text := message.get("text")) is not None:
                    self._transport.write(text_frame(text.encode(), deflate=self.deflate))
                else:
                    self._transport.write(frame(Opcode.BINARY, message["bytes"]))
            case "websocket.close" if self._accepted:
                self._close(message.get("code", CloseCode.NORMAL))
            case "websocket.close":
                self._refuse(403, [])
            case "websocket.http.response.start":
                self._denial = message
            case "websocket.http.response.body" if self._denial is not None:
                self._refuse(self._denial["status"], self._denial["headers"], message.get("body", b""))

    def data_received(self, data: bytes) -> None:
        if self._broken:
            if begins_close(data) and self._transport:
                self._transport.close()
            return
        if self._parser is None:
            self._parser = Parser(self._config.ws_max_size, deflate=self.deflate)
        try:
            for received in self._parser.feed(data):
                self._handle(received)
                if self._closed:
                    return
        except Broken as broken:
            self._broken = True
            self._close(broken.code)

    def _handle(self, received: Received) -> None:
        assert self._transport
        match received.opcode:
            case Opcode.PING:
                self._transport.write(frame(Opcode.PONG, received.data))
            case Opcode.CLOSE:
                self._close(close_code_of(received.data))
                self._transport.close()
            case Opcode.TEXT:
                self._arrived({"type": "websocket.receive", "text": received.data.decode()})
            case Opcode.BINARY:
                self._arrived({"type": "websocket.receive", "bytes": received.data})

    def _arrived(self, message: Message) -> None:
        self._received.append(message)
        if self._transport and len(self._received) == QUEUED_MESSAGES + 1:
            self._transport.pause_reading()
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._ended(CloseCode.NO_CODE)
        self.resume_writing()
        self._transport = None

    def shutdown(self) -> None:
        """uvicorn: the server stops."""
        if (connections := self._app_state.get(CONNECTIONS)) is not None:
            connections.stopping.set()
        if self._accepted:
            self._close(CloseCode.RESTART)
        else:
            self._refuse(503, [])

    def _close(self, code: int) -> None:
        if self._closed or self._transport is None:
            return
        self._transport.write(close_frame(code))
        self._ended(code)
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._transport.abort)

    def _refuse(self, status: int, headers: Headers, body: bytes = b"") -> None:
        if self._closed or self._transport is None:
            return
        named = {name.lower() for name, _ in headers}
        if b"content-length" not in named:
            headers = [*headers, (b"Content-Length", str(len(body)).encode())]
        self._transport.write(STATUS_LINE[status] + b"Connection: close\r\n" + header_lines(headers) + body)
        self._ended(CloseCode.NO_CODE)
        self._transport.close()

    def _ended(self, code: int) -> None:
        if self._closed:
            return
        self._closed = True
        self._arrived({"type": "websocket.disconnect", "code": int(code)})
