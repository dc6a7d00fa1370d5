"""A node that does not hear the journal says so, until it has caught up."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.journal.samples import Server
from tests.node import Node, eventually

NOT_READY_SECONDS = 5.0


def is_ready(node: Node) -> bool:
    answer = httpx.get(f"{node.url}/readyz", timeout=10)
    assert answer.status_code in (200, 503)
    if answer.status_code == 503:
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Retry-After" in answer.headers
    return answer.status_code == 200


def freeze(redis: Server) -> Callable[[], None]:
    redis.freeze()
    return redis.thaw


def kill(redis: Server) -> Callable[[], None]:
    redis.kill()
    return redis.start


@pytest.mark.parametrize("fault", [freeze, kill], ids=["stopped", "killed"])
def test_a_node_without_its_journal_is_alive_but_not_ready(
    redis: Server, on_redis: Callable[..., Node], fault: Callable[[Server], Callable[[], None]]
) -> None:
    node = on_redis()
    eventually(lambda: is_ready(node))
    began = time.monotonic()
    mend = fault(redis)
    eventually(lambda: not is_ready(node), NOT_READY_SECONDS + 1)
    assert time.monotonic() - began <= NOT_READY_SECONDS
    assert httpx.get(f"{node.url}/livez").status_code == 200
    mend()
    eventually(lambda: is_ready(node), 15)


def test_a_cut_subscription_is_mended_before_it_matters(redis: Server, on_redis: Callable[..., Node]) -> None:
    node = on_redis()
    eventually(lambda: is_ready(node))
    end = time.monotonic() + NOT_READY_SECONDS + 1
    redis.call("CLIENT", "KILL", "TYPE", "pubsub")
    while time.monotonic() < end:
        assert is_ready(node)
        time.sleep(0.2)  # the pace of asking
