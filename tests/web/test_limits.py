"""What one client may take from a server, by real sockets: how many, how fast, how large, how slow."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from live.fanout import Connections, Limits, TokenBucket
from live.fanout.connections import household_of
from live.model import Role
from live.web.networks import Networks
from tests.conftest import StartNode, editor_of, make_token
from tests.faults.readers import Reader
from tests.node import Node, eventually
from tests.web.samples import create, post

GET = b"GET /livez HTTP/1.1\r\nHost: live\r\n"
POST = b"POST /api/stories HTTP/1.1\r\nHost: live\r\nContent-Type: application/json\r\n"


@contextmanager
def dialled(node: Node) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", node.settings["port"]), 10) as connection:
        yield connection


def to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    data = b""
    while piece := connection.recv(65_536):
        data += piece
    return data


def problem_of(answer: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the body of an answer, which must be problem details that say the connection ends."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head.lower()
    assert f"content-length: {len(body)}".encode() in head.lower()
    problem: dict[str, Any] = json.loads(body)
    status = int(head.split()[1])
    assert problem["status"] == status
    return status, problem


def joined(node: Node, stack: ExitStack, source: str = "127.0.0.1") -> ClientConnection:
    """A reader from an address of this machine, who has been greeted."""
    reader = stack.enter_context(connect(node.stream(topics="front"), source_address=(source, 0), proxy=None))
    assert json.loads(reader.recv(10))["type"] == "hello"
    return reader


def refused(node: Node, source: str = "127.0.0.1") -> httpx.Response:
    """The refusal of a reader over WebSocket, which must be the same as over server-sent events."""
    with pytest.raises(InvalidStatus) as caught, ExitStack() as stack:
        joined(node, stack, source)
    response = caught.value.response
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(transport=transport) as client:
        answer = client.get(node.stream("http", topics="front"))
    assert answer.status_code == response.status_code
    assert answer.headers["content-type"] == response.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1 and int(response.headers["retry-after"]) >= 1
    return answer


def test_one_address_has_so_many_streams(start_node: StartNode) -> None:
    node = start_node(max_streams_per_address=3)
    with ExitStack() as stack:
        readers = [joined(node, stack, "127.0.0.2") for _ in range(3)]
        answer = refused(node, "127.0.0.2")
        assert answer.status_code == 429
        assert "address" in answer.json()["detail"]
        joined(node, stack, "127.0.0.3")
        readers[0].close()
        eventually(lambda: joined(node, stack, "127.0.0.2") if may_join(node, "127.0.0.2") else None)
        assert refused(node, "127.0.0.2").status_code == 429


def test_one_address_has_so_many_connections(start_node: StartNode) -> None:
    node = start_node(max_connections_per_address=5)
    with ExitStack() as stack:

        def dial(source: str) -> socket.socket:
            address = ("127.0.0.1", node.settings["port"])
            return stack.enter_context(socket.create_connection(address, 10, (source, 0)))

        def told(connection: socket.socket) -> bytes:
            connection.sendall(GET + b"\r\n")
            return connection.recv(4096)

        readers = [joined(node, stack, "127.0.0.2") for _ in range(8)]  # who reads is no longer a guest
        held = [dial("127.0.0.2") for _ in range(5)]
        over = dial("127.0.0.2")
        over.sendall(GET + b"\r\n")
        answer = to_the_end(over)
        status, problem = problem_of(answer)
        assert status == 429 and "address" in problem["detail"]
        assert b"retry-after:" in answer.lower()
        assert told(dial("127.0.0.3")).startswith(b"HTTP/1.1 200")
        assert told(dial("127.0.0.1")).startswith(b"HTTP/1.1 200"), "a proxy is no address"
        held.pop().close()
        eventually(lambda: told(dial("127.0.0.2")).startswith(b"HTTP/1.1 200"))
        readers[0].ping().wait(5)


def may_join(node: Node, source: str) -> bool:
    try:
        with ExitStack() as stack:
            joined(node, stack, source)
    except InvalidStatus:
        return False
    return True


def test_readers_behind_a_trusted_proxy_are_told_apart_and_the_proxy_is_no_address(start_node: StartNode) -> None:
    node = start_node(max_streams_per_address=1)
    with ExitStack() as stack:
        for _ in range(3):
            joined(node, stack)  # from the proxy itself, as if it named nobody
        one, other = ({"X-Forwarded-For": f"203.0.113.{last}"} for last in (7, 8))
        stack.enter_context(Reader(node, "ws", one)).hello()
        stack.enter_context(Reader(node, "sse", other)).hello()
        with pytest.raises(InvalidStatus, match="429"):
            Reader(node, "ws", one)


def test_a_stranger_cannot_pretend_to_be_somebody_else(start_node: StartNode) -> None:
    node = start_node(max_streams_per_address=1)
    with ExitStack() as stack:
        joined(node, stack, "127.0.0.2")
        pretence = {"X-Forwarded-For": "203.0.113.9"}
        with pytest.raises(InvalidStatus, match="429"):
            connect(
                node.stream(topics="front"), source_address=("127.0.0.2", 0), additional_headers=pretence, proxy=None
            )


def test_a_process_has_so_many_connections_and_still_says_that_it_lives(start_node: StartNode) -> None:
    node = start_node(max_connections=5)
    with ExitStack() as stack:
        readers = [joined(node, stack) for _ in range(5)]
        answer = refused(node)
        assert answer.status_code == 503
        assert httpx.get(f"{node.url}/livez").status_code == 200
        readers[0].close()
        eventually(lambda: may_join(node, "127.0.0.1"))


def test_connections_that_say_nothing_do_not_fill_the_memory(start_node: StartNode) -> None:
    node = start_node(max_connections=5)
    with ExitStack() as stack:
        reader = joined(node, stack)
        for _ in range(5 + 100):
            stack.enter_context(dialled(node))
        one_too_many = stack.enter_context(dialled(node))
        one_too_many.sendall(GET + b"\r\n")
        status, _ = problem_of(to_the_end(one_too_many))
        assert status == 503
        silent = stack.enter_context(dialled(node))
        assert to_the_end(silent) == b""
        flood = [stack.enter_context(dialled(node)) for _ in range(300)]
        assert any(is_cut(connection) for connection in flood)
        reader.ping().wait(5)  # the reader who is there keeps the stream


def is_cut(connection: socket.socket) -> bool:
    try:
        connection.settimeout(0.2)
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_so_many_streams_are_opened_a_second(start_node: StartNode) -> None:
    node = start_node(streams_per_second=0.5)
    with ExitStack() as stack:
        for _ in range(2):
            joined(node, stack)
        answer = refused(node)
        assert answer.status_code == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        eventually(lambda: may_join(node, "127.0.0.1"))


def test_one_token_has_so_many_requests_a_minute(start_node: StartNode, valkey: str) -> None:
    node = start_node(api_requests_per_minute=60)
    one, other = (make_token(valkey, node.site, role) for role in ("editor", "reporter"))
    with editor_of(node, one) as busy, editor_of(node, other) as quiet:
        answers = [busy.get("/api/stories") for _ in range(70)]
        refusal = answers[-1]
        assert {answer.status_code for answer in answers[:60]} == {200}
        assert refusal.status_code == 429
        assert refusal.headers["content-type"] == "application/problem+json"
        assert refusal.headers["retry-after"] == "1"
        assert quiet.get("/api/stories").status_code == 200
        eventually(lambda: busy.get("/api/stories").status_code == 200)


@pytest.mark.parametrize("request_line", [GET, POST + b"Content-Length: 0\r\n"])
@pytest.mark.parametrize("first", [b"", GET + b"\r\n"], ids=["first", "second"])
def test_a_head_that_comes_too_slowly_ends_the_connection(
    start_node: StartNode, request_line: bytes, first: bytes
) -> None:
    node = start_node(header_seconds=0.6)
    with dialled(node) as connection:
        if first:
            connection.sendall(first)
            answer = b""
            while not answer.endswith(b"alive\n"):
                answer += connection.recv(4096)
        began = time.monotonic()
        status, _ = problem_of(drip(connection, request_line + b"X-Slow: " + b"a" * 1_000))
        assert status == 408
        assert 0.5 < time.monotonic() - began < 3


def drip(connection: socket.socket, data: bytes) -> bytes:
    """Sends a byte at a time until the server has had enough; returns its answer."""
    connection.settimeout(0.03)
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
            if answer := connection.recv(65_536):
                return answer
        except TimeoutError:
            continue
    raise AssertionError("the server was patient")


def test_a_connection_without_a_request_is_closed(start_node: StartNode) -> None:
    node = start_node(header_seconds=0.5)
    with dialled(node) as connection:
        began = time.monotonic()
        assert to_the_end(connection) == b""
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("path", [b"/api/stories", b"/desk/sign-in"])
def test_a_body_that_comes_too_slowly_is_408(start_node: StartNode, valkey: str, path: bytes) -> None:
    node = start_node(body_seconds=0.6)
    token = make_token(valkey, node.site, "editor").encode()
    kind = b"application/json" if path.startswith(b"/api") else b"application/x-www-form-urlencoded"
    head = b"POST %b HTTP/1.1\r\nHost: live\r\nContent-Length: 1000\r\nContent-Type: %b\r\n" % (path, kind)
    with dialled(node) as connection:
        connection.sendall(head + b"Authorization: Bearer %b\r\n\r\n" % token)
        status, _ = problem_of(drip(connection, b"a" * 999))
        assert status == 408
    assert "Traceback" not in node.output


def test_a_body_that_nobody_reads_does_not_hold_the_connection(start_node: StartNode) -> None:
    node = start_node(body_seconds=0.6)
    with dialled(node) as connection:
        connection.sendall(GET + b"Content-Length: 100000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.settimeout(0.03)
        began = time.monotonic()
        with pytest.raises((ConnectionError, EOFError)):
            while time.monotonic() - began < 5:
                connection.sendall(b"a")
                try:
                    if not connection.recv(10):
                        raise EOFError
                except TimeoutError:
                    continue
        assert time.monotonic() - began < 4


SIZES: list[tuple[str, bytes, int]] = [
    ("a long address", b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: live\r\n\r\n", 414),
    ("a long query", b"GET /stream?after=" + b"1" * 9_000 + b" HTTP/1.1\r\nHost: live\r\n\r\n", 414),
    ("one long header", GET + b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    ("a header without an end", GET + b"X-Long: " + b"a" * 40_000, 431),
    ("many headers", GET + b"".join(b"X-%d: many\r\n" % number for number in range(4_000)) + b"\r\n", 431),
    ("no request at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 what a TLS client says\r\n\r\n", 400),
]


@pytest.mark.parametrize(("data", "status"), [size[1:] for size in SIZES], ids=[size[0] for size in SIZES])
@pytest.mark.parametrize("piece", [1_000_000, 1_400])
def test_what_is_too_large_is_refused(server: Node, data: bytes, status: int, piece: int) -> None:
    with dialled(server) as connection:
        try:
            for start in range(0, len(data), piece):
                connection.sendall(data[start : start + piece])
        except ConnectionError:
            pass  # the answer is there already
        assert problem_of(to_the_end(connection))[0] == status


def test_what_is_just_small_enough_is_served(server: Node) -> None:
    assert httpx.get(f"{server.url}/livez?{'a' * 8_000}").status_code == 200
    assert httpx.get(f"{server.url}/livez", headers={"X-Long": "a" * 30_000}).status_code == 200
    with dialled(server) as connection:  # more in one piece than a head may have, but each is small
        connection.sendall((GET + b"X: " + b"a" * 900 + b"\r\n\r\n") * 60)
        got = b""
        while got.count(b"alive") < 60:
            got += connection.recv(65_536)
    assert b" 431 " not in got


def resident(node: Node) -> int:
    """What the process holds in memory, in KiB."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1])


