"""What goes wrong with nodes, with readers, and on the way from a node to Redis."""

import asyncio
import random
from typing import Any

from tests.faults.checker.fault import Fault
from tests.faults.checker.link import Link, to_socket
from tests.faults.checker.site import Site


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


class ChannelCut(Fault):
    name = "channel-cut"
    what = "subscriptions are cut (CLIENT KILL TYPE pubsub) five times a second; all else lives"

    async def inject(self, site: Site) -> None: ...

    async def hold(self, site: Site, seconds: float) -> None:
        cut = 0
        for _ in range(int(seconds * 5)):
            cut += await site.call("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.2)
        assert cut, "nobody had subscribed"


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
