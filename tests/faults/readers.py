"""Readers with real clients: `websockets` for WebSocket, httpx for server-sent events; and one who comes back."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Literal, Self

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tests.node import Node, eventually

Message = dict[str, Any]
Transport = Literal["ws", "plain", "sse"]
TRANSPORTS: tuple[Transport, ...] = ("ws", "plain", "sse")
PATIENCE = 10.0


class Reader:
    """One connection to the stream. `plain` is a WebSocket without compression."""

    def __init__(
        self, node: Node, transport: Transport = "ws", headers: Mapping[str, str] | None = None, /, **query: str
    ) -> None:
        self.transport = transport
        self.last_event_id = ""
        self._stack = ExitStack()
        self._socket: ClientConnection | None = None
        if transport == "sse":
            client = self._stack.enter_context(httpx.Client(timeout=PATIENCE))
            request = client.build_request("GET", node.stream("http", **query), headers=dict(headers or {}))
            self.response = client.send(request, stream=True)
            self._stack.callback(self.response.close)
            self._events = self._parsed()
        else:
            opening = connect(
                node.stream(**query), additional_headers=dict(headers or {}), proxy=None,
                compression="deflate" if transport == "ws" else None,
            )  # fmt: skip
            self._socket = self._stack.enter_context(opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def socket(self) -> ClientConnection:
        assert self._socket
        return self._socket

    def close(self) -> None:
        self._stack.close()

    def _parsed(self) -> Iterator[Message]:
        """Server-sent events as a browser reads them."""
        data = ""
        for line in self.response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                data += value
            elif name == "id":
                self.last_event_id = value
            elif not line and data:
                yield json.loads(data)
                data = ""

    def receive(self) -> Message:
        """The next message, whatever it is; raises OSError or ConnectionClosed when there is none any more."""
        if self._socket:
            text = self._socket.recv(PATIENCE)
            assert isinstance(text, str)
            message: Message = json.loads(text)
            return message
        try:
            return next(self._events)
        except (StopIteration, httpx.TransportError) as error:
            raise ConnectionError("the stream ended") from error

    def next(self) -> Message:
        """The next message but a tick."""
        while (message := self.receive())["type"] == "tick":
            pass
        return message

    def hello(self) -> Message:
        message = self.receive()
        assert message["type"] == "hello"
        return message

    def take(self, count: int) -> list[Message]:
        return [self.next() for _ in range(count)]

    def upto(self, cursor: str) -> list[Message]:
        """Every message but ticks, up to the one that brings this cursor."""
        messages = []
        while True:
            messages.append(self.next())
            if messages[-1]["id"] == cursor and not messages[-1].get("more"):
                return messages


class Faithful:
    """A reader who comes back after every cut with the last cursor it saw, and notes what it was told."""

    def __init__(self, node: Node, transport: Transport, **query: str) -> None:
        self.told: list[Message] = []
        self.arrived: dict[str, float] = {}
        self.connections = 0
        self.sent_away: list[float] = []
        self._node = node
        self._transport = transport
        self._query = query
        self._cursor = ""
        self._stopped = False
        self._reader: Reader | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        eventually(lambda: self._cursor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        if self._reader:
            with suppress(OSError, ConnectionClosed):
                self._reader.close()
        self._thread.join(PATIENCE)

    def _read(self) -> None:
        while not self._stopped:
            after = {"after": self._cursor} if self._cursor else {}
            with suppress(OSError, ConnectionClosed, InvalidHandshake, TimeoutError, httpx.HTTPError):
                with Reader(self._node, self._transport, **self._query, **after) as self._reader:
                    self.connections += 1
                    while not self._stopped:
                        self._take(self._reader.receive())
            time.sleep(0.05)  # a client's back-off

    def _take(self, message: Message) -> None:
        if message["type"] == "reconnect":
            self.sent_away.append(time.monotonic())
            time.sleep(message["in"] / 1000)  # the server asked for it
            raise ConnectionError("the server asked to connect again")
        if not message.get("more"):
            self._cursor = message["id"]
        if message["type"] not in ("hello", "tick"):
            self.arrived.setdefault(message["id"], time.monotonic())
            self.told.append(message)

    @property
    def bodies(self) -> list[str]:
        """The texts of the updates it was told, in order."""
        return [message["item"]["body"] for message in list(self.told) if message["type"] == "update"]

    @property
    def types(self) -> set[str]:
        return {message["type"] for message in list(self.told)}