def test_a_flood_of_headers_takes_no_memory(server: Node) -> None:
    before = resident(server)
    with ExitStack() as stack:
        floods = [stack.enter_context(dialled(server)) for _ in range(40)]
        for flood in floods:
            flood.sendall(GET)
            try:
                for _ in range(200):
                    flood.sendall(b"X-Long: " + b"a" * 10_000)
            except ConnectionError:
                pass
        assert resident(server) - before < 16_000  # 80 MB were offered


def grown(node: Node, before: int) -> int:
    """How many KiB it holds more than before."""
    return resident(node) - before


def test_slow_heads_and_bodies_take_no_memory_and_nobody_else_waits(start_node: StartNode, valkey: str) -> None:
    node = start_node(header_seconds=2, body_seconds=2, max_connections_per_address=0)
    token = make_token(valkey, node.site, "editor").encode()
    assert httpx.get(f"{node.url}/").status_code == 200
    before = resident(node)
    with ExitStack() as stack:
        slow = []
        for number in range(600):
            connection = stack.enter_context(dialled(node))
            head = POST + b"Authorization: Bearer %b\r\nContent-Length: 200000\r\n" % token
            connection.sendall(head + (b"\r\n{" if number % 2 else b"X-Slow: a"))
            slow.append(connection)
        began = time.monotonic()
        assert httpx.get(f"{node.url}/livez").status_code == 200
        assert time.monotonic() - began < 1
        assert grown(node, before) < 40_000  # of which a connection has a few
        for connection in slow:
            assert problem_of(to_the_end(connection))[0] == 408
        assert "Traceback" not in node.output


