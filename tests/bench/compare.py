"""`make bench`: Live beside its peers, all in one run, each server alone on one core, the readers on another.

python -m tests.bench.compare [--readers 1000,10000] [--rounds 5] [--only live,loop]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx

from live.bench.crowd import Crowd, Stalled, cpu_seconds, raise_file_limit, resident_kib
from live.bench.measures import Bench, requests_per_second
from tests import tools
from tests.bench import storms
from tests.bench.peers import servers
from tests.bench.peers.servers import GENERATOR_CORE, HERE, Running

REDIS_PORT = 16391
FIRST_PORT = 16400
LATENCY_SECONDS = 5
"""Of each round."""
Start = Callable[[], AbstractContextManager[Running]]


class Delays(NamedTuple):
    """Milliseconds of one round: p50 and p99 of all deliveries, p99 of each message's last."""

    median: float
    late: float
    last: float


@dataclass
class Row:
    """What was measured of one server with one number of readers."""

    name: str
    readers: int
    handshake: float
    """CPU µs."""
    memory: float
    """KiB per idle reader."""
    single: list[float] = field(default_factory=list)
    """CPU µs per delivery, one update at a time, once for each round."""
    bursts: list[float] = field(default_factory=list)
    post: float = 0.0
    """CPU µs of one post with nobody there."""
    delays: list[Delays] = field(default_factory=list)
    generator_share: float = 0.0


