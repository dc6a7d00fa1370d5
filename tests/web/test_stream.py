"""The stream with real clients: WebSocket with and without compression, and server-sent events."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from live.journal import Keys
from tests.conftest import StartNode, editor_of, make_token, new_site
from tests.faults.readers import TRANSPORTS, Reader, Transport
from tests.node import Node, eventually
from tests.web.samples import create, patch, post, retract, update_path

each_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@contextmanager
def joined(
    node: Node, transport: Transport = "ws", headers: dict[str, str] | None = None, /, **query: str
) -> Iterator[Reader]:
    """A reader who has been greeted."""
    with Reader(node, transport, headers, **{"as": "json", **query}) as reader:
        reader.hello()
        yield reader


def last_cursor(node: Node) -> str:
    """Where a reader who joins now stands."""
    with Reader(node) as reader:
        return str(reader.hello()["id"])


@pytest.fixture
def slug(editor: httpx.Client, server: Node) -> str:
    """A story that this test alone writes to, which the server has taken note of."""
    story = str(create(editor)["slug"])
    eventually(lambda: httpx.get(f"{server.url}/story/{story}").status_code == 200)
    return story


@each_transport
def test_what_is_posted_arrives_within_a_second(
    server: Node, editor: httpx.Client, slug: str, transport: Transport
) -> None:
    with joined(server, transport, topics=f"story/{slug}") as reader:
        start = time.monotonic()
        update = post(editor, slug, body="It is here.")
        message = reader.next()
        assert time.monotonic() - start < 1
    assert (message["type"], message["story"], message["update"]) == ("update", slug, update["id"])
    assert message["topic"] == f"story/{slug}"
    assert message["item"]["body"] == "It is here."
    assert {"id", "at", "version", "created", "pinned"} <= message.keys()


@each_transport
def test_html_and_json_forms(server: Node, editor: httpx.Client, slug: str, transport: Transport) -> None:
    topics = f"story/{slug}"
    with (
        joined(server, transport, topics=topics) as fields,
        joined(server, transport, topics=topics, **{"as": "html"}) as html,
    ):
        post(editor, slug, body="**Worth noting:** a <b>tag</b>.", edNote="INTERNAL")
        one, other = fields.next(), html.next()
    assert one["item"]["body"] == "**Worth noting:** a <b>tag</b>." and "html" not in one
    assert "Worth noting:</strong>" in other["html"] and "item" not in other
    assert "INTERNAL" not in json.dumps([one, other])
    assert {name: one[name] for name in one if name != "item"} == {
        name: other[name] for name in other if name != "html"
    }


def test_html_is_the_default_and_front_with_breaking_too(server: Node, editor: httpx.Client) -> None:
    with Reader(server) as reader:
        assert [reader.next()["type"] for _ in range(2)] == ["hello", "notice"]
        story = create(editor)
        message = reader.next()
    assert (message["type"], message["topic"], message["story"]) == ("story", "front", story["slug"])
    assert f'id="card-{story["slug"]}"' in message["html"]


@each_transport
def test_an_entry_of_two_topics_comes_in_two_parts_with_one_cursor(
    server: Node, editor: httpx.Client, slug: str, transport: Transport
) -> None:
    with joined(server, transport, topics=f"front,story/{slug}") as reader:
        post(editor, slug)
        parts = reader.take(2)
        post(editor, slug)
        parts += reader.take(2)
        seen = reader.last_event_id
    assert [(part["type"], part.get("more", False)) for part in parts] == [("update", True), ("story", False)] * 2
    assert parts[0]["id"] == parts[1]["id"] < parts[2]["id"] == parts[3]["id"]
    assert seen == (parts[3]["id"] if transport == "sse" else "")


def test_an_event_has_an_id_line_only_where_the_cursor_moves(server: Node, editor: httpx.Client, slug: str) -> None:
    after = last_cursor(server)
    post(editor, slug)
    post(editor, slug)
    url = server.stream("http", topics=f"front,breaking,story/{slug}", after=after)
    events: list[str] = []
    with httpx.stream("GET", url, timeout=10) as response:
        text = ""
        for chunk in response.iter_text():
            text += chunk
            *events, _ = text.split("\n\n")
            if len(events) == 7:
                break
    assert events.pop(0) == "retry: 2000"
    for event in events:
        lines = dict(line.split(": ", 1) for line in event.split("\n"))
        message = json.loads(lines["data"])
        assert lines.get("id") == (None if message.get("more") else message["id"])
    assert [json.loads(event.split("data: ")[1])["type"] for event in events] == [
        "hello", "update", "story", "update", "story", "notice"
    ]  # fmt: skip


def test_events_come_with_the_headers_that_proxies_need(server: Node) -> None:
    with httpx.stream("GET", server.stream("http")) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
        assert "no-cache" in response.headers["cache-control"]
        assert response.headers["x-accel-buffering"] == "no"


def test_other_methods_are_refused(server: Node) -> None:
    assert httpx.post(server.stream("http")).status_code == 405
    assert httpx.head(server.stream("http")).headers["content-type"].startswith("text/event-stream")


@each_transport
def test_the_hello_says_where_the_reader_stands(
    server: Node, editor: httpx.Client, slug: str, transport: Transport
) -> None:
    with joined(server, topics=f"story/{slug}") as watching:
        post(editor, slug)
        cursor = watching.next()["id"]
    with Reader(server, transport, topics=f"story/{slug}") as fresh:
        hello = fresh.hello()
    assert hello["id"] == cursor
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", hello["now"])
    post(editor, slug)
    with Reader(server, transport, topics=f"story/{slug}", after=cursor) as resumed:
        assert resumed.hello()["id"] == cursor
        assert resumed.next()["id"] > cursor


@each_transport
def test_the_heartbeat_brings_cursor_and_time(start_node: StartNode, transport: Transport) -> None:
    node = start_node(tick_seconds=0.2)
    with joined(node, transport, topics="front") as reader:
        ticks = [reader.receive() for _ in range(3)]
    assert [tick["type"] for tick in ticks] == ["tick"] * 3
    assert ticks[0]["now"] < ticks[1]["now"] < ticks[2]["now"]
    assert {tick["id"] for tick in ticks} == {"0-0"}


@each_transport
def test_the_notice_in_force_comes_on_joining(start_node: StartNode, valkey: str, transport: Transport) -> None:
    node = start_node()
    with (
        editor_of(node, make_token(valkey, node.site, "editor")) as editor,
        joined(node, topics="breaking") as watching,
    ):
        assert "item" not in watching.next()
        editor.put("/api/notice", json={"text": "Power is out in the north"}).raise_for_status()
        put = watching.next()
        with joined(node, transport, topics="breaking") as reader:
            notice = reader.next()
            assert (notice["type"], notice["item"]["text"]) == ("notice", "Power is out in the north")
            assert notice["more"] is True
        editor.delete("/api/notice").raise_for_status()
        cleared = watching.next()
        with joined(node, transport, topics="breaking") as reader:
            notice = reader.next()
            assert notice["type"] == "notice" and "item" not in notice
        with joined(node, transport, topics="front") as reader:
            create(editor)
            assert reader.next()["type"] == "story"
    assert put["item"]["text"] == "Power is out in the north" and "item" not in cleared


class Night:
    """A story with many updates on a node that keeps few of them in memory."""

    def __init__(self, node: Node, editor: httpx.Client, count: int) -> None:
        self.node = node
        self.editor = editor
        self.slug = str(create(editor)["slug"])
        self.topics = f"story/{self.slug}"
        with joined(node, topics=self.topics, after="0-0") as reader:
            self.start = reader.next()["id"]
            self.updates = [post(editor, self.slug, body=f"number {number}") for number in range(count)]
            self.cursors = [message["id"] for message in reader.take(count)]

    def replay(self, transport: Transport, after: str, **query: str) -> list[dict[str, Any]]:
        """What a reader who resumes is told, up to the newest entry."""
        with Reader(self.node, transport, **{"as": "json", "topics": self.topics, "after": after, **query}) as reader:
            assert reader.hello()["id"] == after
            return reader.upto(self.cursors[-1])


@pytest.fixture(scope="module")
def forgetful(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that keeps five entries in memory."""
    settings = {"redis_url": valkey, "site": new_site(), "data_dir": tmp_path_factory.mktemp("data"), "ring": 5}
    node = Node(settings)
    yield node
    node.stop()