@pytest.mark.parametrize("length", [b"Content-Length: 20000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/api/stories", "/desk/sign-in", "/livez"])
def test_a_body_that_is_too_large_takes_no_memory(
    server: Node, tokens: dict[Role, str], path: str, length: bytes
) -> None:
    before_it = server.output
    head = b"POST %b HTTP/1.1\r\nHost: live\r\nContent-Type: %b\r\nAuthorization: Bearer %b\r\n%b\r\n\r\n" % (
        path.encode(),
        b"application/x-www-form-urlencoded" if path.startswith("/desk") else b"application/json",
        tokens["editor"].encode(),
        length,
    )
    piece = b"a" * 0x8000
    if length.startswith(b"Transfer"):
        piece = b"8000\r\n" + piece + b"\r\n"
    before = resident(server)
    with ExitStack() as stack:
        uploads = [stack.enter_context(dialled(server)) for _ in range(8)]
        for upload in uploads:
            upload.settimeout(2)
            try:
                upload.sendall(head)
                for _ in range(300):  # 10 MB each
                    upload.sendall(piece)
            except OSError:
                pass  # it does not take more, or ended the connection
            try:
                assert upload.recv(4096).split()[1] in (b"413", b"405", b"200")
            except ConnectionResetError:
                pass
        assert grown(server, before) < 16_000  # 80 MB were offered
    assert "Traceback" not in server.output[len(before_it) :]


