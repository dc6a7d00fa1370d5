"""Real parts for every test: a Valkey, server processes, tokens, clients; and a Chromium under tests/browser."""

import asyncio
import os
import resource
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import hypothesis
import pytest
from redis.asyncio import Redis

from live.journal import Journal, Keys, State
from live.journal.connection import connect
from live.journal.embedded import embedded
from live.journal.tokens import Tokens
from live.model import Role
from tests.node import Node

# Tests speak to this machine alone: each of some thousand clients would read the world's authorities, for 20 ms.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("live", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("live")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey server that all tests share; each test has a site of its own on it."""
    with embedded(tmp_path_factory.mktemp("valkey")) as url:
        yield url


def new_site() -> str:
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def site() -> str:
    """Name of a site that nobody else uses."""
    return new_site()


@pytest.fixture
def keys(site: str) -> Keys:
    return Keys(site)


@pytest.fixture
async def client(valkey: str) -> AsyncIterator[Redis]:
    client = connect(valkey)
    yield client
    await client.aclose()


@pytest.fixture
def journal(client: Redis, keys: Keys) -> Journal:
    return Journal(client, keys, retention=1000)


@pytest.fixture
def state(client: Redis, keys: Keys) -> State:
    return State(client, keys)


def make_token(url: str, site: str, role: Role) -> str:
    """The text of a new token, made as `live token create` makes it."""

    async def create() -> str:
        client = connect(url, site)
        _, text = await Tokens(client, Keys(site)).create(f"the {role}", role)
        await client.aclose()
        return text

    with ThreadPoolExecutor() as thread:  # this one's loop may be Playwright's
        return thread.submit(lambda: asyncio.run(create())).result()


def editor_of(node: Node, token: str) -> httpx.Client:
    return httpx.Client(base_url=node.url, headers={"Authorization": f"Bearer {token}"}, timeout=15)


StartNode = Callable[..., Node]


@pytest.fixture
def start_node(valkey: str, site: str, tmp_path: Path) -> Iterator[StartNode]:
    """Starts server processes on the test's site; ended with the test. Settings as keywords: tick_seconds=1."""
    nodes: list[Node] = []

    def start(**settings: object) -> Node:
        fields = {"redis_url": valkey, "site": site, "data_dir": tmp_path / "data", **settings}
        nodes.append(Node(fields))
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


@pytest.fixture(scope="session")
def server(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One server for all the tests that need no server, nor site, to themselves."""
    node = Node({"redis_url": valkey, "site": new_site(), "data_dir": tmp_path_factory.mktemp("data")})
    yield node
    node.stop()


@pytest.fixture(scope="session")
def tokens(server: Node, valkey: str) -> dict[Role, str]:
    """A token for each role on `server`."""
    roles: tuple[Role, ...] = ("reporter", "editor", "admin")
    return {role: make_token(valkey, server.site, role) for role in roles}


@pytest.fixture
def reporter(server: Node, tokens: dict[Role, str]) -> Iterator[httpx.Client]:
    with editor_of(server, tokens["reporter"]) as client:
        yield client


@pytest.fixture
def editor(server: Node, tokens: dict[Role, str]) -> Iterator[httpx.Client]:
    with editor_of(server, tokens["editor"]) as client:
        yield client


@pytest.fixture
def admin(server: Node, tokens: dict[Role, str]) -> Iterator[httpx.Client]:
    with editor_of(server, tokens["admin"]) as client:
        yield client


@pytest.fixture
def plenty_of_files() -> Iterator[None]:
    """As many open files as the system grants, to the servers and readers that the test starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
