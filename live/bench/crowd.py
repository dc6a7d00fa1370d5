"""A crowd of readers on this machine: opens connections by the thousand, counts what arrives, and when.

What is counted is a marker in the messages, `@@<number>@@`, so the crowd works against any server that passes it on
uncompressed.
"""

import errno
import re
import resource
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MARKER = re.compile(rb"@@(\d+)@@")
LONGEST_MARKER = 16
PING, LONGEST_CONTROL = b"\x89", 125
FIRST_BYTES = (b"\x81", b"\x82", b"\x88", b"\x89", b"\x8a")
"""Of frames that are whole and uncompressed (RFC 6455, 5.2)."""
AT_ONCE = 64
"""Handshakes under way at a time."""
PATIENCE = 20.0
"""Seconds without anything arriving after which a measurement is given up."""
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
EVENTS = "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n"


class Stalled(Exception):
    """The server did not answer, or what it should have sent did not arrive."""


def marker(number: int) -> str:
    """The text that stands for message `number` in what the server is to send."""
    return f"@@{number}@@"


class Crowd:
    """Readers of one address, each on a socket of its own.

    Args:
        host, port, path: what to connect to.
        events: server-sent events instead of WebSocket.
        ledger: keep the numbers of the messages that each reader got, by its file descriptor.
    """

    def __init__(self, host: str, port: int, path: str, *, events: bool = False, ledger: bool = False) -> None:
        self._address = (host, port)
        self._request = (EVENTS if events else UPGRADE).format(path=path, host=host, port=port).encode()
        self._good = b" 200 " if events else b" 101 "
        self._answers_pings = not events
        self._pings: dict[int, bytes] = {}
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._tails: dict[int, bytes] = {}
        self.ledger: dict[int, list[int]] | None = {} if ledger else None
        self.received = 0
        """Messages counted so far, over all readers."""
        self.closed = 0
        """Readers whose connection the server ended."""

    def __len__(self) -> int:
        return len(self._sockets)

    def open(self, count: int, at_once: int = AT_ONCE) -> float:
        """Connects so many more readers, so many `at_once`; returns the seconds it took. Raises Stalled."""
        start, opened, pending = time.perf_counter(), 0, 0
        answers: dict[int, bytes] = {}
        while opened < count:
            while pending < at_once and opened + pending < count:
                fd = self._dial(len(self._sockets))
                answers[fd] = b""
                pending += 1
            ready = self._poll.poll(PATIENCE)
            if not ready:
                raise Stalled(f"only {opened} of {count} readers got in")
            for fd, event in ready:
                if fd not in answers:
                    self._take(fd)
                elif event & select.EPOLLOUT:
                    self._sockets[fd].send(self._request)
                    self._poll.modify(fd, select.EPOLLIN)
                elif self._greeted(fd, answers):
                    opened, pending = opened + 1, pending - 1
        return time.perf_counter() - start

    def _dial(self, number: int) -> int:
        reader = socket.socket()
        reader.setblocking(False)
        if self._address[0].startswith("127."):  # many source addresses: more readers than there are ports
            reader.bind((f"127.0.0.{1 + number % 8}", 0))
        status = reader.connect_ex(self._address)
        if status not in (0, errno.EINPROGRESS):
            raise Stalled(f"cannot connect: {errno.errorcode[status]}")
        self._sockets[reader.fileno()] = reader
        self._poll.register(reader.fileno(), select.EPOLLOUT)
        return reader.fileno()

    def _greeted(self, fd: int, answers: dict[int, bytes]) -> bool:
        data = self._sockets[fd].recv(65536)
        answers[fd] += data
        if not data or (b"\r\n" in answers[fd] and self._good not in answers[fd].split(b"\r\n", 1)[0]):
            raise Stalled(f"a reader was refused: {answers[fd][:200]!r}")
        _, end, first = answers[fd].partition(b"\r\n\r\n")
        if not end:
            return False
        del answers[fd]
        self._examine(fd, first)
        return True

    def expect(self, total: int) -> None:
        """Reads until `total` messages were counted. Raises Stalled."""
        while self.received < total:
            if not self.read(PATIENCE):
                raise Stalled(f"{self.received} of {total} messages arrived; {self.closed} readers were cut off")

    def idle(self, seconds: float) -> None:
        """Reads whatever comes, for so long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)

    def read(self, seconds: float, arrived: Callable[[int], None] | None = None) -> bool:
        """Reads what there is, waiting for it at most so long; tells `arrived` each message's number.

        Pings are answered while nothing is there to read: no reader waits for another one's pong.
        """
        while not (ready := self._poll.poll(0 if self._pings else seconds)) and self._pings:
            self._answer_pings(AT_ONCE)
        for fd, _ in ready:
            self._take(fd, arrived)
        return bool(ready)

    def _take(self, fd: int, arrived: Callable[[int], None] | None = None) -> None:
        try:
            data = self._sockets[fd].recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(fd)
            self.closed += 1
            return
        self._examine(fd, data, arrived)

    def _examine(self, fd: int, data: bytes, arrived: Callable[[int], None] | None = None) -> None:
        self._count(fd, data, arrived)
        if self._answers_pings and (payload := newest_ping(data)) is not None:
            self._pings[fd] = payload

    def _answer_pings(self, count: int) -> None:
        """As every browser does by itself (RFC 6455, 5.5.2)."""
        for _ in range(min(count, len(self._pings))):
            fd, payload = self._pings.popitem()
            with suppress(OSError):  # it left: the next look at it shows
                self._sockets[fd].send(b"\x8a%c\0\0\0\0%b" % (0x80 | len(payload), payload))

    def _leave(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._tails.pop(fd, None)  # the next reader may get the same descriptor
        self._pings.pop(fd, None)
        self._sockets.pop(fd).close()

    def _count(self, fd: int, data: bytes, arrived: Callable[[int], None] | None = None) -> None:
        if fd in self._tails:
            data = self._tails.pop(fd) + data
        end = 0
        for found in MARKER.finditer(data):
            self.received += 1
            end = found.end()
            if self.ledger is not None:
                self.ledger.setdefault(fd, []).append(int(found[1]))
            if arrived is not None:
                arrived(int(found[1]))
        tail = data[max(end, len(data) - LONGEST_MARKER) :]
        if b"@" in tail:
            self._tails[fd] = tail

    def close(self) -> None:
        """Ends all connections."""
        for reader in self._sockets.values():
            reader.close()
        self._sockets.clear()
        self._poll.close()


def newest_ping(data: bytes) -> bytes | None:
    """The payload of the last ping in what came, which answers for those before it (RFC 6455, 5.5.3).

    Frames are not walked through, which would take time for every message: a ping is what has the form of one, with the
    beginning of another frame after it, or nothing.
    """
    start = len(data) - 1
    while (start := data.rfind(PING, 0, start)) >= 0:
        end = start + 2 + data[start + 1]
        if data[start + 1] <= LONGEST_CONTROL and (end == len(data) or data[end : end + 1] in FIRST_BYTES):
            return data[start + 2 : end]
    return None


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far: its CPU-time clock, see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_kib(pid: int) -> int:
    """Memory that a process holds, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def raise_file_limit() -> int:
    """Lets this process, and those it starts, open as many files as it may; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
