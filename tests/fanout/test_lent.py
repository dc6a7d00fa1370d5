"""A stream's connection at the socket: the handshake, what a reader may send, compression, and events."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from live.serving import CONNECTION_OPTIONS, listen
from tests.fanout.echo import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    UPGRADE,
    Frame,
    RawClient,
    closing,
    masked,
    resident,
)
from tests.node import Node
from tests.web import samples

EVENTS = {"Accept": "text/event-stream"}
DEFLATE = UPGRADE | {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


@pytest.fixture
def reader(server: Node) -> Iterator[RawClient]:
    """A WebSocket reader who was greeted."""
    with reading(server) as client:
        yield client


def reading(server: Node, topics: str = "front", headers: Mapping[str, str] = UPGRADE) -> RawClient:
    """A WebSocket reader who was greeted."""
    client = RawClient(server.url, f"/stream?topics={topics}&as=json", headers)
    assert client.status == 101
    assert news(client)["type"] == "hello"
    return client


def news(client: RawClient) -> dict[str, Any]:
    """The next message that is no heartbeat, with or without a ping before it."""
    for frame in client.frames():
        if frame.opcode == PING:
            continue
        assert frame.opcode == TEXT, frame
        message: dict[str, Any] = json.loads(frame.text)
        if message["type"] != "tick":
            return message
    raise AssertionError("the connection ended")


def event(client: RawClient) -> dict[str, Any]:
    """The next server-sent event that is no heartbeat."""
    while True:
        lines = client.read_until(b"\n\n").decode().splitlines()
        data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        if data and data[0]["type"] != "tick":
            message: dict[str, Any] = data[0]
            return message


def closed_with(client: RawClient) -> int | None:
    """The code of the server's close frame, the next control frame."""
    frame = client.control()
    assert frame and frame.opcode == CLOSE, frame
    return frame.code


def test_a_handshake_is_answered_as_the_rfc_says(server: Node) -> None:
    with RawClient(server.url, "/stream", UPGRADE) as client:
        assert client.status == 101
        assert client.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert (client.headers["upgrade"].lower(), client.headers["connection"].lower()) == ("websocket", "upgrade")
        assert "sec-websocket-extensions" not in client.headers


@pytest.mark.parametrize("version", ["8", "12", "14", "", "013", "thirteen"])
def test_another_version_is_told_which_one_to_take(server: Node, version: str) -> None:
    with RawClient(server.url, "/stream", UPGRADE | {"Sec-WebSocket-Version": version}) as client:
        assert (client.status, client.headers["sec-websocket-version"]) == (426, "13")
        assert client.frame() is None


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "!" * 24, "é" * 12])
def test_a_bad_key_is_refused(server: Node, key: str) -> None:
    with RawClient(server.url, "/stream", UPGRADE | {"Sec-WebSocket-Key": key}) as client:
        assert client.status == 400
        assert client.frame() is None


def test_a_missing_key_is_refused(server: Node) -> None:
    headers = {name: value for name, value in UPGRADE.items() if name != "Sec-WebSocket-Key"}
    with RawClient(server.url, "/stream", headers) as client:
        assert client.status == 400


@pytest.mark.parametrize("headers", [UPGRADE, EVENTS])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_method_is_refused(server: Node, method: str, headers: dict[str, str]) -> None:
    request = method + " {path} HTTP/1.1"
    with RawClient(server.url, "/stream", {**headers, "Content-Length": "0"}, request=request) as client:
        assert 400 <= client.status < 500


