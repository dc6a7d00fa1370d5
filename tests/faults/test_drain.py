"""A process that is to stop sends its readers away bit by bit, finishes its requests, and is gone in time."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartNode, editor_of
from tests.faults.deploy import deploy
from tests.faults.readers import TRANSPORTS, Faithful, Reader
from tests.journal.samples import Server
from tests.node import Node, eventually
from tests.web.samples import create, post

Pair = tuple[Node, Node]
RATE = 12.0
READERS = 20


class Hanging(Node):
    """A server with a background task that never ends."""

    module = "tests.faults.hanging"


class Balanced(Node):
    """Nodes behind one address, as a balancer has it: it goes to the first that takes a connection."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes = nodes

    def takes(self, node: Node) -> bool:
        try:
            socket.create_connection(("127.0.0.1", node.settings["port"]), 1).close()
        except OSError:
            return False
        return True

    def stream(self, scheme: str = "ws", **query: str) -> str:
        return next((node for node in self.nodes if self.takes(node)), self.nodes[0]).stream(scheme, **query)


@contextmanager
def crowd(node: Node, count: int, **query: str) -> Iterator[list[Faithful]]:
    """Readers who come back, on every transport in turn."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Faithful(node, TRANSPORTS[number % len(TRANSPORTS)], **query))
            for number in range(count)
        ]


def busiest_second(moments: list[float]) -> int:
    return max(sum(start <= moment < start + 1 for moment in moments) for start in moments)


def test_a_rolling_deploy_strands_nobody_and_loses_nothing(on_redis: Callable[..., Node], token: str) -> None:
    pair = on_redis(drain_rate=RATE), on_redis(drain_rate=RATE)
    with editor_of(pair[0], token) as one, editor_of(pair[1], token) as other:
        slug = str(create(one)["slug"])
        with crowd(Balanced(*pair), READERS, topics=f"story/{slug}", **{"as": "json"}) as readers:
            bodies: list[str] = []
            over = threading.Event()

            def write(editor: httpx.Client) -> None:
                while not over.is_set():
                    bodies.append(str(post(editor, slug, body=f"number {len(bodies)}")["body"]))
                    over.wait(0.02)

            for node, editor in zip(pair, (other, one), strict=True):
                over.clear()
                writer = threading.Thread(target=write, args=(editor,))
                writer.start()
                node.stop()
                over.set()
                writer.join(20)
                assert node.process.returncode == 0
                node.start()
            eventually(lambda: all(reader.bodies == bodies for reader in readers), 20)
            moments = sorted(moment for reader in readers for moment in reader.sent_away)
            assert len(bodies) > 20
            assert all("reset" not in reader.types for reader in readers)
            assert all(len(reader.sent_away) == reader.connections - 1 for reader in readers), "cut without a word"
            assert len(moments) >= READERS
            assert busiest_second(moments) <= RATE * 1.2 + 1 < READERS
            assert moments[-1] - moments[0] >= READERS / RATE - 1


def test_a_rolling_deploy_under_a_crowd(on_redis: Callable[..., Node], token: str) -> None:
    readers, rate = 600, 200
    pair = on_redis(drain_rate=rate), on_redis(drain_rate=rate)
    with editor_of(pair[0], token) as one, editor_of(pair[1], token) as other:
        outcome = deploy(pair, (one, other), readers)
    assert outcome.updates > 5
    assert (outcome.faults, outcome.stranded, outcome.cut, outcome.resets) == (0, 0, 0, 0)
    assert outcome.refused == {}
    assert outcome.sent_away >= readers
    assert outcome.asked <= rate * 1.1
    assert outcome.back <= rate * 1.5  # they are all in one process here, which may be late for several at once
    assert outcome.away < 5


def test_readers_have_the_stream_until_their_turn_while_nobody_new_comes_in(
    on_redis: Callable[..., Node], token: str
) -> None:
    node, other = on_redis(drain_rate=1, drain_seconds=4), on_redis()
    with editor_of(other, token) as editor:
        slug = str(create(editor)["slug"])
        query = {"topics": f"story/{slug}", "as": "json"}
        with Reader(node, **query) as one, Reader(node, **query) as two, Reader(node, **query) as three:
            readers = [one, two, three]
            for reader in readers:
                reader.hello()
            stopping = threading.Thread(target=node.stop)
            stopping.start()
            eventually(lambda: not Balanced(node).takes(node))
            post(editor, slug, body="while it stops")
            told = [[reader.next()["type"] for _ in range(2)] for reader in readers]
            stopping.join(20)
            assert told == [["update", "reconnect"]] * 3


def test_more_readers_than_the_rate_allows_for_are_through_in_time(start_node: StartNode) -> None:
    node = start_node(drain_rate=1, drain_seconds=2)
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(node, topics="front")) for _ in range(20)]
        for reader in readers:
            reader.hello()
        began = time.monotonic()
        node.stop()
        assert 1 < time.monotonic() - began < 5
        assert [reader.next()["type"] for reader in readers] == ["reconnect"] * 20


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_without_readers_stops_at_once(start_node: StartNode, workers: int) -> None:
    node = start_node(workers=workers)
    with httpx.Client(base_url=node.url) as idle:
        idle.get("/livez")
        began = time.monotonic()
        node.stop()
        assert time.monotonic() - began < 3


def test_a_request_that_does_not_end_does_not_hold_the_server_up(start_node: StartNode) -> None:
    node = start_node()
    with socket.create_connection(("127.0.0.1", node.settings["port"])) as stuck:
        stuck.sendall(b"POST /desk/sign-in HTTP/1.1\r\nHost: live\r\nContent-Length: 9\r\n"
                      b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname")  # fmt: skip
        assert httpx.get(f"{node.url}/livez").status_code == 200
        began = time.monotonic()
        node.stop()
        assert time.monotonic() - began < 6


def test_a_request_under_way_is_answered(start_node: StartNode) -> None:
    node = start_node()
    with socket.create_connection(("127.0.0.1", node.settings["port"]), 10) as slow:
        slow.sendall(
            b"POST /api/stories HTTP/1.1\r\nHost: live\r\nContent-Length: 2\r\nAuthorization: Bearer x\r\n\r\n{"
        )
        assert httpx.get(f"{node.url}/livez").status_code == 200
        stopping = threading.Thread(target=node.stop)
        stopping.start()
        eventually(lambda: not Balanced(node).takes(node))
        slow.sendall(b"}")
        assert slow.recv(4096).startswith(b"HTTP/1.1 401 ")
        stopping.join(20)


def test_workers_give_their_address_up_at_once(start_node: StartNode) -> None:
    node = start_node(workers=2, drain_rate=1, drain_seconds=8)
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(Reader(node, topics="front")).hello()
        stopping = threading.Thread(target=node.stop)
        began = time.monotonic()
        stopping.start()
        eventually(lambda: not Balanced(node).takes(node), 3)
        assert stopping.is_alive()
        stopping.join(20)
        assert 4 < time.monotonic() - began < 9
        assert node.process.returncode == 0


@pytest.mark.parametrize(("workers", "blocks"), [(1, False), (1, True), (2, True)])
def test_a_task_that_hangs_does_not_keep_the_server_from_ending(
    valkey: str, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, blocks: bool
) -> None:
    if blocks:
        monkeypatch.setenv("BLOCKS", "yes")
    node = Hanging({"redis_url": valkey, "site": site, "data_dir": tmp_path, "workers": workers, "drain_seconds": 3})
    with Reader(node, topics="front") as reader:
        reader.hello()
        began = time.monotonic()
        node.stop()
        assert time.monotonic() - began < 8
        assert reader.next()["type"] == "reconnect"
    assert "by force" in node.output


def test_a_server_ends_though_redis_hangs(redis: Server, on_redis: Callable[..., Node]) -> None:
    node = on_redis(drain_seconds=4)
    with Reader(node, topics="front") as reader:
        reader.hello()
        redis.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            node.stop()
            assert time.monotonic() - began < 6
            assert reader.next()["type"] == "reconnect"
        finally:
            redis.process.send_signal(signal.SIGCONT)
    assert node.process.returncode == 0
