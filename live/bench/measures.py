"""What to measure of a server with a crowd of readers before it."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from live.bench.crowd import Crowd, Stalled, cpu_seconds, percentile


class Publisher(Protocol):
    """Sends messages to the server."""

    def send(self, numbers: Sequence[int]) -> None:
        """Has the messages with these numbers published, at once; may return before they are accepted."""

    def settle(self) -> None:
        """Waits until all were accepted. Raises Stalled if one was refused."""


class HTTPPublisher:
    """Posts each message over a kept-alive connection of its own, so that a burst arrives together.

    Args:
        port: of the server, on this machine.
        request: makes the bytes of the request that posts message `number`.
        connections: the largest burst.
    """

    def __init__(self, port: int, request: Callable[[int], bytes], connections: int = 8) -> None:
        self._port = port
        self._request = request
        self._sockets = [self._connect() for _ in range(connections)]
        self._open: list[socket.socket] = []

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, numbers: Sequence[int]) -> None:
        if self._open:
            self.settle()
        for place, number in enumerate(numbers):
            if is_readable(self._sockets[place]):  # idle for so long that the server closed it
                self._sockets[place].close()
                self._sockets[place] = self._connect()
            connection = self._sockets[place]
            connection.sendall(self._request(number))
            self._open.append(connection)

    def settle(self) -> None:
        for connection in self._open:
            status = _read_answer(connection)
            if not 200 <= status < 300:
                raise Stalled(f"a message was refused with status {status}")
        self._open.clear()


def post_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as bytes."""
    lines = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass
class Latency:
    """Seconds from sending to receipt, of every delivery, and of the last one of each message."""

    all: list[float] = field(default_factory=list)
    last: dict[int, float] = field(default_factory=dict)
    generator_share: float = 0.0
    """Share of the time for which this process, not the server, was busy."""

    def at(self, share: float) -> float:
        """The latency that this share of deliveries had at most, in milliseconds."""
        return percentile(self.all, share) * 1000

    def last_at(self, share: float) -> float:
        """The same of the last reader's delivery of each message."""
        return percentile(list(self.last.values()), share) * 1000


class Bench:
    """A server under measurement: its process, the crowd, and the way to publish."""

    def __init__(self, pid: int, crowd: Crowd, publisher: Publisher) -> None:
        self.pid = pid
        self.crowd = crowd
        self.publisher = publisher
        self._next = 1

    def _numbers(self, count: int) -> range:
        numbers = range(self._next, self._next + count)
        self._next += count
        return numbers

    def cpu_of_rounds(self, rounds: int, burst: int) -> float:
        """Processor seconds that the server spends on `rounds` bursts, each delivered before the next is sent."""
        before = cpu_seconds(self.pid)
        for _ in range(rounds):
            target = self.crowd.received + burst * len(self.crowd)
            self.publisher.send(self._numbers(burst))
            self.crowd.expect(target)
            self.publisher.settle()
        return cpu_seconds(self.pid) - before

    def per_delivery(self, rounds: int, burst: int = 1) -> float:
        """Processor microseconds per delivery, what the posts cost included."""
        return self.cpu_of_rounds(rounds, burst) / (rounds * burst * len(self.crowd)) * 1e6

    def latency(self, per_second: float, count: int) -> Latency:
        """Posts at a fixed rate, whether the server keeps up or not."""
        found, sent = Latency(), dict[int, float]()

        def arrived(number: int) -> None:
            if number in sent:
                found.last[number] = time.perf_counter() - sent[number]
                found.all.append(found.last[number])

        numbers = list(self._numbers(count))
        target = self.crowd.received + count * len(self.crowd)
        start, busy = time.perf_counter(), time.process_time()
        while numbers or self.crowd.received < target:
            due = start + len(sent) / per_second
            if numbers and time.perf_counter() >= due:
                number = numbers.pop(0)
                sent[number] = time.perf_counter()
                self.publisher.send([number])
                continue
            if not self.crowd.read(max(0.0, due - time.perf_counter()) if numbers else 20.0, arrived) and not numbers:
                raise Stalled("not all messages arrived")
        self.publisher.settle()
        found.generator_share = (time.process_time() - busy) / (time.perf_counter() - start)
        return found


def requests_per_second(port: int, request: bytes, pid: int, seconds: float) -> tuple[float, float]:
    """How many times a second the server answers a request, and the processor microseconds that each costs it."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(16)]
    served = 0
    start, before = time.perf_counter(), cpu_seconds(pid)
    while time.perf_counter() - start < seconds:
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            _read_answer(connection)
            served += 1
    elapsed, spent = time.perf_counter() - start, cpu_seconds(pid) - before
    for connection in connections:
        connection.close()
    return served / elapsed, spent / served * 1e6


def is_readable(connection: socket.socket) -> bool:
    """Whether something came, the other side's end included; descriptors beyond select(2)'s 1,024 are fine."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _read_answer(connection: socket.socket) -> int:
    """Reads one whole response and returns its status."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head[9:12])
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    missing = length - len(body)
    while missing > 0:
        missing -= len(_some(connection))
    return status


def _some(connection: socket.socket) -> bytes:
    if not (data := connection.recv(1 << 18)):
        raise Stalled("the server closed a connection that it should have answered on")
    return data
