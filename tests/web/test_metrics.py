"""What `/metrics` says of one process and of several, and to whom."""

import json
import os
import re
import signal
from pathlib import Path
from typing import get_args

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from live.fanout.connections import Refusal
from live.model import Role
from live.web.metrics import COUNTERS, GAUGES, TIMES, forget_the_dead
from tests.conftest import StartNode, editor_of, make_token
from tests.faults.readers import TRANSPORTS, Reader
from tests.node import Node, eventually
from tests.web.samples import create, post

Samples = dict[tuple[str, str], float]
DASHBOARD = Path(__file__).parent.parent.parent / "docs" / "grafana.json"


def metrics_of(node: Node) -> Samples:
    """The present values, by the sample's name and its labels in the order of their names."""
    answer = httpx.get(f"{node.url}/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_a_reader_and_an_editor_do_is_counted(start_node: StartNode, valkey: str) -> None:
    node = start_node(max_topics=3)
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        slug = str(create(editor)["slug"])
        eventually(lambda: metrics_of(node)["live_entries_total", ""] == 1)
        before = metrics_of(node)
        readers = [Reader(node, transport, topics=f"story/{slug}") for transport in TRANSPORTS]
        for reader in readers:
            reader.hello()
        for number in range(4):
            post(editor, slug, body=f"number {number}")
            for reader in readers:
                assert reader.next()["type"] == "update"
        assert httpx.get(f"{node.url}/nothing-here").status_code == 404
        assert httpx.get(node.stream("http", topics="a,b,c,d")).status_code == 400
        after = metrics_of(node)
        grown = {key: value - before[key] for key, value in after.items() if key in before and value != before[key]}
        assert grown["live_entries_total", ""] == 4
        assert grown["live_deliveries_total", ""] == 12
        assert after["live_readers", "ws"] == 2
        assert after["live_readers", "sse"] == 1
        assert after["live_followers", "story ws"] == 2
        assert after["live_followers", "story sse"] == 1
        assert after["live_followers", "front ws"] == 0
        assert [after["live_streams_total", wire] for wire in ("ws", "deflated", "sse")] == [1, 1, 1]
        assert after["live_fanout_seconds_count", ""] == 4
        assert after["live_latency_seconds_count", ""] == 4
        assert 0 < after["live_fanout_seconds_sum", ""] < after["live_latency_seconds_sum", ""] < 4
        assert grown["live_requests_total", "4xx"] == 2
        assert grown["live_requests_total", "2xx"] >= 5
        assert after["live_queue_bytes", ""] == 0
        assert 0 <= after["live_journal_silence_seconds", ""] < 4
        for reader in readers:
            reader.close()
        eventually(lambda: metrics_of(node)["live_readers", "ws"] == metrics_of(node)["live_readers", "sse"] == 0)


def test_who_follows_what_is_counted_by_kind(start_node: StartNode) -> None:
    node = start_node()
    with Reader(node, topics="front,breaking,story/one,story/other") as one, Reader(node, topics="section/w") as other:
        one.hello()
        other.hello()
        found = metrics_of(node)
        assert [found["live_followers", f"{kind} ws"] for kind in ("front", "breaking", "section", "story")] == [1] * 4
        assert found["live_readers", "ws"] == 2


def test_kept_answers_and_refusals_are_counted(start_node: StartNode) -> None:
    node = start_node(max_streams_per_address=1, trusted_proxies="127.0.0.9")
    before = metrics_of(node)
    assert httpx.get(f"{node.url}/").status_code == 200
    with Reader(node, "sse", topics="front") as reader:
        reader.hello()
        assert httpx.get(node.stream("http", topics="front")).status_code == 429
    assert httpx.get(f"{node.url}/?{'a' * 9000}").status_code == 414
    after = metrics_of(node)
    assert after["live_refusals_total", "address"] == after["live_refusals_total", "url"] == 1
    assert after["live_requests_total", "4xx"] - before["live_requests_total", "4xx"] == 2
    assert after["live_requests_total", "2xx"] - before["live_requests_total", "2xx"] == 2  # the page, and `before`


def test_a_reader_who_falls_behind_shows(start_node: StartNode, valkey: str) -> None:
    node = start_node(reader_queue_bytes=16_384)
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        slug = str(create(editor)["slug"])
        with Reader(node, "plain", topics=f"story/{slug}") as reader:
            reader.hello()
            reader.socket.socket.setsockopt(1, 8, 4_096)  # SOL_SOCKET, SO_RCVBUF
            reader.socket.recv_bufsize = 1

            def closed() -> bool:
                post(editor, slug, body="word " * 3_000)
                return metrics_of(node)["live_slow_closes_total", ""] == 1

            eventually(closed, 30)


def test_every_metric_is_there_from_the_start(server: Node) -> None:
    names = {name for name, _ in metrics_of(server)}
    assert {f"live_{name}_total" for name in COUNTERS} <= names
    assert {f"live_{name}" for name in GAUGES} <= names
    assert {f"live_{name}_bucket" for name in TIMES} <= names
    assert {label for name, label in metrics_of(server) if name == "live_refusals_total"} == {
        *get_args(Refusal), "token",
    }  # fmt: skip


def test_all_workers_are_counted_together_and_those_killed_take_their_readers_with_them(
    start_node: StartNode, valkey: str
) -> None:
    node = start_node(workers=2)
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        slug = str(create(editor)["slug"])
        eventually(lambda: is_handed_out_twice(editor, slug, node), 30)
        readers = [Reader(node, topics=f"story/{slug}") for _ in range(12)]
        for reader in readers:
            reader.hello()
        eventually(lambda: metrics_of(node)["live_readers", "ws"] == 12)
        workers = [pid for pid in children(node.process.pid) if is_worker(pid)]
        assert len(workers) == 2
        before = metrics_of(node)["live_entries_total", ""]
        post(editor, slug)
        deliveries = sum(messages_upto_update(reader) for reader in readers)
        eventually(lambda: metrics_of(node)["live_deliveries_total", ""] == deliveries)
        eventually(lambda: metrics_of(node)["live_entries_total", ""] >= before + 2)  # both had it
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: metrics_of(node)["live_readers", "ws"] == 0, 20)
        assert metrics_of(node)["live_deliveries_total", ""] == deliveries


