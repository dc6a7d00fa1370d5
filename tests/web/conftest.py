"""A site that knows its own address, for what is made of absolute addresses."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import editor_of, make_token, new_site
from tests.node import Node
from tests.web.samples import PUBLIC_URL


@pytest.fixture(scope="module")
def known(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An admin of a new site that is known as PUBLIC_URL, and that https://allowed.example may embed."""
    site = new_site()
    node = Node(
        {
            "redis_url": valkey, "site": site, "data_dir": tmp_path_factory.mktemp("data"), "site_name": "The Gauge",
            "public_url": f"{PUBLIC_URL}/", "allowed_origins": "https://allowed.example",
        }
    )  # fmt: skip
    with editor_of(node, make_token(valkey, site, "admin")) as client:
        yield client
    node.stop()
