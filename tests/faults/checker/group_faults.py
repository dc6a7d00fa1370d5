"""What goes wrong where several Redis servers stand for one: Sentinel, and Cluster."""

import asyncio
from pathlib import Path
from typing import Any

from tests.faults.checker.fault import PATIENCE, Fault
from tests.faults.checker.site import NAME, Site
from tests.faults.servers import Guarded, Sharded, leads
from tests.journal.samples import until


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
        await until(lambda: leads(survivor), PATIENCE)
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
        await until(lambda: leads(site.sharded.replica), PATIENCE)
        await asyncio.to_thread(site.sharded.owner.start)


class SlotMigration(Fault):
    name = "slot-migration"
    what = "the site's slot moves to another node of the cluster, key by key, and back again at once (MIGRATESLOTS)"

    def store(self, directory: Path) -> Sharded:
        return Sharded(directory, NAME)

    async def inject(self, site: Site) -> None:
        await asyncio.to_thread(site.sharded.move_by_keys)

    async def mend(self, site: Site) -> None:
        await asyncio.to_thread(site.sharded.move_back)
