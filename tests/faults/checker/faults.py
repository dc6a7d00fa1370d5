"""What can go wrong: each fault is done for real, and mended."""

import asyncio
import importlib.util
import os
import random
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from live.model import Cursor
from tests.faults.checker.link import Link, to_socket
from tests.faults.checker.site import NAME, Site
from tests.faults.servers import Guarded, Sharded, leads
from tests.journal.samples import Server, until

LOG = f"live:{{{NAME}}}:log"
TOKENS = f"live:{{{NAME}}}:tokens"
EMPTY = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
redis.call('FLUSHALL')
return last[1]
"""


class Fault(ABC):
    """One way of breaking a site. What it says of itself stands in the report."""

    name: ClassVar[str]
    what: ClassVar[str]

    def unavailable(self) -> str:
        """Why this machine cannot have it; empty if it can."""
        return ""

    def store(self, directory: Path) -> Any:
        """Starts the Redis of the site."""
        directory.mkdir()
        return Server(directory)

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        """The settings of each node beside the usual ones; what the fault needs around the site is made here."""
        return [{}, {}]

    @abstractmethod
    async def inject(self, site: Site) -> None:
        """Breaks it."""

    async def hold(self, site: Site, seconds: float) -> None:
        """What goes on until it is mended."""
        await asyncio.sleep(seconds)

    async def mend(self, site: Site) -> None:  # noqa: B027 (some need none)
        """Puts it right. Returns when it is, not when the site has recovered."""


class Calm(Fault):
    name = "calm"
    what = "nothing is broken; every tenth post is cut before its answer, and sent again"

    async def inject(self, site: Site) -> None: ...


class NodeKilled(Fault):
    name = "node-killed"
    what = "one node of two is killed (SIGKILL), and started again"

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(site.nodes[0].kill)

    async def mend(self, site: Site) -> None:
        await asyncio.to_thread(site.nodes[0].start)


class RollingRestart(Fault):
    name = "rolling-restart"
    what = "one node after the other is stopped (SIGTERM), and started again"

    async def inject(self, site: Site) -> None:
        await self._restart(site, 0)

    async def mend(self, site: Site) -> None:
        await self._restart(site, 1)

    async def _restart(self, site: Site, number: int) -> None:
        await asyncio.to_thread(site.nodes[number].stop)
        await asyncio.to_thread(site.nodes[number].start)


class ValkeyKilled(Fault):
    name = "valkey-killed"
    what = "Valkey is killed (SIGKILL), and started on its data"

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(site.server.kill)

    async def mend(self, site: Site) -> None:
        await asyncio.to_thread(site.server.start)


class ValkeyFrozen(Fault):
    name = "valkey-frozen"
    what = "Valkey hangs (SIGSTOP): its connections stay open, and nothing answers"

    async def inject(self, site: Site) -> None:
        site.server.freeze()

    async def mend(self, site: Site) -> None:
        site.server.thaw()


class ChannelCut(Fault):
    name = "channel-cut"
    what = "subscriptions are cut (CLIENT KILL TYPE pubsub) five times a second; all else lives"

    async def inject(self, site: Site) -> None: ...

    async def hold(self, site: Site, seconds: float) -> None:
        for _ in range(int(seconds * 5)):
            await site.call("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.2)


class HalfOpenLink(Fault):
    name = "half-open-link"
    what = "the link of one node to Valkey swallows everything while it seems open, then is slow (150 ms a packet)"
    link: Link

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        self.link = Link(to_socket(site.server.socket))
        await site.stack.enter_async_context(self.link)
        return [{}, {"redis_url": f"redis://127.0.0.1:{self.link.port}"}]

    async def inject(self, site: Site) -> None:
        self.link.state = "silent"

    async def hold(self, site: Site, seconds: float) -> None:
        await asyncio.sleep(seconds / 2)
        self.link.state = "slow"
        await asyncio.sleep(seconds / 2)

    async def mend(self, site: Site) -> None:
        self.link.state = "well"


class ReadersCut(Fault):
    name = "readers-cut"
    what = "readers are cut at random, each about every two seconds"

    async def inject(self, site: Site) -> None: ...

    async def hold(self, site: Site, seconds: float) -> None:
        for _ in range(int(seconds * 20)):
            for reader in random.sample(site.readers, -(-len(site.readers) // 40)):
                reader.cut()
            await asyncio.sleep(0.05)


class Emptied(Fault):
    name = "emptied"
    what = (
        "Valkey is emptied (FLUSHALL): what was accepted until then is gone for good; tokens and stories are made anew"
    )

    async def inject(self, site: Site) -> None:
        tokens = await site.call("HGETALL", TOKENS)
        self.tokens = [word for item in tokens.items() for word in item]
        site.gone = Cursor.parse(await site.call("EVAL", EMPTY, 1, LOG))

    async def mend(self, site: Site) -> None:
        await site.call("HSET", TOKENS, *self.tokens)
        await site.publish_stories()


class Trimmed(Fault):
    name = "trimmed"
    what = "a third of the readers stay away while the log is trimmed past them (XTRIM; a ring of 8)"

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        return [{"ring": 8}, {"ring": 8}]

    async def inject(self, site: Site) -> None:
        for reader in site.readers[::3]:
            reader.go()

    async def hold(self, site: Site, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await site.call("XTRIM", LOG, "MAXLEN", 3)

    async def mend(self, site: Site) -> None:
        for reader in site.readers[::3]:
            reader.come()


class MemoryFull(Fault):
    name = "memory-full"
    what = "Valkey's memory is full (maxmemory 1, noeviction): it takes no writes"

    async def inject(self, site: Site) -> None:
        await site.call("CONFIG", "SET", "maxmemory", 1)

    async def mend(self, site: Site) -> None:
        await site.call("CONFIG", "SET", "maxmemory", 0)


class DiskFull(Fault):
    name = "disk-full"
    what = "Valkey's disk (a tmpfs) is full: Valkey ends, and is started when there is room again"

    def unavailable(self) -> str:
        return "" if os.geteuid() == 0 and os.path.exists("/bin/mount") else "only root can mount a small disk"

    def store(self, directory: Path) -> Server:
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(directory)], check=True)
        try:
            return MountedServer(directory)
        except BaseException:
            subprocess.run(["umount", str(directory)], check=False)
            raise

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(self._fill, site.server.directory / "filler")
        await until(lambda: site.server.process.poll() is not None)

    def _fill(self, path: Path) -> None:
        with path.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                return

    async def mend(self, site: Site) -> None:
        (site.server.directory / "filler").unlink()
        await asyncio.to_thread(site.server.start)


class MountedServer(Server):
    """A server whose directory is a mount of its own."""

    def stop(self) -> None:
        super().stop()
        subprocess.run(["umount", str(self.directory)], check=True)


class ClockStepped(Fault):
    name = "clock-stepped"
    what = "the clocks of one node and of Valkey jump an hour ahead, then two hours back (libfaketime)"

    def unavailable(self) -> str:
        return "" if faketime() else "libfaketime is not installed"

    def store(self, directory: Path) -> Server:
        directory.mkdir()
        self.clock = directory / "clock"
        self._step(0)
        with clock_from(self.clock):
            return Server(directory)

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        return [{}, {}]

    def _step(self, seconds: int) -> None:
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}s\n")
        fresh.replace(self.clock)

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(site.nodes[0].stop)
        with clock_from(self.clock):
            await asyncio.to_thread(site.nodes[0].start)
        self._step(3600)

    async def hold(self, site: Site, seconds: float) -> None:
        await asyncio.sleep(seconds / 2)
        self._step(-3600)
        await asyncio.sleep(seconds / 2)

    async def mend(self, site: Site) -> None:
        self._step(0)


def faketime() -> Path | None:
    """The library that, loaded before others, gives a process a clock of its own."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    library = Path(found.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    return library if library.exists() else None


