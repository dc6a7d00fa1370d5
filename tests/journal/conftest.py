"""A server that one test has to itself, and may break."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from live.journal import Journal, Keys
from live.journal.connection import connect
from tests.journal.samples import Server

StartServer = Callable[..., Server]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts a Valkey with options as keywords: appendfsync="everysec"."""
    servers: list[Server] = []

    def start(**options: str) -> Server:
        servers.append(Server(tmp_path, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def own_server(start_server: StartServer) -> Server:
    return start_server()


@pytest.fixture
async def own_client(own_server: Server) -> AsyncIterator[Redis]:
    client = connect(own_server.url)
    yield client
    await client.aclose()


@pytest.fixture
def own_journal(own_client: Redis, keys: Keys) -> Journal:
    return Journal(own_client, keys, retention=1000)
