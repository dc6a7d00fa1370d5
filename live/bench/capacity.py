"""How many readers this machine will hold: measured with a server and a crowd of its own, then reckoned."""

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from live.bench.crowd import Crowd, Stalled, cpu_seconds, marker, raise_file_limit, resident_kib
from live.bench.measures import Bench, HTTPPublisher, post_request
from live.errors import ServerUnusable
from live.serving import listen

SLUG = "storm-marla-nears-port-ellery"
BUSY = 0.7
"""Share of a core that fan-out may take; the rest is for joins, pages and what goes wrong."""


@dataclass(frozen=True)
class Capacity:
    """What was measured of one server process, and what follows."""

    readers: int
    delivery: float
    """CPU µs per delivery, posts included."""
    handshake: float
    """CPU µs per reader who comes in."""
    memory: float
    """KiB per reader."""
    median: float
    late: float
    """Milliseconds from post to receipt."""
    files: int
    free_kib: int
    cores: int

    def by_cpu(self, per_second: float) -> int:
        """Readers that one process keeps up with at so many updates a second to all of them."""
        return int(BUSY * 1e6 / (self.delivery * per_second))

    @property
    def by_memory(self) -> int:
        """Readers that half of the free memory has room for, over all processes."""
        return int(self.free_kib / 2 / self.memory) if self.memory > 0 else sys.maxsize

    @property
    def by_files(self) -> int:
        """Readers that one process may open files for."""
        return self.files - 200


def measure(readers: int, say: Callable[[str], None]) -> Capacity:
    """Starts a server, lets readers in and posts to them. Raises ServerUnusable when that does not go."""
    files = raise_file_limit()
    readers = min(readers, files - 500)
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as (port, pid):
        headers = _headers(Path(name))

        def request(number: int) -> bytes:
            body = f'{{"body": "{marker(number)} {"The gauge reads a little more than before. " * 3}"}}'
            return post_request(f"/api/stories/{SLUG}/updates", body.encode(), headers)

        crowd = Crowd("127.0.0.1", port, f"/stream?topics=story/{SLUG}&as=json")
        bench = Bench(pid, crowd, HTTPPublisher(port, request))
        try:
            crowd.open(100)
            bench.per_delivery(20)
            memory, cpu = resident_kib(pid), cpu_seconds(pid)
            say(f"letting {readers:,} readers in")
            crowd.open(readers - 100)
            handshake = (cpu_seconds(pid) - cpu) / (readers - 100) * 1e6
            memory = resident_kib(pid) - memory
            say("posting to them")
            delivery = statistics.median(bench.per_delivery(max(5, 50_000 // readers)) for _ in range(5))
            latency = bench.latency(2.0, 20)
        except Stalled as stalled:
            raise ServerUnusable(f"The measurement failed: {stalled}.") from None
        finally:
            crowd.close()
        return Capacity(
            readers, delivery, handshake, memory / (readers - 100), latency.at(0.5), latency.at(0.99), files,
            _free_kib(), os.cpu_count() or 1,
        )  # fmt: skip


@contextmanager
def _server(directory: Path) -> Iterator[tuple[int, int]]:
    """A `live serve` of its own on this machine: its port and process ID."""
    with listen("127.0.0.1", 0) as probe:
        port: int = probe.getsockname()[1]
    settings = {"LIVE_DATA_DIR": str(directory), "LIVE_PORT": str(port), "LIVE_SITE": secrets.token_hex(4)}
    others = {name: value for name, value in os.environ.items() if not name.startswith("LIVE_")}
    words = [sys.executable, "-m", "live", "serve", "--demo"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, env=others | settings, **quiet) as server:  # type: ignore[call-overload]
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=200)) as client:
                client.get(f"http://127.0.0.1:{port}/livez", timeout=30)
            yield port, server.pid
        except httpx.HTTPError as error:
            raise ServerUnusable(f"The server under measurement did not answer ({error}).") from None
        finally:
            server.terminate()


def _headers(directory: Path) -> dict[str, str]:
    token = (directory / "demo-token").read_text().strip()
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def _free_kib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return 0


def report(capacity: Capacity) -> str:
    """The figures and what they mean, for a person."""
    rows = [
        f"measured with {capacity.readers:,} readers on one process",
        f"  {capacity.delivery:.1f} µs of CPU per delivery, {capacity.handshake:.0f} µs per reader who comes in",
        f"  {capacity.memory:.1f} KiB per reader",
        f"  post to receipt: p50 {capacity.median:.0f} ms, p99 {capacity.late:.0f} ms (the crowd on the same machine)",
        "",
        f"one process will hold (leaving {1 - BUSY:.0%} of its core for the rest)",
        *(
            f"  {min(capacity.by_cpu(rate), capacity.by_files):>9,} readers at {words}"
            for rate, words in ((5, "5 updates a second to all"), (1, "1 a second"), (0.1, "1 in ten seconds"))
        ),
        f"  {capacity.by_files:>9,} is what the limit of open files allows (ulimit -n)",
        f"this machine has {capacity.cores} cores and memory for {capacity.by_memory:,} readers over all processes",
    ]
    return "\n".join(rows)
