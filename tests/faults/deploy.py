"""A rolling deploy of two nodes under a crowd of readers who come back, while an editor goes on posting.

python -m tests.faults.deploy [--readers 10000] [--rate 2000]
"""

import argparse
import asyncio
import json
import random
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvloop

from live.bench.crowd import EVENTS, UPGRADE, raise_file_limit
from live.journal.embedded import embedded
from tests.conftest import editor_of, make_token, new_site
from tests.node import Node, eventually
from tests.web.samples import create, post

DIALLING = 200
"""Connections that may be under way at a time: more than that is another test."""
BACK_OFF = 0.05
POST_SECONDS = 0.5


class Tenant(asyncio.Protocol):
    """One reader: connects to any node that takes it, with the cursor that it has; comes back when it is sent away."""

    def __init__(self, flock: "Flock", events: bool) -> None:
        self.flock = flock
        self.events = events
        self.cursor = ""
        self.numbers: list[int] = []
        self.begin()

    def begin(self) -> None:
        """Forgets the last connection."""
        self.data = b""
        self.greeted = False
        self.sent_away = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        path = f"/stream?topics=story/{self.flock.slug}&as=json" + (f"&after={self.cursor}" if self.cursor else "")
        transport.write((EVENTS if self.events else UPGRADE).format(path=path, host=host, port=port).encode())

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.greeted:
            head, end, rest = self.data.partition(b"\r\n\r\n")
            if not end:
                return
            status = head.split(b" ", 2)[1]
            if status not in (b"101", b"200"):
                self.flock.refused[status.decode()] += 1
                self.transport.close()
                return
            self.greeted, self.data = True, rest
        for text in self._events() if self.events else self._frames():
            if not self.sent_away:
                self._take(json.loads(text))

    def _events(self) -> Iterator[bytes]:
        *whole, self.data = self.data.split(b"\n\n")
        for event in whole:
            yield from (line[6:] for line in event.split(b"\n") if line.startswith(b"data: "))

    def _frames(self) -> Iterator[bytes]:
        """The texts of the server's frames, which have no mask (RFC 6455, 5.2)."""
        while len(self.data) >= 2:
            start, size = 2, self.data[1]
            if size == 126:
                start, size = 4, int.from_bytes(self.data[2:4], "big")
            if size == 127:
                start, size = 10, int.from_bytes(self.data[2:10], "big")
            if len(self.data) < start + size:
                return
            text, opcode, self.data = self.data[start : start + size], self.data[0] & 15, self.data[start + size :]
            if opcode == 1:
                yield text

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "reconnect":
            self.sent_away = True
            self.flock.sent_away.append(time.monotonic())
            self.delay = message["in"] / 1000
            self.transport.close()
            return
        if kind == "reset":
            self.flock.resets += 1
        if kind == "update":
            self.numbers.append(int(message["item"]["body"].rpartition(" ")[2]))
        if kind == "hello":
            self.flock.joined.append(time.monotonic())
            self.flock.present += 1
        if not message.get("more"):
            self.cursor = message["id"]

    def connection_lost(self, exc: Exception | None) -> None:
        if self.greeted:
            self.flock.present -= 1
            self.flock.cut += not self.sent_away and not self.flock.leaving
        self.over.set_result(None)


class Flock:
    """All the readers, on an event loop and a thread of their own."""

    def __init__(self, nodes: Sequence[Node], slug: str, count: int) -> None:
        self.nodes, self.slug, self.count = nodes, slug, count
        self.present = self.resets = self.cut = 0
        self.leaving = False
        self.joined: list[float] = []
        self.sent_away: list[float] = []
        self.refused = Counter[str]()
        self.tenants: list[Tenant] = []
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),), daemon=True)

    def __enter__(self) -> "Flock":
        self._thread.start()
        eventually(lambda: self.present == self.count, 120)
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving = True
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        self._loop.close()

    async def _live(self) -> None:
        self._dialling, self._over = asyncio.Semaphore(DIALLING), asyncio.Event()
        self.tenants = [Tenant(self, number % 4 == 3) for number in range(self.count)]
        tasks = [asyncio.create_task(self._follow(tenant)) for tenant in self.tenants]
        await self._over.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, tenant: Tenant) -> None:
        while True:
            tenant.begin()
            if await self._dial(tenant):
                try:
                    await asyncio.shield(tenant.over)
                finally:
                    tenant.transport.abort()
            await asyncio.sleep(tenant.delay if tenant.sent_away else BACK_OFF)

    async def _dial(self, tenant: Tenant) -> bool:
        """Goes to one node or the other, as behind a balancer: to whichever takes the connection."""
        async with self._dialling:
            for node in random.sample(self.nodes, len(self.nodes)):
                try:
                    await asyncio.get_running_loop().create_connection(
                        lambda: tenant, "127.0.0.1", node.settings["port"]
                    )
                except OSError:
                    continue
                return True
        return False


