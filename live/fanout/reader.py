"""One connection of a reader, after the HTTP server lent it to the hub: no task, no queue, no timer of its own.

A reader is *in step* while the socket takes everything at once: the hub then writes to the socket itself. When the
socket takes only part of something, the reader falls *behind*: the rest goes into the transport, what follows waits in
a bounded backlog, urgent entries first, until the transport has drained.
"""

import asyncio
import socket
import sys
from collections import deque
from contextlib import suppress
from socket import SocketType
from typing import TYPE_CHECKING

from live.fanout.audience import Audience, Send, unsendable
from live.fanout.connections import Place
from live.fanout.frames import Variant
from live.fanout.websocket import (
    Broken,
    CloseCode,
    Opcode,
    Parser,
    begins_close,
    close_code_of,
    close_frame,
    frame,
    lone_pong,
)

if TYPE_CHECKING:
    from live.fanout.hub import Hub

THIN_STREAM: int | None = getattr(socket, "TCP_CONGESTION", None)
"""Small messages never fill the path: a lent connection takes the kernel's simplest congestion control (RFC 5681),
which every Linux has and allows. A model of the path and its pacing timers (BBR) cost 4 % more CPU per delivery."""
LARGEST_INPUT = 4_096
"""Bytes of one message that a reader may send; it will be closed for it anyway."""
CONTROL_FRAMES, CONTROL_SECONDS = 30, 10.0
"""So many pings and pongs may come in so many seconds; the first answer to each ping of ours does not count."""
CLOSING_SECONDS = 5.0
"""How long a closed reader may take to read what is left and to answer."""


class Backlog:
    """What waits for a reader who is behind."""

    __slots__ = ("room", "routine", "size", "urgent")

    def __init__(self) -> None:
        self.urgent: deque[bytes] = deque()
        self.routine: deque[bytes] = deque()
        self.size = 0
        self.room: asyncio.Event | None = None  # made by a replay that waits


class Inbox:
    """What a reader sent: made only for those who send anything."""

    __slots__ = ("broken", "count", "parser", "since")

    def __init__(self, since: float, deflate: bool) -> None:
        self.parser = Parser(LARGEST_INPUT, deflate=deflate)
        self.since = since
        self.count = 0
        self.broken = False


