"""`GET /metrics`: what all processes of this server did, for Prometheus.

The parts of a process keep plain numbers. Once a second, and before each answer, they are brought here: so the hot path
pays nothing, and with several processes each one's numbers are where the one that is asked finds them.
"""

import asyncio
import os
import re
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.requests import Request
from starlette.responses import Response

from live.model import Identity, Role

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the directory which processes share; it must be set before this module is imported."""
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LOOK_SECONDS = 1.0
GAUGE_FILE = re.compile(r"gauge_live\w+_(\d+)\.db")


class Require(Protocol):
    """Recognises who sends a request."""

    async def __call__(self, request: Request, role: Role) -> Identity: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers are.

    `counters` and `gauges` give the present values by a metric's name without its prefix, each by the values of its
    labels ('' where it has none, with a space between two); a counter's only rise. `times` gives the durations
    (seconds) since it was last asked.
    """

    counters: Callable[[], Mapping[str, Mapping[str, float]]]
    gauges: Callable[[], Mapping[str, Mapping[str, float]]]
    times: Callable[[], Mapping[str, Iterable[float]]]


COUNTERS = {
    "entries": ("", "Entries of the journal that were handed to the readers."),
    "deliveries": ("", "Readers that news was written to, each once in a sweep."),
    "streams": ("wire", "Streams that were opened."),
    "refusals": ("limit", "Connections and requests that were refused, by the limit that they met."),
    "slow_closes": ("", "Readers that were closed since they read more slowly than news came."),
    "refills": ("", "Times that a hole in what pub/sub brought was filled from the log."),
    "deafness": ("", "Times that a subscription had gone deaf and was made anew."),
    "requests": ("status", "Answers to requests, by the class of their status."),
    "errors": ("level", "Lines of the log that say that something is wrong."),
}
GAUGES = {
    "readers": ("wire", "Readers who are connected."),
    "followers": ("wire topic", "Readers by what they follow; one who follows two kinds counts for both."),
    "connections": ("", "Connections that are not readers'."),
    "tasks": ("", "Tasks of the event loop."),
    "queue_bytes": ("", "What waits for readers who are behind."),
    "behind_readers": ("", "Readers who are behind."),
    "journal_silence_seconds": ("", "How long ago it was known that nothing is missing."),
}
TIMES = {
    "fanout_seconds": "From an entry's coming to a process to the last reader's socket there.",
    "latency_seconds": "From an entry's publication to the last reader's socket of a process.",
}


class Metrics:
    """The metrics of one process, and the way to those of all.

    Args:
        sources: where the numbers are.
        allowed: addresses that may ask without a token.
        require: recognises an admin, or raises.
    """

    def __init__(self, sources: Sources, allowed: Container[str], require: Require) -> None:
        self._sources = sources
        self._allowed = allowed
        self._require = require
        self._registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"live_{name}", text, label.split(), registry=self._registry)
            for name, (label, text) in COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(
                f"live_{name}", text, label.split(), registry=self._registry,
                multiprocess_mode="livemax" if name.endswith("seconds") else "livesum",
            )
            for name, (label, text) in GAUGES.items()
        }  # fmt: skip
        self._times = {
            name: Histogram(f"live_{name}", text, registry=self._registry, buckets=SECONDS)
            for name, text in TIMES.items()
        }
        self._told: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Brings the numbers here, for ever; at the end, readers of this process count no more."""
        try:
            while True:
                self.bring()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if DIRECTORY in os.environ:
                mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]

    def bring(self) -> None:
        """Takes the numbers over as they are now."""
        for name, values in self._sources.counters().items():
            for label, value in values.items():
                counter = self._counters[name]
                told = self._told.get((name, label), 0.0)
                (counter.labels(*label.split()) if label else counter).inc(value - told)
                self._told[name, label] = value
        for name, values in self._sources.gauges().items():
            for label, value in values.items():
                gauge = self._gauges[name]
                (gauge.labels(*label.split()) if label else gauge).set(value)
        for name, times in self._sources.times().items():
            for seconds in times:
                self._times[name].observe(seconds)

    async def endpoint(self, request: Request) -> Response:
        """The metrics of all processes. Raises NotAuthenticated or NotPermitted."""
        if not (request.client and request.client.host in self._allowed):
            await self._require(request, "admin")
        self.bring()
        registry = self._registry
        if directory := os.environ.get(DIRECTORY):
            forget_the_dead(Path(directory))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def forget_the_dead(directory: Path) -> None:
    """Lets the readers of a process that was killed count no more."""
    for file in directory.glob("gauge_live*.db"):
        found = GAUGE_FILE.fullmatch(file.name)
        if found and not Path(f"/proc/{found[1]}").exists() and Path("/proc/self").exists():
            with suppress(FileNotFoundError):
                file.unlink()