@dataclass
class Outcome:
    """What a rolling deploy did to the readers. A fault is an update that one reader lost, got twice or too late."""

    readers: int
    updates: int
    faults: int
    stranded: int
    cut: int
    resets: int
    refused: dict[str, int]
    sent_away: int
    asked: int
    back: int
    """Readers whom the busiest second asked to come back, and those who came in the busiest second."""
    away: float
    """The longest time, in seconds, between as many leaving and as many being back."""
    stops: list[float] = field(default_factory=list)
    """Seconds from the signal to the process's end."""


def busiest_second(moments: Sequence[float]) -> int:
    """The most moments within any second."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, start + 1) - place for place, start in enumerate(ordered)), default=0)


def deploy(nodes: Sequence[Node], editors: Sequence[httpx.Client], readers: int, settle: float = 60.0) -> Outcome:
    """Stops and starts each node in turn, under so many readers; the editor posts to the one that stays."""
    slug = str(create(editors[0])["slug"])
    posted: list[int] = []
    outcome = Outcome(readers, 0, 0, 0, 0, 0, {}, 0, 0, 0, 0.0)
    with Flock(nodes, slug, readers) as flock:
        flock.joined.clear()
        for node, editor in zip(nodes, (*editors[1:], editors[0]), strict=True):
            with posting(editor, slug, posted):
                began = time.monotonic()
                node.stop()
                outcome.stops.append(time.monotonic() - began)
                assert node.process.returncode == 0, node.output
            node.start()
        try:
            eventually(lambda: all(tenant.numbers[-1:] == posted[-1:] for tenant in flock.tenants), settle)
        except AssertionError:
            outcome.stranded = sum(tenant.numbers[-1:] != posted[-1:] for tenant in flock.tenants)
        outcome.updates = len(posted)
        outcome.faults = sum(tenant.numbers != posted for tenant in flock.tenants)
        outcome.cut, outcome.resets, outcome.refused = flock.cut, flock.resets, dict(flock.refused)
        outcome.sent_away = len(flock.sent_away)
        outcome.asked, outcome.back = busiest_second(flock.sent_away), busiest_second(flock.joined)
        outcome.away = max(back - left for left, back in zip(flock.sent_away, sorted(flock.joined), strict=False))
    return outcome


@contextmanager
def posting(editor: httpx.Client, slug: str, posted: list[int]) -> Iterator[None]:
    """Updates, numbered on and on, until the end."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(POST_SECONDS):
            post(editor, slug, body=f"number {len(posted)}")
            posted.append(len(posted))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join(20)


def run(url: str, directory: Path, readers: int, **settings: object) -> Outcome:
    """The same with two nodes of its own on this server."""
    site = new_site()
    token = make_token(url, site, "editor")
    nodes = [Node({"redis_url": url, "site": site, "data_dir": directory, **settings}) for _ in range(2)]
    try:
        with editor_of(nodes[0], token) as one, editor_of(nodes[1], token) as other:
            return deploy(nodes, (one, other), readers)
    finally:
        for node in nodes:
            node.stop()


def main() -> None:
    """Runs what was asked for, and says what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=2_000)
    options = parser.parse_args()
    raise_file_limit()
    with tempfile.TemporaryDirectory() as name, embedded(Path(name) / "data") as url:
        outcome = run(url, Path(name), options.readers, drain_rate=options.rate)
    for what, value in vars(outcome).items():
        print(f"{what:10} {value}")


if __name__ == "__main__":
    main()