class Reader(asyncio.Protocol):
    """A reader's connection, the transport's protocol once it is adopted.

    Args:
        hub: where it belongs.
        audience: the readers like it.
        limit: bytes that may wait before it is closed as too slow; it resumes by its cursor.
        place: where it is counted.
    """

    __slots__ = (
        "_backlog",
        "_closing",
        "_direct",
        "_hub",
        "_inbox",
        "_limit",
        "_place",
        "_socket",
        "_transport",
        "audience",
        "fd",
        "raw_send",
        "settled",
    )

    def __init__(self, hub: "Hub", audience: Audience, limit: int, place: Place | None = None) -> None:
        self._hub = hub
        self._place = place
        self.audience = audience
        self._limit = limit
        self._transport: asyncio.Transport | None = None
        self._backlog: Backlog | None = None
        self._inbox: Inbox | None = None
        self._closing = False
        self._direct = False
        self._socket: SocketType | None = None
        self.raw_send: Send = unsendable
        """Writes to the socket what it takes, and says how much that was."""
        self.fd = -1
        self.settled = sys.maxsize
        """The running number (see `receipts`) up to which it has nothing to confirm: all, until it is let in."""

    @property
    def topics(self) -> frozenset[str]:
        """What it follows."""
        return self.audience.topics

    @property
    def variant(self) -> Variant:
        """How it wants its messages."""
        return self.audience.variant

    @property
    def gone(self) -> bool:
        """Whether nothing more can be sent to it."""
        return self._closing

    @property
    def in_step(self) -> bool:
        """Whether the hub may write to its socket."""
        return self._direct and self._backlog is None and not self._closing

    @property
    def waiting(self) -> int:
        """Bytes that wait for it in this process."""
        return self._backlog.size + self._transport.get_write_buffer_size() if self._backlog and self._transport else 0

    def adopt(self, transport: asyncio.Transport) -> None:
        """Takes a connection over, with an empty write buffer and nothing but the request read from it."""
        self._transport = transport
        transport.set_write_buffer_limits(0)  # so that resume_writing says: empty
        transport.set_protocol(self)
        self._direct = transport.get_extra_info("sslcontext") is None
        shared = transport.get_extra_info("socket")
        self.fd = shared.fileno()
        # The bare socket type, on the transport's own descriptor: send(2) with the least around it.
        self._socket = SocketType(shared.family, socket.SOCK_STREAM, 0, self.fd)
        if THIN_STREAM is not None and shared.family != socket.AF_UNIX:
            with suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, THIN_STREAM, b"reno")
        self.raw_send = self._socket.send

    def send(self, data: bytes, ahead: bytes | None = None) -> None:
        """Writes the data, or keeps it until the socket takes it.

        An urgent entry has a form to go `ahead` of what waits. When too much waits, the reader is closed; but an entry
        larger than the limit passes when nothing else waits, else it could never be read.
        """
        if self._closing or not data:
            return
        if (backlog := self._backlog) is None:
            self._write(data)
            return
        if backlog.size and backlog.size + len(data) > self._limit:
            self._hub.tally.slow_closes += 1
            self.close(CloseCode.TOO_SLOW)
        elif ahead is not None and backlog.routine:
            backlog.urgent.append(ahead)
            backlog.size += len(ahead)
        else:
            (backlog.routine if ahead is None else backlog.urgent).append(data)
            backlog.size += len(data)

    def _write(self, data: bytes) -> None:
        """Writes as much as the socket takes; the rest goes through the transport."""
        taken = 0
        if self._direct:
            try:
                taken = self.raw_send(data)
            except BlockingIOError:
                pass
            except OSError:
                self.abort()
                return
        if taken < len(data):
            self.fall_behind(data[taken:] if taken else data)

    def fall_behind(self, rest: bytes) -> None:
        """Hands the rest of something to the transport; unless it takes that at once, the reader is behind."""
        assert self._transport
        self._transport.write(rest)
        if self._transport.get_write_buffer_size() and self._backlog is None:
            self._backlog = Backlog()
            self._hub.changed_step(self)

    def pause_writing(self) -> None:
        """The transport holds data: nothing to do, `fall_behind` has seen to it."""

    def resume_writing(self) -> None:
        """The transport's buffer is empty: what waited goes out, urgent entries first."""
        backlog = self._backlog
        if backlog is None or self._closing:
            return
        assert self._transport
        while backlog.urgent or backlog.routine:
            data = (backlog.urgent or backlog.routine).popleft()
            backlog.size -= len(data)
            self._write(data)
            if self._closing or self._transport.get_write_buffer_size():
                break
        else:
            self._backlog = None
            self._hub.changed_step(self)
        if backlog.room is not None and (self._backlog is None or backlog.size <= self._limit // 2):
            backlog.room.set()

    async def room(self) -> None:
        """Waits until at most half of the limit is taken, or the reader is gone."""
        while (backlog := self._backlog) is not None and backlog.size > self._limit // 2 and not self._closing:
            backlog.room = asyncio.Event()
            await backlog.room.wait()

    def data_received(self, data: bytes) -> None:
        """A reader has nothing to say but pings, pongs and goodbye."""
        if self.variant.wire == "sse":
            self.abort()
            return
        payload, idle = lone_pong(data), self._inbox is None or self._inbox.parser.idle
        if payload is not None and idle and self._hub.receipts.confirm(self, payload):
            return
        inbox = self._inbox = self._inbox or Inbox(asyncio.get_running_loop().time(), self.variant.wire == "deflated")
        if inbox.broken:
            if begins_close(data) and self._transport:
                self._transport.close()
            return
        try:
            for opcode, payload in inbox.parser.feed(data):
                self._answer(inbox, opcode, payload)
                if self._transport is None:
                    return
        except Broken as broken:
            inbox.broken = True
            self.close(broken.code)

    def _answer(self, inbox: Inbox, opcode: Opcode, payload: bytes) -> None:
        if opcode == Opcode.CLOSE:
            self.close(close_code_of(payload))
            if self._transport:
                self._transport.close()
            return
        if opcode == Opcode.PONG and self._hub.receipts.confirm(self, payload):
            return
        if opcode in (Opcode.TEXT, Opcode.BINARY) or self._too_many(inbox):
            self.close(CloseCode.POLICY)
        elif opcode == Opcode.PING and self._backlog is None:  # one who is behind has no use for a pong yet
            self.send(frame(Opcode.PONG, payload))

    def _too_many(self, inbox: Inbox) -> bool:
        moment = asyncio.get_running_loop().time()
        if moment - inbox.since > CONTROL_SECONDS:
            inbox.since, inbox.count = moment, 0
        inbox.count += 1
        return inbox.count > CONTROL_FRAMES

    def close(self, code: int) -> None:
        """Ends the stream: what waits is dropped, a WebSocket is told why, and has a moment to answer."""
        if self._closing or self._transport is None:
            return
        self._leave()
        transport = self._transport
        if self.variant.wire == "sse":
            transport.close()
        else:
            transport.write(close_frame(code))
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, transport.abort)

    def abort(self) -> None:
        """Ends the stream without a word."""
        self._leave()
        if self._transport:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._transport = None

    def _leave(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._hub.leave(self)
        if self._place is not None:
            self._place.leave()
        if self._socket is not None:
            self._socket.detach()  # the descriptor is the transport's; a late send fails here and reaches nobody else
            self._socket = None
        if self._backlog is not None and self._backlog.room is not None:
            self._backlog.room.set()
        self._backlog = None