def is_handed_out_twice(editor: httpx.Client, slug: str, node: Node) -> bool:
    """Whether both workers follow the journal: the first serves before the second does."""
    before = metrics_of(node)["live_entries_total", ""]
    post(editor, slug)
    return eventually(lambda: metrics_of(node)["live_entries_total", ""] >= before + 2, 2)


def messages_upto_update(reader: Reader) -> int:
    """How many came with the first update; its story comes first where a worker heard of it after its reader came."""
    return 1 if reader.next()["type"] == "update" else 1 + messages_upto_update(reader)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    alive, dead = tmp_path / f"gauge_livesum_{os.getpid()}.db", tmp_path / "gauge_livemax_99999999.db"
    counter = tmp_path / "counter_99999999.db"
    for file in (alive, dead, counter):
        file.touch()
    forget_the_dead(tmp_path)
    assert [file.exists() for file in (alive, dead, counter)] == [True, False, True]


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({"metrics_allowed": "10.0.0.0/8"}, {}, 401),
        ({"metrics_allowed": ""}, {}, 401),
        ({"metrics_allowed": "10.0.0.0/8"}, {"X-Forwarded-For": "10.1.2.3"}, 200),
        ({}, {"X-Forwarded-For": "203.0.113.1"}, 401),
        ({"trusted_proxies": "127.0.0.9"}, {"X-Forwarded-For": "203.0.113.1"}, 200),
        ({"trusted_proxies": "127.0.0.9", "metrics_allowed": "::1"}, {"X-Forwarded-For": "::1"}, 401),
        ({"trusted_proxies": "*"}, {"X-Forwarded-For": "127.0.0.1"}, 401),
        ({"trusted_proxies": "*"}, {}, 401),
    ],
)
def test_who_may_read_them(
    start_node: StartNode, settings: dict[str, str], headers: dict[str, str], status: int
) -> None:
    node = start_node(**settings)
    assert httpx.get(f"{node.url}/metrics", headers=headers).status_code == status


def test_an_admins_token_opens_them_and_an_editors_does_not(start_node: StartNode, valkey: str) -> None:
    node = start_node(metrics_allowed="")
    expected: dict[Role, int] = {"admin": 200, "editor": 403}
    for role, status in expected.items():
        with editor_of(node, make_token(valkey, node.site, role)) as client:
            assert client.get("/metrics").status_code == status


def test_the_dashboard_shows_only_metrics_that_exist() -> None:
    text = DASHBOARD.read_text()
    expressions = [target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", ())]
    named = set(re.findall(r"\blive_\w+", " ".join(expressions)))
    there = {f"live_{name}_total" for name in COUNTERS} | {f"live_{name}" for name in GAUGES}
    assert named <= there | {f"live_{name}_bucket" for name in TIMES}
    assert there <= named, "on no panel"