@pytest.fixture
def night(forgetful: Node, valkey: str) -> Iterator[Night]:
    with editor_of(forgetful, make_token(valkey, forgetful.site, "editor")) as editor:
        yield Night(forgetful, editor, 12)


@each_transport
@pytest.mark.parametrize("missed", [0, 1, 5, 6, 11])
def test_a_reader_resumes_from_memory_or_from_the_journal(night: Night, transport: Transport, missed: int) -> None:
    after = night.cursors[-missed - 1]
    if missed:
        messages = night.replay(transport, after)
        assert [message["id"] for message in messages] == night.cursors[-missed:]
        assert [message["item"]["body"] for message in messages] == [f"number {n}" for n in range(12 - missed, 12)]
    with Reader(night.node, transport, topics=night.topics, after=night.cursors[-1]) as reader:
        assert reader.hello()["id"] == night.cursors[-1]
        post(night.editor, night.slug)
        assert reader.next()["id"] > night.cursors[-1]


@each_transport
def test_a_replay_from_the_first_entry(night: Night, transport: Transport) -> None:
    messages = night.replay(transport, "0-0")
    assert [message["id"] for message in messages] == [night.start, *night.cursors]


@each_transport
@pytest.mark.parametrize("unknown", ["1-1", "99999999999999-0"])
def test_an_unknown_cursor_is_answered_with_a_reset(night: Night, transport: Transport, unknown: str) -> None:
    with joined(night.node, transport, topics=night.topics, after=unknown) as reader:
        reset = reader.next()
        assert (reset["type"], reset["id"]) == ("reset", night.cursors[-1])
        post(night.editor, night.slug)
        assert reader.next()["type"] == "update"


