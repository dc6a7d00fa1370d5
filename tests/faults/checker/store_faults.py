"""What goes wrong with the one Valkey of a site: its life, its data, its room, its clock."""

import asyncio
import importlib.util
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from live.model import Cursor
from tests.faults.checker.fault import PATIENCE, Fault
from tests.faults.checker.site import NAME, STORIES, Site
from tests.journal.samples import Server, until

LOG = f"live:{{{NAME}}}:log"
TOKENS = f"live:{{{NAME}}}:tokens"
EMPTY = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
redis.call('FLUSHALL')
return last[1]
"""


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
        await until(lambda: site.server.process.poll() is not None, PATIENCE)

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

    def _step(self, seconds: int) -> None:
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}s\n")
        fresh.replace(self.clock)

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(site.nodes[0].stop)
        with clock_from(self.clock):
            await asyncio.to_thread(site.nodes[0].start)
        self._step(3600)
        for clock in (await self._clock_of_node(site), int((await site.call("TIME"))[0])):
            assert abs(clock - time.time() - 3600) < 60, "the clock was not stepped"

    async def _clock_of_node(self, site: Site) -> float:
        async with httpx.AsyncClient(timeout=15) as client:
            page = await client.get(f"{site.nodes[0].url}/story/{STORIES[0]}")
        return float(page.headers["server-timing"].rpartition("=")[2]) / 1000

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
