"""A site on a Sentinel group: the master dies or is replaced, and nodes, editors and readers carry on by themselves."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartNode, editor_of, make_token
from tests.faults.servers import Guarded, examined, leads, mended
from tests.faults.test_two_nodes import all_told, faithful, insist, post_numbered
from tests.node import Node, eventually
from tests.web.samples import create


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    group = Guarded(tmp_path / "group")
    yield group
    group.stop()


@pytest.fixture
def node(guarded: Guarded, start_node: StartNode) -> Node:
    return start_node(redis_url=guarded.url, tick_seconds=0.5, durability="replica")


@pytest.fixture
def editor(guarded: Guarded, node: Node) -> Iterator[httpx.Client]:
    with editor_of(node, make_token(guarded.url, node.site, "editor")) as client:
        yield client


def test_a_failover_loses_nothing_and_nobody(guarded: Guarded, node: Node, editor: httpx.Client) -> None:
    slug = str(create(editor)["slug"])
    with faithful(node, slug) as readers:
        bodies = post_numbered(editor, slug, range(5))
        eventually(lambda: all_told(readers, bodies))
        dead = guarded.master
        dead.kill()
        refused = editor.post(f"/api/stories/{slug}/updates", json={"body": "Can you hear me?"}, timeout=30)
        assert refused.status_code == 503
        survivor = next(server for server in guarded.servers if server is not dead)
        eventually(lambda: leads(survivor), 30)
        dead.start()
        dead.call("REPLICAOF", "127.0.0.1", guarded.port_of(survivor))  # the sentinels would do it within 10 seconds
        for number in range(5, 9):
            bodies.append(str(insist(editor, slug, f"number {number}").json()["body"]))
        eventually(lambda: all_told(readers, bodies), 20)
        assert all("reset" not in reader.types and reader.connections == 1 for reader in readers)
        assert httpx.get(f"{node.url}/readyz").status_code == 200


def test_the_doctor_looks_at_who_stands_by(guarded: Guarded) -> None:
    found = {finding.what: finding for finding in examined(guarded.url)}
    assert found["the server has 1 replicas"].well
    assert found["min-replicas-to-write is 1"].well
    assert found["3 sentinels watch over the server"].well
    assert found["2 of the sentinels must agree that it is down"].well
    guarded.master.call("CONFIG", "SET", "min-replicas-to-write", 0)
    guarded.sentinels.pop().stop()
    replica = next(server for server in guarded.servers if not leads(server))
    replica.stop()
    eventually(lambda: "the server has 0 replicas" in mended(guarded.url))
    assert "min-replicas-to-write is 0" in mended(guarded.url)


def test_failovers_while_posts_go_on(guarded: Guarded, node: Node, editor: httpx.Client) -> None:
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
        before = guarded.master
        eventually(lambda: len(accepted) > 20, 20)
        guarded.fail_over()
        eventually(lambda: not leads(before), 30)
        count = len(accepted)
        eventually(lambda: len(accepted) > count + 20, 40)
        over.set()
        writer.join(60)
        stored = [update["body"] for update in editor.get(f"/api/stories/{slug}").json()["updates"]]
        assert sorted(stored) == sorted(accepted)  # each once, none lost
        for reader in readers:
            eventually(lambda reader=reader: reader.bodies[-1:] == accepted[-1:], 20)  # type: ignore[misc]
            if "reset" not in reader.types:
                assert reader.bodies == accepted


def test_without_a_replica_nothing_is_accepted_where_one_is_asked_for(
    guarded: Guarded, node: Node, editor: httpx.Client
) -> None:
    slug = str(create(editor)["slug"])
    master = guarded.master
    for server in guarded.servers:
        if server is not master:
            server.kill()
    answer = editor.post(f"/api/stories/{slug}/updates", json={"body": "Is anybody there?"}, timeout=30)
    assert answer.status_code == 503