def test_the_last_event_id_goes_before_after(night: Night) -> None:
    headers = {"Last-Event-ID": night.cursors[-2]}
    with Reader(night.node, "sse", headers, topics=night.topics, after=night.cursors[0]) as reader:
        assert reader.hello()["id"] == night.cursors[-2]
        assert reader.next()["id"] == night.cursors[-1]


@each_transport
@pytest.mark.parametrize("distance", [2, 10], ids=["ring", "journal"])
def test_a_replay_never_shows_retracted_text(night: Night, transport: Transport, distance: int) -> None:
    wrong = night.updates[-distance]
    patch(night.editor, update_path(wrong), body="number wrong, corrected", correction="It was wrong.")
    with joined(night.node, topics=night.topics, after=night.cursors[-1]) as watching:
        watching.next()
        retract(night.editor, wrong, reason="It was another bridge.")
        night.cursors.append(watching.next()["id"])
    for after in (night.start, night.cursors[-distance - 2]):
        messages = night.replay(transport, after)
        about = [message for message in messages if message["update"] == wrong["id"]]
        assert [message["type"] for message in about] == ["retraction"]
        assert about[0]["item"]["retraction"]["reason"] == "It was another bridge."
        assert wrong["body"] not in [message["item"]["body"] for message in messages]
        assert "number wrong" not in json.dumps(messages)


@each_transport
def test_a_replay_never_shows_a_withdrawn_story(night: Night, transport: Transport) -> None:
    with joined(night.node, topics="front", after=night.cursors[-1]) as watching:
        patch(night.editor, f"/api/stories/{night.slug}", pubStatus="withheld")
        gone = watching.next()
    assert (gone["type"], gone["gone"]) == ("story", True)
    night.cursors.append(gone["id"])
    assert [message["id"] for message in night.replay(transport, night.start)] == [gone["id"]]


def refusal(
    node: Node, transport: Transport, headers: dict[str, str] | None = None, /, **query: str
) -> tuple[int, str, Any]:
    """Status, media type and body of a refused stream."""
    if transport == "sse":
        answer = httpx.get(node.stream("http", **query), headers=headers)
        return answer.status_code, answer.headers["content-type"], answer.json()
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(node.stream(**query), additional_headers=headers, proxy=None),
    ):
        pass
    response = caught.value.response
    return response.status_code, response.headers["content-type"], json.loads(response.body or b"null")


