"""Where the server with a site's keys is, among the servers of a Sentinel group or of a cluster.

All keys of a site have one hash tag, so on a cluster one node holds them all, and an ordinary client will do for every
topology: its connections ask, whenever one is made, who is in charge now. A server that says it no longer is (READONLY,
MOVED) is left at once, and the command is sent again to the one that is: it was not carried out.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.client import PubSub
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, ConnectionError, MovedError, ReadOnlyError, RedisError

ASK_SECONDS = 1.0
"""How long one server may take to say who is in charge, before the next one is asked."""
NOT_IN_CHARGE = (ReadOnlyError, MovedError, ClusterDownError)
SCHEMES = {
    "redis+sentinel": "redis", "rediss+sentinel": "rediss", "redis+cluster": "redis", "rediss+cluster": "rediss",
}  # fmt: skip
Options = dict[str, Any]


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


class Displaced(ConnectionError):
    """The server is no longer in charge of the keys, or not yet; it did nothing."""


class Whereabouts:
    """Who is in charge, as those at `doors` say; the one who answered last is asked first.

    `known` is the answer that came last.
    """

    def __init__(self, doors: Sequence[Address], options: Mapping[str, Any]) -> None:
        self.known: Address | None = None
        self._doors = list(doors)
        self._options = dict(options) | {"socket_timeout": ASK_SECONDS, "socket_connect_timeout": ASK_SECONDS}
        self._search: asyncio.Task[Address] | None = None

    async def find(self) -> Address:
        """Asks who is in charge; those who come meanwhile share the answer. Raises ConnectionError: nobody knows."""
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._ask_around())
        self.known = await asyncio.shield(self._search)
        return self.known

    async def _ask_around(self) -> Address:
        problems = []
        for door in list(self._doors):
            client = Redis.from_pool(ConnectionPool(host=door.host, port=door.port, **self._options))
            try:
                found = await self.ask(client, door)
            except (RedisError, OSError) as error:
                problems.append(f"{door.host}:{door.port}: {error}")
                continue
            finally:
                await client.aclose()
            self._doors.sort(key=lambda other: other != door)
            return found
        raise ConnectionError(f"nobody says which server is in charge ({'; '.join(problems)})")

    async def ask(self, client: Redis, door: Address) -> Address:
        """What the server at this door says. Raises RedisError: it does not know."""
        raise NotImplementedError


class Sentinels(Whereabouts):
    """The master of a service, as its sentinels say."""

    def __init__(self, doors: Sequence[Address], options: Mapping[str, Any], service: str) -> None:
        super().__init__(doors, options)
        self.service = service

    async def ask(self, client: Redis, door: Address) -> Address:
        execute: Any = client.execute_command
        found = await execute("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        if not found:
            raise ConnectionError(f"this sentinel knows no service '{self.service}'")
        return Address(str(found[0]), int(found[1]))

    async def facts(self) -> dict[str, str]:
        """What the first sentinel that answers says of the service: `num-other-sentinels`, `quorum`, ..."""
        await self.find()
        door = self._doors[0]
        client = Redis.from_pool(ConnectionPool(host=door.host, port=door.port, **self._options))
        try:
            execute: Any = client.execute_command
            found = await execute("SENTINEL", "MASTER", self.service)
        finally:
            await client.aclose()
        return dict(found) if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))


class Cluster(Whereabouts):
    """The owner of the slot that a key is in, as the nodes of the cluster say; nodes that join are asked too."""

    def __init__(self, doors: Sequence[Address], options: Mapping[str, Any], key: str) -> None:
        super().__init__(doors, options)
        self._slot = key_slot(key.encode())

    async def ask(self, client: Redis, door: Address) -> Address:
        execute: Any = client.execute_command
        owner = None
        for first, last, *nodes in await execute("CLUSTER", "SLOTS"):
            addresses = [Address(str(host or door.host), int(port)) for host, port, *_ in nodes]
            self._doors += [address for address in addresses if address not in self._doors]
            if int(first) <= self._slot <= int(last):
                owner = addresses[0]
        if owner is None:
            raise ConnectionError(f"no node serves slot {self._slot}")
        return owner


class RovingConnection(Connection):
    """A connection to whoever is in charge at the moment at which it is made."""

    def __init__(self, *, whereabouts: Whereabouts, **options: Any) -> None:
        super().__init__(**options)
        self._whereabouts = whereabouts
        self._subscribed = False

    def register_connect_callback(self, callback: Any) -> None:
        """Notes that the connection now carries a subscription."""
        self._subscribed = True
        super().register_connect_callback(callback)  # type: ignore[no-untyped-call]

    def deregister_connect_callback(self, callback: Any) -> None:
        """Notes that it no longer does."""
        self._subscribed = False
        super().deregister_connect_callback(callback)  # type: ignore[no-untyped-call]

    async def connect(self) -> None:
        """Connects, unless it is connected to the one who is known to be in charge.

        Raises:
            ConnectionError: nobody can be reached; or a subscription was at another server and may have missed some.
        """
        if self.is_connected and (self.host, self.port) != self._whereabouts.known:
            await self.disconnect()
            if self._subscribed:
                raise ConnectionError("the subscription was at a server that is no longer in charge")
        await super().connect()  # type: ignore[no-untyped-call]

    async def _connect(self) -> None:
        self.host, self.port = await self._whereabouts.find()
        await super()._connect()  # type: ignore[no-untyped-call]

    async def read_response(self, *words: Any, **options: Any) -> Any:
        """The server's answer; Displaced, and the connection closed, when it is not in charge."""
        try:
            return await super().read_response(*words, **options)
        except NOT_IN_CHARGE as error:
            await self.disconnect()
            raise Displaced(f"the server is not in charge: {error}") from error