@pytest.mark.parametrize("without", ["Upgrade", "Connection"])
def test_a_request_that_does_not_upgrade_gets_events(server: Node, without: str) -> None:
    headers = {name: value for name, value in UPGRADE.items() if name != without}
    with RawClient(server.url, "/stream?topics=front", headers) as client:
        assert (client.status, client.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert event(client)["type"] == "hello"


def test_a_bad_parameter_refuses_the_handshake_with_a_problem(server: Node) -> None:
    with RawClient(server.url, "/stream?topics=nonsense", UPGRADE) as client:
        assert (client.status, client.headers["content-type"]) == (400, "application/problem+json")
        while client.more():
            pass
        assert "nonsense" in json.loads(client.buffer)["detail"]


@pytest.mark.parametrize("payload", [b"", b"are you there", b"\x00\xff" * 62])
def test_a_ping_is_answered(reader: RawClient, payload: bytes) -> None:
    reader.send(masked(FIN | PING, payload))
    assert reader.control() == Frame(PONG, payload)


def test_a_ping_that_comes_with_the_request_is_answered(server: Node) -> None:
    """The bytes after the head are the WebSocket's, wherever the network cut them."""
    with RawClient(server.url, "/stream", UPGRADE) as client:
        for octet in masked(FIN | PING, b"slowly"):
            client.send(bytes([octet]))
        assert client.control() == Frame(PONG, b"slowly")


BROKEN = {
    "fragmented ping": (masked(PING, b"x"), 1002),
    "reserved bit": (masked(FIN | 0x20 | TEXT, b"x"), 1002),
    "compressed, which was not agreed on": (masked(FIN | RSV1 | TEXT, b"x"), 1002),
    "reserved opcode": (masked(FIN | 3), 1002),
    "unmasked": (b"\x81\x01x", 1002),
    "oversized ping": (masked(FIN | PING, b"x" * 126), 1002),
    "continuation of nothing": (masked(FIN | CONTINUATION, b"x"), 1002),
    "text": (masked(FIN | TEXT, b"hello"), 1008),
    "empty text": (masked(FIN | TEXT), 1008),
    "binary": (masked(FIN | BINARY, b"hello"), 1008),
    "text in parts": (masked(TEXT, b"hel") + masked(FIN | CONTINUATION, b"lo"), 1008),
    "bad text": (masked(FIN | TEXT, b"\xff"), 1007),
    "too large": (masked(FIN | BINARY, b"x" * 4_097), 1009),
    "announced too large": (masked(FIN | BINARY, b"x" * 70_000)[:14], 1009),
    "too large in parts": (masked(BINARY, b"x" * 4_000) + masked(CONTINUATION, b"x" * 97), 1009),
    "close code 1005": (closing(1005), 1002),
    "close code 999": (closing(999), 1002),
    "half a close code": (masked(FIN | CLOSE, b"\x03"), 1002),
    "close reason that is no text": (closing(1000, b"\xff"), 1007),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_a_reader_must_not_send_closes_it_and_says_why(reader: RawClient, what: str) -> None:
    sent, code = BROKEN[what]
    reader.send(sent)
    assert closed_with(reader) == code


@pytest.mark.parametrize("what", ["fragmented ping", "unmasked", "text", "announced too large"])
def test_a_closed_reader_who_agrees_is_let_go_at_once(reader: RawClient, what: str) -> None:
    sent, code = BROKEN[what]
    reader.send(sent)
    assert closed_with(reader) == code
    reader.send(closing(code))
    reader.socket.settimeout(3)
    assert reader.frame() is None


@pytest.mark.parametrize("what", ["unmasked", "text"])
def test_what_a_closed_reader_still_sends_takes_no_memory(server: Node, reader: RawClient, what: str) -> None:
    sent, code = BROKEN[what]
    reader.send(sent)
    assert closed_with(reader) == code
    before = resident(server.process.pid)
    try:
        for _ in range(256):
            reader.send(b"\x81\xff" + bytes(1 << 17))
    except ConnectionError:
        pass  # better still
    with reading(server) as other:  # by now the server has read on
        other.send(masked(FIN | PING))
        assert other.control()
    assert resident(server.process.pid) - before < 8 << 20


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_goodbye_is_answered_with_the_same_code_and_ends_it(reader: RawClient, code: int) -> None:
    reader.send(closing(code, b"leaving"))
    assert closed_with(reader) == code
    assert reader.frame() is None


def test_a_goodbye_without_a_code_is_answered_without_one(reader: RawClient) -> None:
    reader.send(masked(FIN | CLOSE))
    assert reader.control() == Frame(CLOSE, b"")
    assert reader.frame() is None


def test_a_flood_of_pings_closes_it(reader: RawClient) -> None:
    reader.send(masked(FIN | PING, b"x") * 200)
    answered = 0
    while (frame := reader.control()) == Frame(PONG, b"x"):
        answered += 1
    assert frame and frame.code == 1008
    assert 0 < answered < 100


def test_half_a_frame_and_silence_keep_no_news_from_anybody(server: Node, editor: httpx.Client) -> None:
    slug = samples.create(editor)["slug"]
    with reading(server, f"story/{slug}") as half, reading(server, f"story/{slug}") as other:
        half.send(masked(FIN | TEXT, b"never finished")[:9])
        other.send(masked(FIN | PING))
        assert other.control()
        update = samples.post(editor, slug)
        assert news(other)["update"] == news(half)["update"] == update["id"]


def test_a_reader_who_left_without_a_word_harms_nobody(server: Node, editor: httpx.Client) -> None:
    slug = samples.create(editor)["slug"]
    with reading(server, f"story/{slug}") as other:
        for _ in range(5):
            reading(server, f"story/{slug}").socket.close()
        for _ in range(2):
            update = samples.post(editor, slug)
            assert news(other)["update"] == update["id"]


def inflatable(server: Node, editor: httpx.Client, headers: Mapping[str, str]) -> tuple[list[Frame], list[Frame]]:
    """Two updates as a reader with these headers gets them, and as one without compression does."""
    slug = samples.create(editor)["slug"]
    with reading(server, f"story/{slug}", headers) as wishing, reading(server, f"story/{slug}") as plain:
        for _ in range(2):
            samples.post(editor, slug, body="The water stands in the market hall. " * 300)
        return [update_of(wishing) for _ in range(2)], [update_of(plain) for _ in range(2)]


def update_of(client: RawClient) -> Frame:
    return next(frame for frame in client.frames() if json.loads(frame.text)["type"] == "update")


def test_large_messages_are_compressed_for_those_who_asked_each_on_its_own(server: Node, editor: httpx.Client) -> None:
    with RawClient(server.url, "/stream", DEFLATE) as client:
        agreed = re.split(r"\s*;\s*", client.headers["sec-websocket-extensions"])
    assert agreed[0] == "permessage-deflate"
    assert set(agreed[1:]) >= {"server_no_context_takeover"}
    packed, plain = inflatable(server, editor, DEFLATE)
    assert [frame.reserved for frame in packed] == [RSV1, RSV1]
    assert [frame.reserved for frame in plain] == [0, 0]
    assert [frame.text for frame in packed] == [frame.payload for frame in plain]
    assert all(len(one.payload) * 10 < len(other.payload) for one, other in zip(packed, plain, strict=True))


def test_a_window_that_is_not_ours_is_answered_without_compression(server: Node, editor: httpx.Client) -> None:
    headers = UPGRADE | {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=10"}
    with RawClient(server.url, "/stream", headers) as client:
        assert client.status == 101
        assert "sec-websocket-extensions" not in client.headers
    asked, plain = inflatable(server, editor, headers)
    assert asked == plain


def test_what_a_reader_sends_compressed_is_understood_and_closes_it(server: Node) -> None:
    with reading(server, headers=DEFLATE) as client:
        client.send(masked(FIN | RSV1 | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00"))  # RFC 7692, 7.2.3.1
        assert closed_with(client) == 1008


@pytest.mark.parametrize("sent", [b"x", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", masked(FIN | PING)])
def test_whatever_a_reader_of_events_sends_ends_it(server: Node, sent: bytes) -> None:
    with RawClient(server.url, "/stream?topics=front", EVENTS) as client:
        assert event(client)["type"] == "hello"
        client.send(sent)
        while client.more():
            pass
        assert b"HTTP/1.1" not in client.buffer


def test_an_old_client_gets_events(server: Node, editor: httpx.Client) -> None:
    slug = samples.create(editor)["slug"]
    path = f"/stream?topics=story/{slug}&as=json"
    with RawClient(server.url, path, EVENTS, request="GET {path} HTTP/1.0") as client:
        assert (client.status, client.headers["connection"]) == (200, "close")
        assert "transfer-encoding" not in client.headers
        assert event(client)["type"] == "hello"
        update = samples.post(editor, slug)
        assert event(client)["update"] == update["id"]


def test_a_request_for_the_head_of_the_stream_ends(server: Node) -> None:
    with RawClient(server.url, "/stream", EVENTS, request="HEAD {path} HTTP/1.1") as client:
        assert (client.status, client.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        client.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        client.read_head()
        assert client.status == 200
        assert client.read_until(b"alive\n") == b"alive\n"


@pytest.fixture
def accepted() -> Iterator[socket.socket]:
    """A connection as the server accepts it."""
    with listen("127.0.0.1", 0) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                yield connection


def test_the_kernel_looks_for_dead_readers(accepted: socket.socket) -> None:
    assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


@pytest.mark.parametrize("name", CONNECTION_OPTIONS)
def test_an_accepted_connection_has_the_options_of_its_listener(accepted: socket.socket, name: str) -> None:
    assert accepted.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == CONNECTION_OPTIONS[name]


def test_what_stays_unacknowledged_or_unsent_is_bounded(accepted: socket.socket) -> None:
    assert 10_000 <= accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 120_000
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) <= 65_536
