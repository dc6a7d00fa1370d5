"""Traces of a post's way (OpenTelemetry), where LIVE_OTEL_ENDPOINT is set: `post`, in it `append`, then `fanout`.

Each process has a `fanout` of its own; the trace comes to it as a `traceparent` (W3C Trace Context) in the message.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from live.fanout.tally import Traced
from live.web.problems import as_problem

if TYPE_CHECKING:
    from opentelemetry.trace import Span

LOOK_SECONDS = 0.5
FLUSH_SECONDS = 0.4
"""How long a stopping process waits for the collector to take what is left; less than what ends its tasks again."""


class Traces:
    """The spans of one process, sent over OTLP/HTTP.

    Args:
        endpoint: the collector's base address, as OTEL_EXPORTER_OTLP_ENDPOINT has it.
        fanned_out: where the hub puts what it has sent to everybody.
    """

    def __init__(self, endpoint: str, fanned_out: deque[Traced]) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._context = TraceContextTextMapPropagator()
        resource = Resource.create({"service.name": "live"}).merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
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
        with self._tracer.start_as_current_span(
            "post", context, SpanKind.SERVER, fields, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                failed(span, error)
                raise

    @contextmanager
    def append(self) -> Iterator[str]:
        """The change being written, durably; yields what the pub/sub message carries."""
        with self._tracer.start_as_current_span(
            "append", record_exception=False, set_status_on_exception=False
        ) as span:
            carrier: dict[str, str] = {}
            self._context.inject(carrier)
            try:
                yield carrier.get("traceparent", "")
            except Exception as error:
                failed(span, error)
                raise

    async def run(self) -> None:
        """Makes spans of what the hub has sent, for ever; at the end sends all that is left."""
        try:
            while True:
                self._take()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._take()
            await self._flush()

    async def _flush(self) -> None:
        """Sends what is left, as far as the collector takes it in time.

        In a thread that is none of the loop's: such a one would hold the process up until the collector answers.
        """
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(sent.set)

        threading.Thread(target=send, daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                await sent.wait()

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


def failed(span: "Span", error: Exception) -> None:
    """Notes what an error is answered with; not its text, which may quote what an editor wrote."""
    from opentelemetry.trace import StatusCode

    status = as_problem(error).status
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("error.type", type(error).__name__)
    if status >= 500:  # the others are the caller's to mend
        span.set_status(StatusCode.ERROR)
