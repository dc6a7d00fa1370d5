"""Traces of a post's way: real nodes, and a collector that keeps what it is sent."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import redis
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from live.journal import Keys
from tests.conftest import StartNode, editor_of, make_token
from tests.fanout.answering import answering
from tests.node import eventually
from tests.web.samples import UPDATE, create

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP; `spans` has all that came."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        super().__init__(("127.0.0.1", 0), Taking)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, trace: bytes) -> dict[str, list[Span]]:
        """The spans of a trace by their name."""
        found: dict[str, list[Span]] = {}
        for span in list(self.spans):
            if span.trace_id == trace:
                found.setdefault(span.name, []).append(span)
        return found


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in request.resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.server.services.add(about["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def is_whole(spans: dict[str, list[Span]]) -> bool:
    return len(spans.get("fanout", [])) == 2 and {"post", "append"} <= spans.keys()


def attributes(span: Span) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_a_post_is_one_trace_through_the_journal_and_every_node(
    start_node: StartNode, valkey: str, collector: Collector
) -> None:
    nodes = [start_node(otel_endpoint=collector.url) for _ in range(2)]
    with editor_of(nodes[0], make_token(valkey, nodes[0].site, "editor")) as editor:
        slug = create(editor)["slug"]
        with (
            answering(nodes[0].url, f"/stream?topics=story/{slug}", 3),
            answering(nodes[1].url, f"/stream?topics=story/{slug}", 2),
        ):
            # A node that fills a hole from the log just then has no fan-out to tell of: another post follows.
            for number in range(6):
                parent = PARENT.replace("4736", f"473{number}")
                trace = bytes.fromhex(parent.split("-")[1])
                answer = editor.post(
                    f"/api/stories/{slug}/updates", json=UPDATE, headers={"traceparent": parent}
                ).raise_for_status()
                with suppress(AssertionError):
                    eventually(lambda trace=trace: is_whole(collector.of(trace)), 5)  # type: ignore[misc]
                    break
    spans = collector.of(trace)
    (post,), (append,) = spans["post"], spans["append"]
    assert post.parent_span_id == bytes.fromhex(PARENT.split("-")[2])
    assert append.parent_span_id == post.span_id
    assert {span.parent_span_id for span in spans["fanout"]} == {append.span_id}
    told = attributes(post)
    assert told["http.response.status_code"] == 201
    assert told["http.route"] == "/api/stories/{slug}/updates"
    assert told["live.cursor"] == answer.headers["live-cursor"]
    assert sorted(attributes(span)["live.readers"] for span in spans["fanout"]) == [2, 3]
    for span in [post, append, *spans["fanout"]]:
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 30e9
        assert abs(span.start_time_unix_nano - post.start_time_unix_nano) < 30e9


def test_without_a_collector_the_message_has_no_trace(start_node: StartNode, valkey: str, keys: Keys) -> None:
    node = start_node()
    with (
        editor_of(node, make_token(valkey, node.site, "editor")) as editor,
        redis.Redis.from_url(valkey).pubsub(ignore_subscribe_messages=True) as channel,  # type: ignore[no-untyped-call]
    ):
        channel.subscribe(keys.channel)
        channel.get_message(timeout=5)
        editor.post("/api/stories", json={"headline": "H", "sections": ["World"], "body": "B."}).raise_for_status()
        message = eventually(lambda: channel.get_message(timeout=1))
    assert json.loads(message["data"]).keys() == {"id", "prev", "event"}


def test_a_collector_that_is_away_hinders_nobody(start_node: StartNode, valkey: str) -> None:
    node = start_node(otel_endpoint="http://127.0.0.1:9")
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        slug = create(editor)["slug"]
        assert httpx.get(f"{node.url}/story/{slug}").status_code == 200
    node.stop()


def test_a_collector_that_never_answers_does_not_hold_a_stopping_node_up(start_node: StartNode, valkey: str) -> None:
    with Collector() as deaf:  # it listens, and nobody serves
        node = start_node(otel_endpoint=deaf.url, drain_seconds=5)
        with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
            create(editor)
        node.stop()
    assert node.process.returncode == 0
    assert "still runs" not in node.output


def test_a_refused_post_has_its_status_and_none_of_its_text(
    start_node: StartNode, valkey: str, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "newsroom")
    node = start_node(otel_endpoint=collector.url)
    with editor_of(node, make_token(valkey, node.site, "editor")) as editor:
        assert editor.post("/api/stories", json={"slug": "quay"}).status_code == 422
    (span,) = eventually(lambda: list(collector.spans))
    assert attributes(span)["http.response.status_code"] == 422
    assert span.status.code == Status.STATUS_CODE_UNSET and not span.status.message and not span.events
    assert collector.services == {"newsroom"}


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_missing_packages_are_told_of_in_a_sentence(missing: str, workers: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from live.cli import app; app(['serve', '--port', '0'])"
    settings = {"LIVE_OTEL_ENDPOINT": "http://127.0.0.1:9", "LIVE_WORKERS": workers}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "live: LIVE_OTEL_ENDPOINT needs more packages: pip install 'live-news[otel]'"
