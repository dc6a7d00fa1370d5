"""A Redis that a test may kill, and nodes on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartNode, editor_of, make_token
from tests.journal.samples import Server
from tests.node import Node
from tests.web.samples import create


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    directory = tmp_path / "redis"
    directory.mkdir()
    server = Server(directory)
    yield server
    server.stop()


@pytest.fixture
def on_redis(redis: Server, start_node: StartNode) -> Callable[..., Node]:
    """Starts a node on the test's own Redis, with a quick heartbeat."""

    def start(**settings: object) -> Node:
        return start_node(redis_url=redis.url, tick_seconds=0.5, **settings)

    return start


@pytest.fixture
def pair(on_redis: Callable[..., Node]) -> tuple[Node, Node]:
    """Two nodes of one site."""
    return on_redis(), on_redis()


@pytest.fixture
def token(redis: Server, site: str) -> str:
    return make_token(redis.url, site, "editor")


@pytest.fixture
def editors(pair: tuple[Node, Node], token: str) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """An editor at each node."""
    with editor_of(pair[0], token) as one, editor_of(pair[1], token) as other:
        yield one, other


@pytest.fixture
def slug(editors: tuple[httpx.Client, httpx.Client]) -> str:
    return str(create(editors[0])["slug"])
