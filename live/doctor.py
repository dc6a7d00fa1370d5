"""Checks of the machine and the Redis server, each with what to mend: for `live doctor`."""

import resource
from collections.abc import Iterator
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from live.journal.connection import WAITAOF_SINCE, version_of
from live.journal.topology import Cluster, Sentinels, whereabouts_of

ENOUGH_FILES = 10_000
ENOUGH_SENTINELS = 3


class Finding(NamedTuple):
    """One thing looked at. `mend` says what to do when it is not well."""

    well: bool
    what: str
    mend: str = ""


async def examine(client: Redis) -> list[Finding]:
    """All findings on a server that can be reached."""
    server = await client.info("server")
    persistence = await client.info("persistence")
    config = await _config(client)
    return [
        *_software(server),
        *_durability(server, persistence, config),
        *_memory(config),
        *await _standing_by(client, config),
        *_files(),
    ]


async def _config(client: Redis) -> dict[str, Any] | None:
    try:
        found: Any = await client.config_get("append*", "maxmemory*", "min-replicas-to-write", "cluster-allow-reads*")
        return dict(found)
    except RedisError:
        return None


def _software(server: dict[str, Any]) -> Iterator[Finding]:
    name = server.get("server_name", "redis")
    version = server.get("valkey_version") or server["redis_version"]
    yield Finding(True, f"{name} {version} answers")
    if version_of(server) < WAITAOF_SINCE:
        mend = "update the server to Redis 7.2 or Valkey: only there can a 201 wait for the disk (WAITAOF)"
        yield Finding(False, "the server cannot be asked whether a write is on disk", mend)


def _durability(
    server: dict[str, Any], persistence: dict[str, Any], config: dict[str, Any] | None
) -> Iterator[Finding]:
    if not persistence.get("aof_enabled"):
        mend = "set 'appendonly yes' there: without it a crash loses what editors were told is published"
        yield Finding(False, "the server keeps no append-only file", mend)
        return
    well = persistence.get("aof_last_write_status") == "ok"
    yield Finding(well, "the append-only file is written", "" if well else "see the server's log: is its disk full?")
    if config is None:
        yield Finding(True, "the server hides its configuration; ask its operator about appendfsync and maxmemory")
        return
    policy = config.get("appendfsync")
    well = policy in ("always", "everysec")
    mend = "" if well else "set 'appendfsync everysec' or 'always' there"
    yield Finding(well, f"appendfsync is '{policy}'", mend)


def _memory(config: dict[str, Any] | None) -> Iterator[Finding]:
    if config is None:
        return
    policy = config.get("maxmemory-policy")
    well = policy == "noeviction" or str(policy).startswith("volatile")
    mend = "" if well else "set 'maxmemory-policy noeviction' there: this policy may throw stories away"
    yield Finding(well, f"maxmemory-policy is '{policy}'", mend)


async def _standing_by(client: Redis, config: dict[str, Any] | None) -> list[Finding]:
    """Who takes over when the server fails: looked at where the URL names a group of servers."""
    match whereabouts_of(client):
        case Sentinels() as sentinels:
            findings = [*_sentinels(await sentinels.facts())]
        case Cluster():
            execute: Any = client.execute_command
            findings = [*_cluster(str(await execute("CLUSTER", "INFO")), config)]
        case _:
            return []
    return [*findings, *_replicas(await client.info("replication"), config)]


def _replicas(replication: dict[str, Any], config: dict[str, Any] | None) -> Iterator[Finding]:
    count = int(replication.get("connected_slaves", 0))
    mend = "" if count else "give it a replica: when this server fails there is nobody to take over"
    yield Finding(count > 0, f"the server has {count} replicas", mend)
    if config is None:
        return
    least = int(config.get("min-replicas-to-write", 0))
    mend = (
        ""
        if least
        else "set 'min-replicas-to-write 1': a master that was cut off goes on taking what will then be lost"
    )
    yield Finding(least > 0, f"min-replicas-to-write is {least}", mend)


def _sentinels(facts: dict[str, str]) -> Iterator[Finding]:
    count, quorum = int(facts["num-other-sentinels"]) + 1, int(facts["quorum"])
    mend = "" if count >= ENOUGH_SENTINELS else "run three or more, on machines of their own"
    yield Finding(not mend, f"{count} sentinels watch over the server", mend)
    mend = "" if count // 2 < quorum <= count else f"set the quorum to {count // 2 + 1}, more than half of them"
    yield Finding(not mend, f"{quorum} of the sentinels must agree that it is down", mend)


def _cluster(info: str, config: dict[str, Any] | None) -> Iterator[Finding]:
    facts = dict(line.split(":", 1) for line in info.split())
    well = facts.get("cluster_state") == "ok"
    yield Finding(well, f"the cluster's state is '{facts.get('cluster_state')}'", "" if well else "see CLUSTER NODES")
    masters = int(facts.get("cluster_size", 0))
    mend = "" if masters >= ENOUGH_SENTINELS else "run three or more: fewer cannot agree that one of them is down"
    yield Finding(not mend, f"the cluster has {masters} masters with slots", mend)
    if config is not None and config.get("cluster-allow-reads-when-down") == "yes":
        mend = "set it to 'no': readers would be shown what a node that was cut off believes"
        yield Finding(False, "cluster-allow-reads-when-down is 'yes'", mend)


def _files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    well = soft >= ENOUGH_FILES
    mend = (
        ""
        if well
        else f"raise it ('ulimit -n 65536', LimitNOFILE= in systemd): one reader takes one; hard limit {hard}"
    )
    yield Finding(well, f"this process may open {soft} files", mend)
