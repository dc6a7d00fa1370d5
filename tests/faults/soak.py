"""`make soak`: a server under load for half an hour; exits with 1 when what it holds grows.

python -m tests.faults.soak [--seconds 1800] [--readers 5000] [--rate 5] [--leavers 10]
"""

import argparse
import json
import random
import re
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from redis import Redis

from live.bench.crowd import Crowd, Stalled, cpu_seconds, marker, raise_file_limit, resident_kib
from tests.conftest import make_token
from tests.faults.soak_bounds import Load, Sample, bounds, head, row
from tests.journal.samples import Server
from tests.node import Node, eventually

SITE = "soak"
RETENTION = 2_000
AT_A_TIME = 4
"""Stories that updates go to in turn."""
PER_STORY = 500
"""Updates after which another story takes the place of the oldest."""
FILL = 4_500
"""Updates before the clock starts: enough to fill all that a process keeps a fixed number of (4,096 updates read)."""
AHEAD = 20
"""Stories that a reader follows: those of the time, and those to come."""
LEFT_SECONDS = 60.0
PING = re.compile(rb"\x89[\x10-\x7d](\d+-\d+ [\w-]{12})")
RESET = struct.pack("ii", 1, 0)


def say(text: str) -> None:
    """Progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


class Public(Crowd):
    """Readers who come and go, and whose browsers answer pings."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, "")
        self._port = port
        self._number = 0
        self._random = random.Random(1)

    def follow(self, story: int) -> None:
        """Who comes from now on follows this story and those after it."""
        topics = ",".join(f"story/{slug_of(number)}" for number in range(story, story + AHEAD))
        self._request = (
            f"GET /stream?topics={topics}&as=json HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    def replace(self, count: int) -> None:
        """Has some leave, every other one without a goodbye, and as many others come."""
        for number, fd in enumerate(self._random.sample(list(self._sockets), min(count, len(self)))):
            if number % 2:
                self._sockets[fd].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._leave(fd)
        self.open(count)

    def _dial(self, number: int) -> int:
        self._number += 1  # not how many there are: then all who come later would share one address
        return super()._dial(self._number)

    def _count(self, fd: int, data: bytes, arrived: Callable[[int], None] | None = None) -> None:
        super()._count(fd, data, arrived)
        if b"\x89" in data and (pings := PING.findall(data)):
            frame = struct.pack("!BBI", 0x8A, 0x80 | len(pings[-1]), 0) + pings[-1]
            with suppress(OSError):  # a reader who is being cut off; reading tells
                self._sockets[fd].send(frame)


def slug_of(story: int) -> str:
    return f"soak-{story}"


class Desk:
    """Posts updates, each with its number as marker, to a few stories of which the oldest is replaced in time."""

    def __init__(self, node: Node, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self.client = httpx.Client(base_url=node.url, headers=headers, timeout=30)
        self.posts = 0
        self.stories = 0

    @property
    def oldest(self) -> int:
        """The story that is to be replaced next."""
        return max(0, self.stories - AT_A_TIME)

    def post(self) -> None:
        """Posts the next update, and the story that it begins."""
        if self.posts % PER_STORY == 0:
            slug = slug_of(self.stories)
            draft = {"slug": slug, "headline": f"News of {slug}", "sections": ["World"], "body": "It goes on."}
            self.client.post("/api/stories", json=draft).raise_for_status()
            self.stories += 1
        slug = slug_of(max(0, self.stories - 1 - self.posts % AT_A_TIME))
        body = f"{marker(self.posts)} {'The gauge reads a little more than before. ' * 3}"
        self.client.post(f"/api/stories/{slug}/updates", json={"body": body}).raise_for_status()
        self.posts += 1

    def read(self) -> None:
        """Reads the pages that most readers begin with."""
        for path in ("/", f"/story/{slug_of(self.stories - 1)}", f"/story/{slug_of(self.oldest)}"):
            self.client.get(path).raise_for_status()


class Probe:
    """Looks at the server's process and at Valkey."""

    def __init__(self, node: Node, valkey: Server) -> None:
        self._node, self._valkey = node, valkey
        self.pid = node.process.pid
        self._client = Redis(unix_socket_path=str(valkey.socket), decode_responses=True)
        self._start = time.monotonic()
        self._before = self._start, cpu_seconds(self.pid)

    def restart(self) -> None:
        """Starts the clock."""
        self._start = time.monotonic()
        self._before = self._start, cpu_seconds(self.pid)

    def seconds(self) -> float:
        return time.monotonic() - self._start

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = httpx.get(f"{self._node.url}/metrics", timeout=30).raise_for_status().text.splitlines()
        found = [line.rpartition(" ")[2] for line in lines if re.match(rf"{name}[ {{]", line)]
        assert found, f"there is no {name}"
        return sum(map(float, found))

    def sample(self, desk: Desk, crowd: Public | None = None) -> Sample:
        """What is held now."""
        now, used = time.monotonic(), cpu_seconds(self.pid)
        (before, used_before), self._before = self._before, (now, used)
        return Sample(
            seconds=now - self._start, readers=len(crowd) if crowd else 0, posts=desk.posts, stories=desk.stories,
            received=crowd.received if crowd else 0, rss=resident_kib(self.pid), descriptors=self.descriptors(),
            threads=len(list(Path(f"/proc/{self.pid}/task").iterdir())), tasks=int(self.metric("live_tasks")),
            cpu=(used - used_before) / max(now - before, 0.001), keys=int(self._client.dbsize()),
            memory=int(self._client.info("memory")["used_memory"]),
        )  # fmt: skip

    def kinds(self) -> Counter[str]:
        """How many keys there are of each kind: `receipt`, `delivery`, `updates`, or the name of a single one."""
        return Counter(key.split(":")[2] for key in self._client.scan_iter(count=1000))

    def receipts(self) -> tuple[int, int]:
        """Messages that were written to readers, and of how many their browsers confirmed that they arrived."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in self._client.scan_iter(match="live:*:delivery:*", count=1000):
                pipe.hvals(key)
            told = [json.loads(text) for texts in pipe.execute() for text in texts]
        return sum(one.get("written", 0) for one in told), sum(one.get("confirmed", 0) for one in told)

    def log(self) -> int:
        """Entries that the log holds."""
        return int(self._client.xlen(f"live:{{{SITE}}}:log"))


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    seconds: float
    readers: int
    rate: float
    leavers: float


def work(plan: Plan, desk: Desk, crowd: Public, probe: Probe) -> list[Sample]:
    """Posts, lets readers come and go, and looks, until the time is over."""
    every = max(1.0, min(10.0, plan.seconds / 20))
    probe.restart()
    start_posts, replaced, looked = desk.posts, 0, 0.0
    samples = [probe.sample(desk, crowd)]
    while (now := probe.seconds()) < plan.seconds:
        if desk.posts - start_posts < now * plan.rate:
            desk.post()
        if replaced < int(now * plan.leavers):
            crowd.follow(desk.oldest)
            crowd.replace(1)
            replaced += 1
        if now - looked >= every:
            looked = now
            desk.read()
            samples.append(probe.sample(desk, crowd))
            say(row(samples[-1]))
        crowd.read(0.02)
    crowd.idle(3)  # what is under way, and the pings that follow it
    return [*samples, probe.sample(desk, crowd)]


def soak(plan: Plan, directory: Path) -> int:
    """Runs it all, prints the table and the verdict; returns the exit code."""
    with ExitStack() as stack:
        valkey = Server(directory)
        stack.callback(valkey.stop)
        node = Node({"site": SITE, "redis_url": valkey.url, "data_dir": directory / "data", "retention": RETENTION,
                     "api_requests_per_minute": 0})  # fmt: skip
        stack.callback(node.stop)
        desk = Desk(node, make_token(valkey.url, SITE, "editor"))
        stack.callback(desk.client.close)
        probe = Probe(node, valkey)
        say(f"posting {FILL:,} updates, so that what is kept by number is full")
        while desk.posts < FILL:
            desk.post()
            if desk.posts % PER_STORY == 0:
                desk.read()
        desk.client.close()
        eventually(lambda: probe.metric("live_connections") == 1)  # the one that asks
        idle, others = probe.sample(desk), probe.kinds()
        desk.client = httpx.Client(base_url=node.url, headers=desk.client.headers, timeout=30)
        crowd = Public(int(node.settings["port"]))
        stack.callback(crowd.close)
        say(f"letting {plan.readers:,} readers in")
        crowd.follow(desk.oldest)
        crowd.open(plan.readers)
        samples = work(plan, desk, crowd, probe)
        written, confirmed = probe.receipts()
        crowd.close()
        desk.client.close()
        with suppress(AssertionError):  # the bounds say so
            eventually(lambda: probe.descriptors() <= idle.descriptors, LEFT_SECONDS)
        load = Load(
            plan.readers, idle, samples, probe.sample(desk), others, probe.kinds(),
            crowd.closed, written, confirmed, probe.log(), RETENTION,
        )  # fmt: skip
    return tell(plan, load)


def tell(plan: Plan, load: Load) -> int:
    """Prints what came of it; returns the exit code."""
    print(
        f"{plan.readers:,} readers, {plan.leavers:g} of them replaced each second, {plan.rate:g} updates/s "
        f"for {plan.seconds:g} s\n\n{head()}"
    )
    lines = min(300.0, plan.seconds / 6)
    due = 0.0
    for sample in load.samples:
        if sample.seconds >= due or sample is load.samples[-1]:
            print(row(sample))
            due = (sample.seconds // lines + 1) * lines
    print(row(load.after) + "\n\nThe last line is after the readers have gone.\n")
    verdict = bounds(load)
    for bound in verdict:
        print(f"- {'holds' if bound.holds else '**broken**'}: {bound.text}")
    broken = sum(not bound.holds for bound in verdict)
    print(f"\n{f'{broken} bounds are broken.' if broken else 'Nothing grows that should not.'}")
    return min(broken, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=5.0, help="updates a second")
    parser.add_argument("--leavers", type=float, default=10.0, help="readers replaced each second")
    options = parser.parse_args(arguments)
    files = raise_file_limit()
    if options.readers + 200 > files:
        parser.error(f"{options.readers} readers need more than the {files} files that may be open (ulimit -n)")
    with tempfile.TemporaryDirectory(prefix="live-soak-") as directory:
        try:
            return soak(Plan(options.seconds, options.readers, options.rate, options.leavers), Path(directory))
        except Stalled as stalled:
            print(f"**broken**: {stalled}")
            return 1


if __name__ == "__main__":
    sys.exit(main())
