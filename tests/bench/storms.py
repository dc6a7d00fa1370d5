"""What a bad moment does to Live: a reader who hardly reads, and everybody coming back at once.

python -m tests.bench.storms [--slow 5000] [--return 15000]
"""

import argparse
import os
import socket
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from live.bench.crowd import Crowd, cpu_seconds, marker, raise_file_limit, resident_kib
from live.bench.measures import Bench
from tests.bench.peers import servers
from tests.bench.peers.servers import GENERATOR_CORE, Running

SLUG = "storm-marla-nears-port-ellery"
UPDATES = f"/api/stories/{SLUG}/updates"
PER_SECOND, POSTS = 4.0, 40
BODY = 3_000
"""Characters of an update here: more than 1 KiB/s at that pace, so that a backlog grows."""
ROUNDS = 5


class Editor:
    """Posts over the API."""

    def __init__(self, server: Running, directory: Path) -> None:
        token = (directory / "demo-token").read_text().strip()
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {token}"},
        )

    def post(self, text: str) -> str:
        """Posts an update and returns its identifier."""
        answer: dict[str, Any] = self._client.post(UPDATES, json={"body": text}).raise_for_status().json()
        return str(answer["id"])

    def retract(self, update: str, reason: str) -> None:
        """Takes an update back."""
        self._client.request("DELETE", f"{UPDATES}/{update}", json={"reason": reason}).raise_for_status()

    def cursor(self) -> str:
        """The end of the log, as the server knows it."""
        answer = self._client.get(f"/poll.json?topics=story/{SLUG}")
        return str(answer.raise_for_status().json()["id"])


class Trickle(threading.Thread):
    """A reader of one KiB a second, until it is told to hurry."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode())
        self._hurry = threading.Event()
        self.data = b""

    def run(self) -> None:
        while True:
            self._hurry.wait(1.0)
            try:
                self._socket.settimeout(3.0)
                got = self._socket.recv(1_024)
            except OSError:  # nothing came for a while, or it left
                return
            if not got:
                return
            self.data += got

    def leave(self) -> None:
        """Goes away as it is."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self._socket.close()

    def hurry(self) -> bytes:
        """Reads the rest at once, and returns all that it got."""
        self._hurry.set()
        self.join(60)
        self._socket.close()
        return self.data


@dataclass
class Slow:
    """What one slow reader among many does."""

    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    """The others' p99 in ms, without and with it."""
    grown: int = 0
    """KiB by which the server grew meanwhile."""
    waiting: int = 0
    """KiB of routine updates that came after the retraction, although they are older."""


def measure_slow(server: Running, directory: Path, readers: int) -> Slow:
    """The others' latency with and without a reader of 1 KiB/s, and what that one gets when."""
    found, editor = Slow(), Editor(server, directory)
    crowd = Crowd("127.0.0.1", server.port, server.path)
    bench = Bench(server.pid, crowd, server.publisher)
    crowd.open(readers)
    bench.per_delivery(20)
    for number in range(ROUNDS):
        found.alone.append(bench.latency(PER_SECOND, POSTS).at(0.99))
        before = resident_kib(server.pid)
        trickle = Trickle(server.port, server.path)
        trickle.start()
        found.beside.append(bench.latency(PER_SECOND, POSTS).at(0.99))
        if number == ROUNDS - 1:
            found.grown = resident_kib(server.pid) - before
            wrong = editor.post("This one will be taken back.")
            for _ in range(30):
                editor.post("The tide gauge reads a little more than before. " * (BODY // 48))
            editor.retract(wrong, "it was wrong")
            crowd.idle(1.0)
            found.waiting = _after_retraction(trickle.hurry()) // 1024
        else:
            trickle.leave()
    crowd.close()
    return found


def _after_retraction(data: bytes) -> int:
    """Bytes of updates with a cursor before the retraction's that came after it. SystemExit when it never came."""
    place = data.find(b'"type":"retraction"')
    if place < 0:
        raise SystemExit("the retraction never reached the slow reader")
    return sum(len(event) for event in data[place:].split(b"\n\n") if b'"type":"update"' in event)


@dataclass
class Return:
    """Everybody coming back at once."""

    readers: int
    seconds: float
    cpu: float
    """Seconds until the last reader had all that it missed, and the server's processor seconds for it."""
    lost: int
    doubled: int
    disordered: int


def measure_return(server: Running, directory: Path, readers: int) -> Return:
    """All readers are cut, updates go out meanwhile and while they come back, and each must have every one once."""
    editor = Editor(server, directory)
    first = Crowd("127.0.0.1", server.port, server.path)
    first.open(readers)
    editor.post(f"{marker(1)} before the cut")
    first.expect(readers)
    cursor = editor.cursor()
    first.close()
    for number in range(2, 22):
        editor.post(f"{marker(number)} during the cut")
    second = Crowd("127.0.0.1", server.port, f"{server.path}&after={cursor}", ledger=True)
    posted = threading.Thread(target=_post_paced, args=(editor, range(22, 32)))
    start, cpu = time.perf_counter(), cpu_seconds(server.pid)
    posted.start()
    second.open(readers, at_once=readers)
    expected = list(range(2, 32))
    second.expect(readers * len(expected))
    seconds, cpu = time.perf_counter() - start, cpu_seconds(server.pid) - cpu
    posted.join()
    second.idle(1.0)  # a doubled one would come now
    assert second.ledger is not None
    ledgers = list(second.ledger.values())
    second.close()
    return Return(
        len(ledgers), seconds, cpu,
        lost=sum(len(set(expected) - set(ledger)) for ledger in ledgers),
        doubled=sum(len(ledger) - len(set(ledger)) for ledger in ledgers),
        disordered=sum(ledger != sorted(ledger) for ledger in ledgers),
    )  # fmt: skip


def _post_paced(editor: Editor, numbers: range) -> None:
    for number in numbers:
        editor.post(f"{marker(number)} while they come back")
        time.sleep(0.1)  # the pace of posting


def run(url: str, directory: Path, port: int, slow: int = 5_000, back: int = 15_000) -> str:
    """Measures both and reports them as Markdown."""
    lines = []
    if slow:
        with servers.live_server(url, directory / "live", port) as server:
            found = measure_slow(server, directory / "live", slow)
        alone, beside = statistics.median(found.alone), statistics.median(found.beside)
        lines.append(
            f"- A reader of 1 KiB/s among {slow:,}: the others' p99 is {beside:.1f} ms with it, {alone:.1f} ms without "
            f"(medians of {ROUNDS}); the server grew by {found.grown:,} KiB; a retraction reached it "
            f"before {found.waiting:,} KiB of older updates that waited."
        )
    if back:
        with servers.live_server(url, directory / "live", port + 1) as server:
            all_back = measure_return(server, directory / "live", back)
        lines.append(
            f"- {all_back.readers:,} readers cut and back at once, 30 updates missed or posted meanwhile: caught up "
            f"after {all_back.seconds:.1f} s and {all_back.cpu:.1f} s of CPU; lost {all_back.lost}, "
            f"doubled {all_back.doubled}, out of order {all_back.disordered}."
        )
    return "\n".join(lines)


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slow", type=int, default=5_000)
    parser.add_argument("--return", type=int, default=15_000, dest="back")
    options = parser.parse_args()
    raise_file_limit()
    os.sched_setaffinity(0, {GENERATOR_CORE})
    with tempfile.TemporaryDirectory() as name, servers.valkey(Path(name), 16_392) as url:
        print(run(url, Path(name), 16_700, options.slow, options.back))


if __name__ == "__main__":
    main()