@pytest.mark.parametrize("transport", ["ws", "sse"])
@pytest.mark.parametrize(
    ("query", "title"),
    [
        ({"topics": "weather"}, "Unknown topic"),
        ({"topics": "front,story/"}, "Unknown topic"),
        ({"topics": "story/Quay"}, "Unknown topic"),
        ({"topics": "front story/quay"}, "Unknown topic"),
        ({"topics": "story/" + "a" * 200}, "Unknown topic"),
        ({"topics": ""}, "Bad query"),
        ({"topics": ",".join(f"story/s{number}" for number in range(21))}, "Bad query"),
        ({"after": "yesterday"}, "Malformed cursor"),
        ({"after": "1-"}, "Malformed cursor"),
        ({"after": "18446744073709551616-0"}, "Malformed cursor"),
        ({"after": "1-0\n"}, "Malformed cursor"),
        ({"as": "xml"}, "Bad query"),
        ({"as": "HTML"}, "Bad query"),
    ],
)
def test_a_bad_query_is_answered_with_problem_details(
    server: Node, transport: Transport, query: dict[str, str], title: str
) -> None:
    status, media_type, problem = refusal(server, transport, **query)
    assert (status, media_type) == (400, "application/problem+json")
    assert (problem["status"], problem["title"]) == (400, title)
    assert problem["detail"].endswith(".") or "LIVE_" in problem["detail"]


@pytest.mark.parametrize("transport", ["ws", "sse"])
def test_a_bad_last_event_id_is_answered_with_problem_details(server: Node, transport: Transport) -> None:
    status, _, problem = refusal(server, transport, {"Last-Event-ID": "soon"})
    assert (status, problem["title"]) == (400, "Malformed cursor")


@each_transport
def test_as_many_topics_as_allowed_are_followed(start_node: StartNode, transport: Transport) -> None:
    node = start_node(max_topics=3)
    with joined(node, transport, topics="front,breaking,section/world"):
        pass
    with joined(node, transport, topics="front,front,front,front"):
        pass
    assert refusal(node, transport, topics="front,breaking,section/world,story/quay")[0] == 400


@pytest.mark.parametrize("transport", ["ws", "sse"])
@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1", "http://127.0.0.1:1"])
def test_a_page_of_a_foreign_origin_is_refused(server: Node, transport: Transport, origin: str) -> None:
    status, media_type, problem = refusal(server, transport, {"Origin": origin})
    assert (status, media_type, problem["title"]) == (403, "application/problem+json", "Foreign origin")


@each_transport
def test_a_page_of_our_own_origin_is_let_in(server: Node, transport: Transport) -> None:
    with joined(server, transport, {"Origin": server.url}):
        pass


@each_transport
def test_a_page_of_an_allowed_origin_is_let_in(start_node: StartNode, transport: Transport) -> None:
    node = start_node(allowed_origins="https://one.example, https://two.example/")
    for origin in ("https://one.example", "https://two.example"):
        with joined(node, transport, {"Origin": origin}) as reader:
            if transport == "sse":
                assert reader.response.headers["access-control-allow-origin"] == origin
                assert "Origin" in reader.response.headers["vary"]
    assert refusal(node, transport, {"Origin": "https://three.example"})[0] == 403


def closed_with(reader: Reader) -> int | None:
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            reader.receive()
    return caught.value.rcvd.code if caught.value.rcvd else None


@pytest.mark.parametrize(
    ("sent", "code"),
    [("hello", 1008), ("", 1008), (b"\x00\x01", 1008), ("x" * 4_000, 1008), ("x" * 5_000, 1009), (b"y" * 90_000, 1009)],
    ids=["text", "empty", "binary", "long", "too long", "far too long"],
)
@pytest.mark.parametrize("transport", ["ws", "plain"])
def test_a_reader_who_sends_anything_is_closed(
    server: Node, transport: Transport, sent: str | bytes, code: int
) -> None:
    with joined(server, transport, topics="front") as reader, joined(server, topics="front") as other:
        with pytest.raises(ConnectionClosed) as caught:
            reader.socket.send(sent)
            while True:
                reader.receive()
        assert caught.value.rcvd and caught.value.rcvd.code == code
        assert other.socket.ping().wait(5)


def test_a_message_in_fragments_is_a_message_too(server: Node) -> None:
    with joined(server, "plain", topics="front") as reader:
        reader.socket.send(iter(["a", "b", "c"]))
        assert closed_with(reader) == 1008


def test_a_ping_is_answered_and_too_many_are_not(server: Node) -> None:
    with joined(server, "plain", topics="front") as reader:
        for _ in range(5):
            assert reader.socket.ping().wait(5)
        with pytest.raises(ConnectionClosed) as caught:
            for _ in range(200):
                reader.socket.ping()
                reader.socket.ping().wait(0.01)
            reader.receive()
        assert caught.value.rcvd and caught.value.rcvd.code == 1008