def measure(start: Start, readers: int, rounds: int) -> Row:
    """All figures of one server."""
    with start() as server:
        crowd = Crowd("127.0.0.1", server.port, server.path, events=server.events)
        bench = Bench(server.pid, crowd, server.publisher)
        bench.cpu_of_rounds(100, 1)  # what a server does once, at its start, is not the cost of a post
        post = bench.cpu_of_rounds(100, 1) / 100 * 1e6
        crowd.open(100)
        bench.per_delivery(20)  # warm: caches, allocator, Redis scripts
        memory = resident_kib(server.pid)
        handshakes = [handshake(server.pid, crowd, (readers - 100) // rounds) for _ in range(rounds)]
        row = Row(
            server.name, readers,
            handshake=statistics.median(handshakes),
            memory=(resident_kib(server.pid) - memory) / (len(crowd) - 100),
            post=post,
        )  # fmt: skip
        bench.per_delivery(20)  # the first messages on a connection are acknowledged one by one (tcp_input.c)
        messages = max(10, 100_000 // readers)
        # All that comes singly first: after large segments a receiver's kernel no longer acknowledges a small one when
        # it is read, but by a timer, on the core of the sender (__tcp_ack_snd_check, rcv_mss).
        row.single = [bench.per_delivery(messages) for _ in range(rounds)]
        row.bursts = [bench.per_delivery(max(3, messages // 4), burst=8) for _ in range(rounds)]
        rate = 10.0 if readers <= 1000 else 3.0
        for _ in range(rounds):
            latency = bench.latency(rate, int(rate * LATENCY_SECONDS))
            row.delays.append(Delays(latency.at(0.5), latency.at(0.99), latency.last_at(0.99)))
            row.generator_share = max(row.generator_share, latency.generator_share)
        crowd.close()
        return row


def handshake(pid: int, crowd: Crowd, count: int) -> float:
    """CPU µs for each of so many readers more."""
    cpu = cpu_seconds(pid)
    crowd.open(count)
    crowd.idle(0.1)
    return (cpu_seconds(pid) - cpu) / count * 1e6


def contenders(directory: Path, url: str, size: int) -> Iterator[tuple[str, Start]]:
    """The servers that can be started here; says how to get those that cannot."""
    ports = iter(range(FIRST_PORT, FIRST_PORT + 100))

    def fed(name: str, words: list[str | Path]) -> Start:
        return lambda: servers.fed_by_redis(name, words, next(ports), REDIS_PORT, size)

    if loop := servers.compile_loop(directory):
        yield "loop", fed("bare C loop", [loop])
    else:
        say("no C compiler: the limit to compare with is left out (Debian: apt install gcc)")
    yield "live", lambda: servers.live_server(url, directory / "live", next(ports))
    yield "events", lambda: servers.live_server(url, directory / "live", next(ports), events=True)
    if servers.NCHAN_MODULE.exists() and shutil.which("nginx"):
        yield "nchan", lambda: servers.nchan(directory, next(ports), size)
    else:
        say("no nginx with nchan: left out (Debian: apt install nginx-core libnginx-mod-nchan)")
    if node := node_with_ws():
        yield "ws", fed("Node ws", [*node, HERE / "ws.mjs"])
    yield "broadcast", fed("websockets broadcast", [sys.executable, "-m", "tests.bench.peers.broadcast"])
    yield "naive", fed("Starlette, send_text each", [sys.executable, "-m", "tests.bench.peers.naive"])


def node_with_ws() -> list[str] | None:
    """Node, with the `ws` package where its script finds it."""
    root = HERE.parent.parent.parent
    if not (root / "node_modules" / "ws").is_dir():
        words = [*tools.node_program("npm"), "install", "--no-save", "--no-audit", "--no-fund", "--silent", "ws"]
        if subprocess.run(words, cwd=root, check=False).returncode != 0:
            say("the npm package 'ws' cannot be had: Node is left out")
            return None
    return tools.node_program("node")


def frame_size(start: Start) -> int:
    """Bytes of one of Live's messages: the peers send as many."""
    with start() as server:
        crowd = Crowd("127.0.0.1", server.port, server.path)
        bench = Bench(server.pid, crowd, server.publisher)
        import socket

        with socket.create_connection(("127.0.0.1", server.port)) as reader:
            reader.sendall(crowd._request)
            reader.recv(65536)
            bench.cpu_of_rounds(1, 1)
            return len(reader.recv(65536)) - 4


def say(text: str) -> None:
    """Progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| server | readers | µs per delivery | in bursts of 8 | µs per post alone | p50 ms | p99 ms "
        "| last reader p99 ms | KiB per reader | µs per handshake |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        mark = "*" if row.generator_share > 0.9 else ""
        single, bursts = statistics.median(row.single), statistics.median(row.bursts)
        delays = (f"{statistics.median(rounds):.1f}{mark}" for rounds in zip(*row.delays, strict=True))
        cells = (row.name, f"{row.readers:,}", f"{single:.2f}", f"{bursts:.2f}", f"{row.post:.0f}", *delays)
        lines.append(f"| {' | '.join(cells)} | {row.memory:.1f} | {row.handshake:.0f} |")
    if any(row.generator_share > 0.9 for row in rows):
        lines.append("\n\\* the generator of the readers was busy all the time: it, not the server, is the limit")
    return "\n".join(lines)


def pages(url: str, directory: Path) -> str:
    """A kept story page against a bare Starlette route that answers with the same bytes."""
    with servers.live_server(url, directory / "live", FIRST_PORT + 200) as live:
        address = f"http://127.0.0.1:{live.port}/story/storm-marla-nears-port-ellery"
        page = httpx.get(address, headers={"Accept-Encoding": "identity"})
        head = f"GET {httpx.URL(address).path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        again = f"{head}If-None-Match: {page.headers['etag']}\r\n\r\n".encode()
        fresh_rate, fresh_cost = requests_per_second(live.port, f"{head}\r\n".encode(), live.pid, 4)
        again_rate, again_cost = requests_per_second(live.port, again, live.pid, 4)
    words = [sys.executable, "-m", "tests.bench.peers.naive"]
    with servers.fed_by_redis("", words, FIRST_PORT + 201, REDIS_PORT, 0) as bare:
        httpx.put(f"http://127.0.0.1:{bare.port}/page", content=page.content)
        bare_request = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        bare_rate, bare_cost = requests_per_second(bare.port, bare_request, bare.pid, 4)
    return "\n".join(
        (
            f"| page of {len(page.content):,} bytes | per second | µs of CPU each |",
            "| --- | --: | --: |",
            f"| a bare Starlette route | {bare_rate:,.0f} | {bare_cost:.0f} |",
            f"| Live, a story | {fresh_rate:,.0f} | {fresh_cost:.0f} |",
            f"| Live, not changed (304) | {again_rate:,.0f} | {again_cost:.0f} |",
        )
    )


def main() -> None:
    """Runs what was asked for and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", default="1000,10000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if raise_file_limit() < 2 * 10_000:
        say("the limit of open files is low: 10,000 readers may not fit (ulimit -Hn)")
    os.sched_setaffinity(0, {GENERATOR_CORE})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with servers.valkey(directory, REDIS_PORT) as url:
            size = frame_size(lambda: servers.live_server(url, directory / "live", FIRST_PORT - 1))
            say(f"messages of {size} bytes")
            for readers in map(int, options.readers.split(",")):
                for key, start in contenders(directory, url, size):
                    if options.only and key not in options.only.split(","):
                        continue
                    try:
                        rows.append(measure(start, readers, options.rounds))
                        say(table(rows[-1:]).splitlines()[-1])
                    except Stalled as stalled:
                        say(f"{key} with {readers} readers: {stalled}")
            print(table(rows))
            if not options.only:
                print(f"\n{pages(url, directory)}\n\n{storms.run(url, directory, FIRST_PORT + 202)}")


if __name__ == "__main__":
    main()
