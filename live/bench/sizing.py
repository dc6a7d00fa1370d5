"""How many processes and nodes a number of readers takes, reckoned from what was measured: for `live capacity`.

One process (one core) holds the least of three numbers of readers:
  by CPU     BUSY x 1,000,000 / (µs per delivery x updates a second)
  by time    1,000,000 x seconds / µs per delivery: the last reader has an update so long after the first
  by files   the limit of open files, less some
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from live.bench.capacity import BUSY

CROWDS = (10_000, 100_000, 1_000_000, 10_000_000)


@dataclass(frozen=True)
class Costs:
    """What one process was measured to need; the defaults are the README's, with 10,000 readers."""

    delivery: float = 5.07
    """CPU µs per delivery."""
    handshake: float = 124.0
    """CPU µs per reader who comes in."""
    memory: float = 1.4
    """KiB of the process per reader; what the kernel keeps for the socket comes on top."""
    size: int = 676
    """Bytes of an update as it is sent."""


@dataclass(frozen=True)
class Site:
    """What a site does, and on what machines."""

    updates_per_minute: float = 6.0
    """Updates that go to every reader."""
    within: float = 1.0
    """Seconds in which one update is to be with all readers."""
    cores: int = 8
    """Cores of a node, one process each."""
    files: int = 65_536
    """Files that a process may open."""


@dataclass(frozen=True)
class Size:
    """What so many readers take. One of the nodes may be lost: the rest hold everybody."""

    readers: int
    processes: int
    nodes: int
    memory_mib: float
    """Over all processes."""
    megabits: float
    """Per second, on the average over all nodes, without the heads of TCP and TLS."""
    return_seconds: float
    """Until everybody is back, when all come at once."""


def readers_per_process(costs: Costs, site: Site) -> int:
    """Readers that one process holds, at least 1."""
    by_cpu = BUSY * 1e6 / (costs.delivery * site.updates_per_minute / 60) if site.updates_per_minute else math.inf
    by_time = site.within * 1e6 / costs.delivery
    return max(1, int(min(by_cpu, by_time, site.files - 200)))


def size_of(readers: int, costs: Costs, site: Site) -> Size:
    """What so many readers take, with one node more than carries them."""
    processes = math.ceil(readers / readers_per_process(costs, site))
    nodes = math.ceil(processes / site.cores) + 1
    return Size(
        readers, processes, nodes, readers * costs.memory / 1024,
        readers * site.updates_per_minute / 60 * costs.size * 8 / 1e6,
        readers / processes * costs.handshake / 1e6 / BUSY,
    )  # fmt: skip


def table(costs: Costs, site: Site) -> Iterator[str]:
    """The sizes of four crowds, for a person."""
    yield f"{site.updates_per_minute:g} updates a minute to every reader, with the last one within {site.within:g} s"
    yield f"one process holds {readers_per_process(costs, site):,} readers"
    yield ""
    yield "   readers  processes  nodes  memory MiB    Mbit/s  all back in"
    for crowd in CROWDS:
        size = size_of(crowd, costs, site)
        yield (
            f"{size.readers:>10,}  {size.processes:>9,}  {size.nodes:>5,}  {size.memory_mib:>10,.0f}  "
            f"{size.megabits:>8,.0f}  {size.return_seconds:>9.1f} s"
        )
    yield ""
    yield f"nodes of {site.cores} cores, one of them to spare; memory of the processes, the kernel's for sockets on top"
