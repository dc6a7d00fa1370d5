"""The numbers of one process as `/metrics` has them: where each is kept."""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, get_args

from live.fanout.connections import Refusal
from live.web.metrics import Sources

if TYPE_CHECKING:
    from live.node import Node

KINDS = ("front", "breaking", "section", "story")
LEVELS = {logging.WARNING: "warning", logging.ERROR: "error", logging.CRITICAL: "critical"}


class Complaints(logging.Handler):
    """Counts the lines of the log that say that something is wrong, by their level."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.count[LEVELS.get(record.levelno, "other")] += 1


def sources_of(node: "Node", complaints: Complaints) -> Sources:
    """Where the numbers of a process are."""
    tally, connections, journal = node.hub.tally, node.connections, node.journal

    def counters() -> Mapping[str, Mapping[str, float]]:
        return {
            "entries": {"": tally.entries},
            "deliveries": {"": tally.deliveries},
            "streams": {**dict.fromkeys(("ws", "deflated", "sse"), 0), **connections.opened},
            "refusals": {**dict.fromkeys(get_args(Refusal), 0), **connections.refused, "token": node.rates.refused},
            "slow_closes": {"": tally.slow_closes},
            "refills": {"": journal.refills},
            "deafness": {"": journal.deafness},
            "requests": {f"{figure}xx": connections.answered[figure] for figure in range(2, 6)},
            "errors": {**dict.fromkeys(LEVELS.values(), 0), **complaints.count},
        }

    def gauges() -> Mapping[str, Mapping[str, float]]:
        readership, followers = node.hub.readership(), node.hub.followers()
        waiting = [size for reader in node.hub.behind() if (size := reader.waiting)]
        silence = time.monotonic() - journal.abreast_at
        return {
            "readers": {"ws": readership.ws, "sse": readership.sse},
            "followers": {f"{wire} {kind}": followers[wire, kind] for wire in ("ws", "sse") for kind in KINDS},
            "connections": {"": len(connections.requests)},
            "tasks": {"": len(asyncio.all_tasks())},
            "queue_bytes": {"": sum(waiting)},
            "behind_readers": {"": len(waiting)},
            "journal_silence_seconds": {"": silence if math.isfinite(silence) else 0.0},
        }

    def times() -> Mapping[str, Iterable[float]]:
        return {
            "fanout_seconds": [tally.fanout_seconds.popleft() for _ in range(len(tally.fanout_seconds))],
            "latency_seconds": [tally.latency_seconds.popleft() for _ in range(len(tally.latency_seconds))],
        }

    return Sources(counters, gauges, times)
