"""URLs of servers and of groups of servers, and what a client does when nobody is in charge."""

import re
from pathlib import Path

import pytest
from redis.asyncio import Connection, SSLConnection

from live.errors import SettingsError, Unavailable
from live.journal import Journal, Keys
from live.journal.connection import connect, reaching, require_usable, waits_for_disk
from live.journal.topology import Cluster, Sentinels, publishing, whereabouts_of
from live.journal.trail import Trail
from live.model import CLOCK, ORIGIN, Deed, Entry
from tests.journal.conftest import StartServer
from tests.journal.samples import create, following, until

DOCUMENTATION = Path(__file__).parent.parent.parent / "docs" / "running.md"
TLS = "?ssl_ca_certs=/etc/ca.pem"


@pytest.mark.parametrize(
    ("url", "kind", "doors", "own", "theirs"),
    [
        (
            "redis+sentinel://ann:s%40fe@one:26380,two/news/3?sentinel_password=guard",
            Sentinels, [("one", 26380), ("two", 26379)],
            {"username": "ann", "password": "s@fe", "db": 3}, {"username": None, "password": "guard"},
        ),
        ("redis+sentinel://[::1]:26380/news", Sentinels, [("::1", 26380)], {"db": 0}, {"password": None}),
        (
            "redis+cluster://:safe@one:7000,two:7001", Cluster, [("one", 7000), ("two", 7001)],
            {"username": None, "password": "safe"}, {"password": "safe"},
        ),
        (f"rediss+cluster://one{TLS}", Cluster, [("one", 6379)], {"ssl_ca_certs": "/etc/ca.pem"}, {}),
        (f"rediss+sentinel://one/news{TLS}", Sentinels, [("one", 26379)], {"ssl_ca_certs": "/etc/ca.pem"}, {}),
    ],
)  # fmt: skip
def test_urls_of_groups(
    url: str, kind: type, doors: list[tuple[str, int]], own: dict[str, object], theirs: dict[str, object]
) -> None:
    client = connect(url)
    whereabouts = whereabouts_of(client)
    assert whereabouts and type(whereabouts) is kind
    assert whereabouts._doors == doors
    kept = client.connection_pool.connection_kwargs
    assert {name: kept.get(name) for name in own} == own
    assert {name: whereabouts._options.get(name) for name in theirs} == theirs
    tls = url.startswith("rediss")
    assert issubclass(client.connection_pool.connection_class, SSLConnection) is tls
    assert whereabouts._options.get("connection_class", Connection) is (SSLConnection if tls else Connection)
    assert publishing(client) == ("SPUBLISH" if kind is Cluster else "PUBLISH")


@pytest.mark.parametrize(
    "url",
    [
        "http://one",
        "redis+sentinel://one",
        "redis+sentinel://one/news/last",
        "redis+sentinel:///news",
        "redis+sentinel://one:many/news",
        "redis+cluster://",
        "redis+cluster://one,,two",
        "redis+cluster://one/3",
        "redis+cluster://one?colour=red",
        "redis://one?colour=red",
    ],
)
def test_a_wrong_url(url: str) -> None:
    with pytest.raises(SettingsError, match="LIVE_REDIS_URL"):
        connect(url)


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1,127.0.0.1:2/news", "redis+cluster://127.0.0.1:1"])
@pytest.mark.anyio
async def test_nobody_who_knows(url: str) -> None:
    client = connect(url)
    try:
        with pytest.raises(Unavailable) as caught, reaching():
            await client.get("any")
        assert "127.0.0.1:1" in str(caught.value.__cause__)
    finally:
        await client.aclose()


@pytest.mark.anyio
async def test_the_rights_in_the_documentation_are_enough(start_server: StartServer, keys: Keys) -> None:
    server = start_server(appendfsync="everysec")
    found = re.search(r"`(ACL SETUSER news [^`]+)`", DOCUMENTATION.read_text())
    assert found
    server.call(*found[1].split())
    url = f"unix://news:secret@{server.socket}"
    client = connect(url)
    try:
        await require_usable(client, url)
        journal = Journal(client, keys, retention=1000)
        journal.waits_for_disk = await waits_for_disk(client, "auto")
        async with following(journal, ORIGIN) as items:
            await create(journal)
            await Trail(client, keys).add(CLOCK, Deed("look", "/desk"))
            await until(lambda: len(items) == 1)
        assert isinstance(items[0], Entry)
        server.call("ACL", "SETUSER", "news", "off")
        server.call("CLIENT", "KILL", "USER", "news")
        with pytest.raises(Unavailable), reaching():
            await client.get(keys.of("site"))
    finally:
        await client.aclose()
