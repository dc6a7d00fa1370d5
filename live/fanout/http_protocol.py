"""The uvicorn side for HTTP: its own protocol, which lends connections and passes WebSocket handshakes on."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from live.fanout.lending import LEND, Headers, Lender, header_lines
from live.fanout.reader import Reader
from live.fanout.websocket_protocol import WebSocketProtocol

EVENT_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache, no-transform\r\n"
    b"X-Accel-Buffering: no\r\nConnection: close\r\n"
)


class HTTPProtocol(HttpToolsProtocol, Lender):
    """HTTP as uvicorn does it, but for three things: a request for events can be lent, an answer that is kept as bytes
    leaves as it is, and a WebSocket handshake is not written out and parsed a second time."""

    _serving: RequestResponseCycle

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._serving = cycle  # not `self.cycle`, which is the last that was read: requests may be pipelined
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {LEND: self}  # type: ignore[dict-item]

    def handle_websocket_upgrade(self) -> None:
        self.connections.discard(self)
        WebSocketProtocol(self.config, self.server_state, self.app_state).upgrade(self)

    def lend(self, reader: Reader, first: bytes, headers: Headers) -> None:
        """Without a length or chunks: the body ends with the connection (RFC 9112, 6.3), which suits any client."""
        self._serving.response_started = self._serving.response_complete = True
        self.connections.discard(self)
        if self.transport.is_closing():
            reader.connection_lost(None)
            return
        self._unset_keepalive_if_required()
        reader.adopt(self.transport)
        reader.send(EVENT_STREAM + header_lines(headers) + first)

    async def answer(self, status: int, head: bytes, body: bytes) -> None:
        """In one write: uvicorn would check each header again, and write the body apart from the head."""
        if self.flow.write_paused:
            await self.flow.drain()
        cycle = self._serving
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        date = b"".join(b"%b: %b\r\n" % header for header in cycle.default_headers)
        end = b"\r\n" if cycle.keep_alive else b"Connection: close\r\n\r\n"
        if cycle.scope["method"] == "HEAD":
            body = b""
        self.transport.writelines((STATUS_LINE[status], date, head, end, body))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