class RovingTLSConnection(RovingConnection, SSLConnection):
    """The same over TLS."""


class RovingPool(BlockingConnectionPool):
    """Connections to whoever is in charge."""

    def __init__(self, whereabouts: Whereabouts, **options: Any) -> None:
        tls = options.pop("connection_class", Connection) is SSLConnection
        super().__init__(
            connection_class=RovingTLSConnection if tls else RovingConnection, whereabouts=whereabouts,
            retry=Retry(NoBackoff(), 2, supported_errors=(Displaced,)), **options,
        )  # fmt: skip
        self.whereabouts = whereabouts


def is_roving(url: str) -> bool:
    """Whether the URL names sentinels or a cluster."""
    return urlsplit(url).scheme in SCHEMES


def roving_pool(url: str, key: str, **options: Any) -> RovingPool:
    """The pool for a URL of sentinels or a cluster, where it is the one with `key`.

    Raises:
        ValueError: the URL is wrong; says how.
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    doors = [_address(door, 26379 if parts.scheme.endswith("sentinel") else 6379) for door in hosts.split(",")]
    query = dict(parse_qsl(parts.query))
    sentinels_own = {name: query.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    service, _, database = parts.path.strip("/").partition("/")
    common: Options = dict(parse_url(f"{SCHEMES[parts.scheme]}://?{urlencode(query)}"))
    name, _, password = user.partition(":")
    own = {"username": unquote(name) or None, "password": unquote(password) or None} if at else {}
    if parts.scheme.endswith("cluster"):
        if service not in ("", "0"):
            raise ValueError("a cluster has database 0 only")
        return RovingPool(Cluster(doors, common | own | {"decode_responses": True}, key), **common, **own, **options)
    if not service or (database and not database.isdecimal()):
        raise ValueError("it ends with the name of the service, /service or /service/database")
    found = Sentinels(doors, common | sentinels_own | {"decode_responses": True}, unquote(service))
    return RovingPool(found, **common, **own, db=int(database or 0), **options)


def _address(door: str, port: int) -> Address:
    parts = urlsplit(f"//{door}")
    if not parts.hostname:
        raise ValueError(f"'{door}' is no host:port")
    return Address(parts.hostname, parts.port or port)


def whereabouts_of(client: Redis) -> Whereabouts | None:
    """How the client finds its server; None when that has one address."""
    pool = client.connection_pool
    return pool.whereabouts if isinstance(pool, RovingPool) else None


def publishing(client: Redis) -> Literal["PUBLISH", "SPUBLISH"]:
    """The command that publishes: on a cluster only to the nodes of the shard, not to all of them."""
    return "SPUBLISH" if isinstance(whereabouts_of(client), Cluster) else "PUBLISH"


async def subscribe(client: Redis, channel: PubSub, name: str) -> None:
    """Subscribes to what `publishing` publishes."""
    if publishing(client) == "SPUBLISH":
        await channel.ssubscribe(name)
    else:
        await channel.subscribe(name)