def test_what_is_kept_for_readers_stays_small_whatever_they_ask_for(start_node: StartNode, valkey: str) -> None:
    node = start_node(cache_bytes=2_000_000)
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        slug = str(create(editor)["slug"])
        for _ in range(30):
            post(editor, slug, body="A long text. " * 1_000)
        editor.get(f"/poll.json?topics=story/{slug}")
        before = resident(node)
        for number in range(150):  # 400 KB each
            answer = editor.get(f"/poll.json?topics=story/{slug},section/s{number}", headers={"Accept-Encoding": ""})
            assert len(answer.content) > 300_000
        for number in range(700):
            assert editor.get(f"/poll.json?topics=front&n={number}{'a' * 7_000}").status_code == 200
            many = ",".join(f"section/{number}-{place}" for place in range(400))
            assert editor.get(f"/poll.json?topics={many}").status_code == 400
        assert grown(node, before) < 25_000  # 60 MB of answers, 10 MB of questions


@pytest.mark.parametrize(
    ("address", "household"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown:thing", "unknown:thing"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(address: str, household: str) -> None:
    assert household_of(address) == household


@pytest.mark.parametrize(
    ("text", "address", "held"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.0.0.0/8, ::1", "10.2.3.4", True),
        ("10.0.0.0/8,::1", "::1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("proxy.internal", "proxy.internal", False),
        ("*", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("0.0.0.0/0", "no address", False),
    ],
)
def test_networks(text: str, address: str, held: bool) -> None:
    assert (address in Networks(text)) is held


def test_a_bucket_lets_through_its_rate_and_its_depth() -> None:
    bucket = TokenBucket(10, 5, 0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.1) == 0.0
    assert bucket.take(0.1) > 0
    assert not bucket.is_full(0.2)
    assert bucket.is_full(60)
    assert [bucket.take(60) for _ in range(6)][5] > 0


def test_addresses_that_nobody_comes_from_are_forgotten() -> None:
    connections = Connections(Limits(streams_per_address=2))
    places = [connections.admit(f"203.0.113.{number % 100}", "ws") for number in range(200)]
    assert len(connections._places) == 100
    for place in places:
        place.leave()
    assert connections.readers == 0
    assert connections._places == {}
