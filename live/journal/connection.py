"""Reaching the Redis or Valkey server: clients with deadlines, and its errors turned into ours."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    MovedError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeout

from live.errors import ServerUnusable, SettingsError, Unavailable
from live.journal.keys import Keys
from live.journal.topology import is_roving, roving_pool

DEADLINE = 5.0
"""Seconds after which a command without an answer counts as failed."""
OLDEST = (7, 0)
WAITAOF_SINCE = (7, 2)
Durability = Literal["auto", "fsync", "replica", "memory"]
UNREACHABLE = (
    ConnectionError, RedisTimeout, BusyLoadingError, ReadOnlyError, OutOfMemoryError, OSError,
    MasterDownError, ClusterDownError, MovedError, AskError, TryAgainError,
)  # fmt: skip
NOT_NOW = re.compile(r"(?:Command # \d+ \(.*\) of pipeline caused error: )?(?:MISCONF|NOREPLICAS|BUSY) ", re.DOTALL)
"""How the message begins of an error without a class of its own that means: not now."""


def connect(url: str, site: str = "main", deadline: float = DEADLINE) -> Redis:
    """A client of the server at `url`, or of the one in charge of the site where that names many; nothing is sent yet.

    Raises:
        SettingsError: the URL is not one the client understands.
    """
    options: dict[str, Any] = {
        "max_connections": 32, "timeout": deadline, "socket_timeout": deadline, "socket_connect_timeout": 2.0,
        "decode_responses": True,
    }  # fmt: skip
    try:
        from_url: Callable[..., BlockingConnectionPool] = BlockingConnectionPool.from_url
        pool = roving_pool(url, Keys(site).log, **options) if is_roving(url) else from_url(url, **options)
        make: Callable[[], object] = pool.make_connection
        make()  # nothing is sent, but an option that no connection takes shows
    except (ValueError, TypeError) as error:
        raise SettingsError(f"LIVE_REDIS_URL is wrong: {error}") from None
    return Redis.from_pool(pool)


@contextmanager
def reaching() -> Iterator[None]:
    """Turns a server that is away, loading, read-only, full or moving the site's keys into Unavailable (503)."""
    try:
        yield
    except UNREACHABLE as error:
        raise Unavailable() from error
    except RedisError as error:
        if NOT_NOW.match(str(error)):
            raise Unavailable() from error
        raise


async def require_usable(client: Redis, url: str) -> None:
    """Makes sure that the server answers and is new enough.

    Raises:
        ServerUnusable: it does not, or is not; says what to do.
    """
    try:
        server = await client.info("server")
    except (RedisError, OSError) as error:
        if isinstance(error, AuthenticationError) or "password" in str(error) or "Authentication" in str(error):
            raise ServerUnusable(f"The Redis server at {without_password(url)} refused the password: {error}") from None
        raise ServerUnusable(
            f"The Redis server at {without_password(url)} cannot be reached ({error}); "
            "start it, correct LIVE_REDIS_URL, or unset that to use the embedded server."
        ) from None
    if version_of(server) < OLDEST:
        raise ServerUnusable(
            f"The Redis server is version {server['redis_version']}; Live needs Redis 7.0 or newer, or Valkey."
        )


async def waits_for_disk(client: Redis, durability: Durability) -> bool:
    """Whether a writer has to ask the server (WAITAOF) to know that a write is on disk.

    Raises:
        SettingsError: 'fsync' is asked for, and the server keeps no append-only file or cannot be asked.
    """
    if durability == "memory":
        return False
    persistent = bool((await client.info("persistence")).get("aof_enabled"))
    can_be_asked = persistent and version_of(await client.info("server")) >= WAITAOF_SINCE
    if durability == "fsync" and not can_be_asked:
        raise SettingsError(
            "LIVE_DURABILITY is 'fsync', but the Redis server keeps no append-only file or has no WAITAOF (7.2); "
            "turn 'appendonly' on there, or set LIVE_DURABILITY=auto."
        )
    if not can_be_asked:
        return False
    try:
        always = (await client.config_get("appendfsync")).get("appendfsync") == "always"
    except RedisError:  # managed servers often hide CONFIG
        always = False
    return not always  # such a server answers only after its fsync anyway


def version_of(server: dict[str, Any]) -> tuple[int, ...]:
    """The (Redis) version in the answer to INFO server, as far as it matters: major, minor."""
    return tuple(int(part) for part in str(server["redis_version"]).split(".")[:2])


def without_password(url: str) -> str:
    """The URL as it may be shown: what stands before an @ is left out."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
