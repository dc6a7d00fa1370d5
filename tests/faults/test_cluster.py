"""A site on a cluster: its node dies, or its slot moves, and nodes, editors and readers carry on by themselves."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartNode, editor_of, make_token
from tests.faults.servers import Sharded, examined, leads, mended
from tests.faults.test_two_nodes import all_told, faithful, insist, post_numbered
from tests.node import Node, eventually
from tests.web.samples import create


@pytest.fixture
def sharded(tmp_path: Path, site: str) -> Iterator[Sharded]:
    cluster = Sharded(tmp_path / "cluster", site)
    yield cluster
    cluster.stop()


@pytest.fixture
def node(sharded: Sharded, start_node: StartNode) -> Node:
    return start_node(redis_url=sharded.url, tick_seconds=0.5)


@pytest.fixture
def editor(sharded: Sharded, node: Node) -> Iterator[httpx.Client]:
    with editor_of(node, make_token(sharded.url, node.site, "editor")) as client:
        yield client


def test_entries_go_over_the_shard_and_a_failover_loses_nobody(
    sharded: Sharded, node: Node, editor: httpx.Client
) -> None:
    slug = str(create(editor)["slug"])
    with faithful(node, slug) as readers:
        bodies = post_numbered(editor, slug, range(5))
        eventually(lambda: all_told(readers, bodies))
        assert sharded.owner.call("PUBSUB", "SHARDCHANNELS", "*:news") == [f"live:{{{node.site}}}:news"]
        sharded.owner.kill()
        refused = editor.post(f"/api/stories/{slug}/updates", json={"body": "Can you hear me?"}, timeout=30)
        assert refused.status_code == 503
        eventually(lambda: leads(sharded.replica), 30)
        for number in range(5, 9):
            bodies.append(str(insist(editor, slug, f"number {number}").json()["body"]))
        eventually(lambda: all_told(readers, bodies), 20)
        assert all("reset" not in reader.types and reader.connections == 1 for reader in readers)
        assert httpx.get(f"{node.url}/readyz").status_code == 200


def test_the_doctor_looks_at_the_shard(sharded: Sharded, site: str) -> None:
    found = {finding.what: finding for finding in examined(sharded.url, site)}
    assert found["the cluster has 3 masters with slots"].well
    assert found["the server has 1 replicas"].well
    assert "min-replicas-to-write is 0" in mended(sharded.url, site)
    for server in sharded.servers:
        server.call("CONFIG", "SET", "cluster-allow-reads-when-down", "yes")
    assert "cluster-allow-reads-when-down is 'yes'" in mended(sharded.url, site)


@pytest.mark.parametrize("move", [Sharded.move_by_keys, Sharded.move_at_once])
def test_the_slot_moves_while_posts_go_on(
    sharded: Sharded, node: Node, editor: httpx.Client, move: Callable[[Sharded], None]
) -> None:
    slug = str(create(editor)["slug"])
    accepted: list[str] = []
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            accepted.append(str(insist(editor, slug, f"number {len(accepted)}").json()["body"]))
            over.wait(0.01)

    with faithful(node, slug) as readers:
        writer = threading.Thread(target=write)
        writer.start()
        eventually(lambda: len(accepted) > 20, 20)
        move(sharded)
        count = len(accepted)
        eventually(lambda: len(accepted) > count + 20, 40)
        over.set()
        writer.join(60)
        eventually(lambda: sharded.other().call("PUBSUB", "SHARDCHANNELS", "*:news"))
        eventually(lambda: all_told(readers, accepted), 20)
        assert all("reset" not in reader.types for reader in readers)
        stored = [update["body"] for update in editor.get(f"/api/stories/{slug}").json()["updates"]]
        assert sorted(stored) == sorted(accepted)