@contextmanager
def clock_from(file: Path) -> Iterator[None]:
    """Processes that are started meanwhile take the time from a file, which says how far it is off."""
    fresh = {
        "LD_PRELOAD": str(faketime()), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    before = os.environ.copy()
    os.environ.update(fresh)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class SentinelFailover(Fault):
    name = "sentinel-failover"
    what = "the master of a Sentinel group is killed, and comes back as a replica (LIVE_DURABILITY=replica)"

    def store(self, directory: Path) -> Guarded:
        return Guarded(directory)

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        return [{"durability": "replica"}] * 2

    async def inject(self, site: Site) -> None:
        self.dead = site.guarded.master
        await asyncio.to_thread(self.dead.kill)

    async def mend(self, site: Site) -> None:
        survivor = next(server for server in site.guarded.servers if server is not self.dead)
        await until(lambda: leads(survivor), 30)
        await asyncio.to_thread(self.dead.start)
        # The sentinels would do it within ten seconds.
        await asyncio.to_thread(self.dead.call, "REPLICAOF", "127.0.0.1", site.guarded.port_of(survivor))


class ClusterFailover(Fault):
    name = "cluster-failover"
    what = "the cluster's node with the site's slot is killed, and its replica takes over (LIVE_DURABILITY=replica)"

    def store(self, directory: Path) -> Sharded:
        return Sharded(directory, NAME)

    async def settings(self, site: Site) -> list[dict[str, Any]]:
        return [{"durability": "replica"}] * 2

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(site.sharded.owner.kill)

    async def mend(self, site: Site) -> None:
        await until(lambda: leads(site.sharded.replica), 30)
        await asyncio.to_thread(site.sharded.owner.start)


FAULTS: tuple[type[Fault], ...] = (
    Calm, NodeKilled, RollingRestart, ValkeyKilled, ValkeyFrozen, ChannelCut, HalfOpenLink, ReadersCut, Emptied,
    Trimmed, MemoryFull, DiskFull, ClockStepped, SentinelFailover, ClusterFailover,
)  # fmt: skip