def test_a_goodbye_is_answered(server: Node) -> None:
    with joined(server, "ws", topics="front") as reader:
        reader.socket.close(1001, "the page was left")
        assert reader.socket.close_code == 1001


def test_text_that_is_no_text_is_refused(server: Node) -> None:
    with joined(server, "plain", topics="front") as reader:
        reader.socket.send(b"\xff\xfe", text=True)
        assert closed_with(reader) == 1007


@each_transport
def test_a_stopping_server_says_goodbye(start_node: StartNode, transport: Transport) -> None:
    node = start_node()
    with joined(node, transport, topics="front") as reader:
        stopping = threading.Thread(target=node.stop)
        stopping.start()
        message = reader.next()
        assert message.keys() == {"type", "in"} and message["type"] == "reconnect"
        assert 0 <= message["in"] < 1000
        if transport == "sse":
            with pytest.raises(ConnectionError):
                reader.next()
        else:
            assert closed_with(reader) == 1012
        stopping.join(20)


def test_a_reader_who_does_not_read_is_closed_and_comes_back(start_node: StartNode, valkey: str) -> None:
    node = start_node(reader_queue_bytes=8_192)
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        slug = create(editor)["slug"]
        found: list[str] = []
        with joined(node, "plain", topics=f"story/{slug}", after="0-0") as reader:
            cursor = reader.next()["id"]
            for number in range(60):  # more than the kernel and the client's own queue take
                post(editor, slug, body=f"{number}: {'long ' * 15_000}")
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    message = reader.next()
                    cursor = message["id"]
                    found.append(message["item"]["body"].partition(":")[0])
        assert caught.value.rcvd and caught.value.rcvd.code == 4008
        assert len(found) < 60
        with joined(node, "plain", topics=f"story/{slug}", after=cursor) as reader:
            found += [message["item"]["body"].partition(":")[0] for message in reader.take(60 - len(found))]
    assert found == [str(number) for number in range(60)]


class Program:
    """A foreign client as a child process; `said` is what it printed so far."""

    def __init__(self, *words: str) -> None:
        self.said = ""
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=0
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.said += line

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()


def by_curl(node: Node, topics: str) -> list[str]:
    return ["curl", "-sN", "-H", "Accept: text/event-stream", f"{node.url}/stream?topics={topics}&as=json"]


def by_websockets(node: Node, topics: str) -> list[str]:
    return [sys.executable, "-u", "-m", "websockets", node.stream(topics=topics, **{"as": "json"})]


@pytest.mark.parametrize("client", [by_curl, by_websockets])
def test_foreign_clients_hear_a_post(
    server: Node, editor: httpx.Client, slug: str, client: Callable[[Node, str], list[str]]
) -> None:
    with Program(*client(server, f"story/{slug}")) as program:
        eventually(lambda: '"type":"hello"' in program.said)
        update = post(editor, slug, body="Heard by all.")
        eventually(lambda: "Heard by all." in program.said)
        found = re.findall(r"\{.*\}", program.said)
    message = json.loads(found[-1])
    assert (message["type"], message["update"]) == ("update", update["id"])


def test_a_foreign_client_of_the_channel_hears_a_post(
    server: Node, editor: httpx.Client, slug: str, valkey: str
) -> None:
    keys = Keys(server.site)
    socket = valkey.removeprefix("unix://")
    with Program("redis-cli", "-s", socket, "SUBSCRIBE", keys.channel) as program:
        eventually(lambda: "subscribe" in program.said)
        first = post(editor, slug, body="Heard on the channel.")
        eventually(lambda: "Heard on the channel." in program.said)
        post(editor, slug, body="Heard again.")
        eventually(lambda: "Heard again." in program.said)
        messages = [json.loads(line) for line in program.said.splitlines() if line.startswith("{")]
    assert [message.keys() for message in messages] == [{"id", "prev", "event"}] * 2
    assert messages[1]["prev"] == messages[0]["id"]
    assert messages[0]["event"]["update"]["id"] == first["id"]
    ids = subprocess.run(
        ["redis-cli", "-s", socket, "XRANGE", keys.log, messages[0]["id"], messages[1]["id"]],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert messages[0]["id"] in ids and messages[1]["id"] in ids
    assert Path(socket).is_socket()
