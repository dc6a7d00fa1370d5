"""The uvicorn side for HTTP: its own protocol, which lends connections and passes WebSocket handshakes on."""

import asyncio
import json
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from live.fanout.connections import CONNECTIONS, RESERVE, Connections, Refusal
from live.fanout.lending import LEND, Headers, Lender, header_lines, named
from live.fanout.reader import Reader
from live.fanout.websocket_protocol import WebSocketProtocol

EVENT_STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache, no-transform\r\n"
    b"X-Accel-Buffering: no\r\nConnection: close\r\n"
)
HARMLESS = (
    b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n"
)
"""What keeps a browser from making anything of a refusal."""
TURNED_AWAY_SECONDS = 1.0
"""How long a connection that is one too many may take to send what it will be refused for."""


def refusal(status: int, title: str, detail: str) -> bytes:
    """An answer before, or in spite of, the application (RFC 9457), after which the connection is closed."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    retry = b"Retry-After: 5\r\n" if status in (429, 503) else b""
    return b"%bContent-Type: application/problem+json\r\nContent-Length: %d\r\n%b%bConnection: close\r\n\r\n%b" % (
        STATUS_LINE[status], len(body), HARMLESS, retry, body,
    )  # fmt: skip


WORDS: dict[Refusal, tuple[int, str, str]] = {
    "connections": (503, "Temporarily unavailable", "This server has as many connections as it can take just now."),
    "address": (429, "Too many requests", "Too many connections are open from your network's address."),
    "header": (431, "Request header fields too large", "The head of a request must be smaller."),
    "url": (414, "URI too long", "This address is longer than any of ours."),
    "slow": (408, "Request timeout", "The request took too long to arrive."),
    "malformed": (400, "Bad request", "This is no HTTP request."),
}
REFUSALS = {why: (words[0], refusal(*words)) for why, words in WORDS.items()}


class HTTPProtocol(HttpToolsProtocol, Lender):
    """HTTP as uvicorn does it, but for four things: a request for events can be lent, an answer that is kept as bytes
    leaves as it is, a WebSocket handshake is not written out and parsed a second time, and requests have limits."""

    _serving: RequestResponseCycle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connections: Connections | None = self.app_state.get(CONNECTIONS)
        self._all = connections = connections or Connections()
        self._limits = connections.limits
        self._part: Literal["head", "body"] = "head"
        self._arrived = 0  # bytes of the request, and of what came in one piece with its end
        self._piece = 0
        self._refusal: Refusal = "malformed"
        self._turned_away: Refusal | None = None
        self._timer: asyncio.TimerHandle | None = None
        connections.requests = self.connections
        self.peer = self.client[0] if self.client else ""
        self._household = connections.arrived(self.peer)
        crowd, neighbours = connections.crowd() - RESERVE, connections.too_many_from(self._household)
        if crowd > 0 or neighbours > 0:
            self._turned_away = "connections" if crowd > 0 else "address"
            if max(crowd, neighbours) > RESERVE:
                connections.refused[self._turned_away] += 1
                transport.abort()
                return
        seconds = TURNED_AWAY_SECONDS if self._turned_away else self._limits.header_seconds
        self._timer = self.loop.call_later(seconds, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._depart()
        super().connection_lost(exc)

    def _depart(self) -> None:
        """The connection serves no requests any more."""
        self._stop_timer()
        if self._household:
            self._all.gone(self._household)
            self._household = ""

    def data_received(self, data: bytes) -> None:
        if self._turned_away:
            self._refuse(self._turned_away)
            return
        self._piece = len(data)
        self._arrived += self._piece
        super().data_received(data)
        if self._arrived:
            self._expect_the_rest()

    def _expect_the_rest(self) -> None:
        """The request is not complete: it has a while, counted from its first piece."""
        if self.transport.is_closing():
            return
        limits = self._limits
        if self._part == "head" and self._arrived > limits.header_bytes:
            self._refuse("header")
        elif self._timer is None:
            seconds = limits.header_seconds if self._part == "head" else limits.body_seconds
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        """The request is not here yet."""
        self._timer = None
        if self._part == "body" and self.cycle.response_complete:
            self.transport.close()
        elif self._arrived:
            self._refuse("slow")
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, why: Refusal) -> None:
        """Ends the connection, with a word about it unless an answer is under way."""
        status, answer = REFUSALS[why]
        self._all.refused[why] += 1
        self._stop_timer()
        if self.transport.is_closing():
            return
        cycle = self.cycle if self._part == "body" else None  # else it is of an earlier request
        earlier = getattr(self, "_serving", None)
        if earlier is None or earlier is cycle or earlier.response_complete:
            if cycle is None or not cycle.response_started:
                self._all.answered[status // 100] += 1
                self.transport.write(answer)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """uvicorn: what came was no request, or one of our callbacks refused it."""
        self._refuse(self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._serving = cycle  # not `self.cycle`, which is the last that was read: requests may be pipelined
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {LEND: self}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        if max(self._piece, self._arrived) > self._all.harmless_bytes:
            self._check_size()
        self._stop_timer()
        super().on_headers_complete()
        self._part = "body"

    def _check_size(self) -> None:
        if len(self.url) > self._limits.url_bytes:
            self._refusal = "url"
        elif sum(len(name) + len(value) for name, value in self.headers) > self._limits.header_bytes:
            self._refusal = "header"
        else:
            return
        raise ValueError(self._refusal)

    def on_message_complete(self) -> None:
        self._stop_timer()
        self._part, self._arrived = "head", 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self.connections.discard(self)
        self._depart()
        self._arrived = 0
        WebSocketProtocol(self.config, self.server_state, self.app_state).upgrade(self)
        # They refer back to this object, which would wait for the garbage collector otherwise.
        self.parser = self.scope = None  # type: ignore[assignment]

    def shutdown(self) -> None:
        self._all.stopping.set()
        super().shutdown()

    def lend(self, reader: Reader, first: bytes, headers: Headers) -> None:
        """Without a length or chunks: the body ends with the connection (RFC 9112, 6.3), which suits any client."""
        self._serving.response_started = self._serving.response_complete = True
        self.connections.discard(self)
        self._depart()
        if self.transport.is_closing():
            reader.connection_lost(None)
            return
        self._unset_keepalive_if_required()
        reader.adopt(self.transport)
        self.status = 200
        reader.send(EVENT_STREAM + named(self.request_id) + header_lines(headers) + first)

    async def answer(self, status: int, head: bytes, body: bytes) -> None:
        """In one write: uvicorn would check each header again, and write the body apart from the head."""
        if self.flow.write_paused:
            await self.flow.drain()
        cycle = self._serving
        if cycle.disconnected:
            return
        self._all.answered[status // 100] += 1
        cycle.response_started = cycle.response_complete = True
        date = b"".join(b"%b: %b\r\n" % header for header in cycle.default_headers)
        end = b"\r\n" if cycle.keep_alive else b"Connection: close\r\n\r\n"
        if cycle.scope["method"] == "HEAD":
            body = b""
        self.status = status
        self.transport.writelines((STATUS_LINE[status], date, head, named(self.request_id), end, body))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
