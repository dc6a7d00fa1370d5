"""Checks of the machine and the Redis server, each with what to mend: for `live doctor`."""

import resource
from collections.abc import Iterator
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from live.journal.connection import WAITAOF_SINCE, version_of

ENOUGH_FILES = 10_000


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
        *_files(),
    ]


async def _config(client: Redis) -> dict[str, Any] | None:
    try:
        found: Any = await client.config_get("append*", "maxmemory*")
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


def _files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    well = soft >= ENOUGH_FILES
    mend = (
        ""
        if well
        else f"raise it ('ulimit -n 65536', LimitNOFILE= in systemd): one reader takes one; hard limit {hard}"
    )
    yield Finding(well, f"this process may open {soft} files", mend)
