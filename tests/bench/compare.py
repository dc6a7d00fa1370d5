"""`make bench`: Live beside its peers, all in one run, each server alone on one core, the readers on another.

python -m tests.bench.compare [--readers 1000,10000] [--rounds 5] [--only live,loop]
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
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
PAUSE_SECONDS, RESTING_SHARE = 0.3, 0.1
Start = Callable[[], AbstractContextManager[Running]]


class Delays(NamedTuple):
    """Milliseconds of one round: p50 and p99 of all deliveries, p99 of each message's last."""

    median: float
    late: float
    last: float


@dataclass
class Row:
    """What was measured of one server with one number of readers, a figure for each round."""

    name: str
    readers: int
    memory: float = 0.0
    """KiB per idle reader, when the first came: those who come after others find room that is there already."""
    handshakes: list[float] = field(default_factory=list)
    """CPU µs."""
    single: list[float] = field(default_factory=list)
    """CPU µs per delivery, one update at a time."""
    bursts: list[float] = field(default_factory=list)
    posts: list[float] = field(default_factory=list)
    """CPU µs of one post with nobody there."""
    delays: list[Delays] = field(default_factory=list)
    generator_share: float = 0.0


def measure(starts: list[Start], readers: int, rounds: int) -> list[Row]:
    """All figures of some servers, which are up at the same time but have readers one after the other.

    A round goes over all of them before the next begins, so that the slow and the fast moods of a machine that is
    shared with others fall on all of them alike.
    """
    with ExitStack() as stack:
        pairs = [(server, Row(server.name, readers)) for server in (stack.enter_context(start()) for start in starts)]
        for number in range(1, rounds + 1):
            for server, row in list(pairs):
                try:
                    take_round(server, row)
                    say(f"round {number} of {rounds}: {row.name}, {readers:,} readers: {row.single[-1]:.2f} µs")
                except Stalled as stalled:
                    say(f"{row.name} with {readers:,} readers is left out: {stalled}")
                    pairs.remove((server, row))
        return [row for _, row in pairs]


def take_round(server: Running, row: Row) -> None:
    """Adds a round's figures to a row: readers come, get news, and go."""
    crowd = Crowd("127.0.0.1", server.port, server.path, events=server.events)
    try:
        bench = Bench(server.pid, crowd, server.publisher)
        bench.cpu_of_rounds(50, 1)  # what a server does once, at its start, is not the cost of a post
        row.posts.append(bench.cpu_of_rounds(50, 1) / 50 * 1e6)
        crowd.open(100)
        bench.per_delivery(20)  # warm: caches, allocator, Redis scripts
        memory = resident_kib(server.pid)
        row.handshakes.append(handshake(server.pid, crowd, row.readers - 100))
        row.memory = row.memory or (resident_kib(server.pid) - memory) / (len(crowd) - 100)
        bench.per_delivery(20)  # the first messages on a connection are acknowledged one by one (tcp_input.c)
        messages = max(10, 100_000 // row.readers)
        # All that comes singly first: after large segments a receiver's kernel no longer acknowledges a small one when
        # it is read, but by a timer, on the core of the sender (__tcp_ack_snd_check, rcv_mss).
        row.single.append(bench.per_delivery(messages))
        row.bursts.append(bench.per_delivery(max(3, messages // 4), burst=8))
        rate = 10.0 if row.readers <= 1000 else 3.0
        latency = bench.latency(rate, int(rate * LATENCY_SECONDS))
        row.delays.append(Delays(latency.at(0.5), latency.at(0.99), latency.last_at(0.99)))
        row.generator_share = max(row.generator_share, latency.generator_share)
    finally:
        crowd.close()
        rest(server.pid)


def rest(pid: int) -> None:
    """Waits until a server has nothing more to do with the readers who left."""
    before = -1.0
    while cpu_seconds(pid) - before > RESTING_SHARE * PAUSE_SECONDS:
        before = cpu_seconds(pid)
        time.sleep(PAUSE_SECONDS)  # the pace of looking


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
        single, bursts, post, handshake = map(statistics.median, (row.single, row.bursts, row.posts, row.handshakes))
        delays = (f"{statistics.median(rounds):.1f}{mark}" for rounds in zip(*row.delays, strict=True))
        cells = (row.name, f"{row.readers:,}", f"{single:.2f}", f"{bursts:.2f}", f"{post:.0f}", *delays)
        lines.append(f"| {' | '.join(cells)} | {row.memory:.1f} | {handshake:.0f} |")
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
            wanted = options.only.split(",") if options.only else None
            for readers in map(int, options.readers.split(",")):
                starts = [start for key, start in contenders(directory, url, size) if not wanted or key in wanted]
                rows += measure(starts, readers, options.rounds)
            print(table(rows))
            if not options.only:
                print(f"\n{pages(url, directory)}\n\n{storms.run(url, directory, FIRST_PORT + 202)}")


if __name__ == "__main__":
    main()
