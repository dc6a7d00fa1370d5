"""Operations on whom the site reaches: how many readers there are, and what became of an entry at them."""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from live.errors import NotFound
from live.journal.presence import Present
from live.model import Cursor, Delivery, Frozen, Moment
from live.web.operations import Call, Operation

SETTLES = timedelta(seconds=90)
"""How old an entry is when nothing can change any more, whatever became of the processes that sent it."""


class Readers(Frozen):
    """The readers who are connected now, over WebSocket and server-sent events; those who poll are counted apart."""

    total: int
    ws: int
    sse: int
    polls_per_minute: int
    stories: dict[str, int]
    nodes: int


class Milliseconds(Frozen):
    """How long the confirmations took from when each server process had the entry: half, 99 in 100, all of them."""

    p50: int
    p99: int
    last: int


class ShownReceipt(Frozen):
    """What became of an entry: `open` pages had it sent over WebSocket, `confirmed` of them proved that it arrived,
    `left` were closed before they could, of the `missing` nothing is known. `share` is that of the confirmed."""

    cursor: str
    at: Moment
    open: int
    confirmed: int
    left: int
    missing: int
    share: float | None = None
    milliseconds: Milliseconds | None = None
    sse: int
    polls_per_minute: int
    final: bool


async def read_readers(call: Call) -> Readers:
    nodes = (await call.stores.presence.present()).values()
    stories = Counter[str]()
    for node in nodes:
        stories.update(node.readers.stories)
    ws, sse = sum(node.readers.ws for node in nodes), sum(node.readers.sse for node in nodes)
    return Readers(
        total=ws + sse, ws=ws, sse=sse, polls_per_minute=_polls(nodes),
        stories=dict(stories.most_common()), nodes=len(nodes),
    )  # fmt: skip


async def read_receipt(call: Call) -> ShownReceipt:
    cursor = Cursor.parse(call.path["cursor"])
    told = await call.stores.presence.deliveries(cursor)
    if not told:
        raise NotFound(f"There is no receipt of {cursor}; they are kept for an hour, unless LIVE_RECEIPT_SECONDS is 0.")
    nodes = await call.stores.presence.present()
    delivery = Delivery.sum(told.values())
    at = datetime.fromtimestamp(cursor.millis / 1000, UTC)
    silent = [name for name, node in nodes.items() if name not in told and node.since <= cursor.millis]
    return ShownReceipt(
        cursor=str(cursor), at=at, open=delivery.written, confirmed=delivery.confirmed, left=delivery.left,
        missing=delivery.missing, share=delivery.confirmed / delivery.written if delivery.written else None,
        milliseconds=_milliseconds(delivery), sse=delivery.events,
        polls_per_minute=_polls(nodes.values()), final=(delivery.final and not silent) or at + SETTLES < call.moment,
    )  # fmt: skip


def _milliseconds(delivery: Delivery) -> Milliseconds | None:
    if not delivery.confirmed:
        return None
    p50, p99, last = (math.ceil(time) for time in (delivery.within(0.5), delivery.within(0.99), delivery.last))
    return Milliseconds(p50=p50, p99=p99, last=last)


def _polls(nodes: Iterable[Present]) -> int:
    return sum(node.polls_per_minute for node in nodes)


OPERATIONS = (
    Operation("GET", "/api/readers", "Count the readers", "reporter", respond=read_readers, answer=Readers),
    Operation("GET", "/api/receipts/{cursor}", "See what became of an entry at its readers", "reporter",
              respond=read_receipt, answer=ShownReceipt, problems=(NotFound,)),
)  # fmt: skip
