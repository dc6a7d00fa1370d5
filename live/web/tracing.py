"""Traces of a post's way (OpenTelemetry), where LIVE_OTEL_ENDPOINT is set: `post`, in it `append`, then `fanout`.

Each process has a `fanout` of its own; the trace comes to it as a `traceparent` (W3C Trace Context) in the message.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from live.errors import SettingsError
from live.fanout.tally import Traced

if TYPE_CHECKING:
    from opentelemetry.trace import Span

LOOK_SECONDS = 0.5


class Traces:
    """The spans of one process, sent over OTLP/HTTP.

    Args:
        endpoint: the collector's base address, as OTEL_EXPORTER_OTLP_ENDPOINT has it.
        fanned_out: where the hub puts what it has sent to everybody.

    Raises:
        SettingsError: the packages are not installed.
    """

    def __init__(self, endpoint: str, fanned_out: deque[Traced]) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise SettingsError("LIVE_OTEL_ENDPOINT needs more packages: pip install 'live-news[otel]'") from None
        self._context = TraceContextTextMapPropagator()
        self._provider = TracerProvider(resource=Resource.create({"service.name": "live"}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
        self._tracer = self._provider.get_tracer("live")
        self._fanned_out = fanned_out

    @contextmanager
    def post(self, method: str, path: str, parent: str) -> Iterator["Span"]:
        """A change that an editor asks for; `parent` is the request's `traceparent`, or empty."""
        from opentelemetry.trace import SpanKind

        context = self._context.extract({"traceparent": parent})
        fields = {"http.request.method": method, "http.route": path}
        with self._tracer.start_as_current_span("post", context, SpanKind.SERVER, fields) as span:
            yield span

    @contextmanager
    def append(self) -> Iterator[str]:
        """The change being written, durably; yields what the pub/sub message carries."""
        with self._tracer.start_as_current_span("append"):
            carrier: dict[str, str] = {}
            self._context.inject(carrier)
            yield carrier.get("traceparent", "")

    async def run(self) -> None:
        """Makes spans of what the hub has sent, for ever; at the end sends all that is left."""
        try:
            while True:
                self._take()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._take()
            await asyncio.shield(asyncio.to_thread(self._provider.shutdown))

    def _take(self) -> None:
        ahead = time.time_ns() - time.monotonic_ns()
        while self._fanned_out:
            done = self._fanned_out.popleft()
            span = self._tracer.start_span(
                "fanout", self._context.extract({"traceparent": done.trace}),
                start_time=ahead + round(done.arrived * 1e9),
                attributes={"live.cursor": str(done.cursor), "live.readers": done.readers},
            )  # fmt: skip
            span.end(ahead + round(done.sent * 1e9))
