"""The readers' stream: one address over WebSocket and server-sent events (docs/protocol.md)."""

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast, get_args

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from live.errors import BadQuery, Problem, UnknownTopic
from live.fanout import LEND, CloseCode, Connections, Hub, Lender, Reader
from live.fanout.frames import Form, Variant, Wire
from live.model import Cursor
from live.web.auth import require_own_origin
from live.web.headers import RAW_SECURITY_HEADERS
from live.web.problems import problem_json

TOPIC = re.compile(r"front|breaking|(?:section|story)/[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
LONGEST_TOPIC = 100
RETRY = b"retry: 2000\n\n"
"""How many milliseconds an EventSource waits before it connects again."""
READ = {b"host", b"last-event-id", b"origin"}
"""The headers that matter here: looking for three among all would cost as much as the rest of the way in."""
RawHeaders = list[tuple[bytes, bytes]]


class Wish(NamedTuple):
    """What a reader asks of the stream."""

    topics: frozenset[str]
    after: Cursor | None
    form: Form


@lru_cache(maxsize=1024)
def parse_wish(query: bytes, last_event_id: str, max_topics: int) -> Wish:
    """Reads `topics`, `after` and `as`; a browser's Last-Event-ID goes before `after`, since it is newer.

    Kept, since readers who come back all at once ask for the same.

    Raises:
        UnknownTopic, MalformedCursor, BadQuery: the value is not one of those allowed.
    """
    parameters = QueryParams(query)
    topics = parse_topics(parameters.get("topics", "front,breaking"), max_topics)
    form = parameters.get("as", "html")
    if form not in get_args(Form):
        raise BadQuery(f"'as' is 'html' or 'json', not '{form[:20]}'.")
    position = last_event_id or parameters.get("after")
    return Wish(topics, Cursor.parse(position) if position else None, cast(Form, form))


@lru_cache(maxsize=1024)
def parse_topics(text: str, most: int) -> frozenset[str]:
    """The topics of a comma-separated list; readers of one page share one set. Raises UnknownTopic or BadQuery."""
    topics = [topic for topic in text.split(",") if topic]
    for topic in topics:
        if len(topic) > LONGEST_TOPIC or not TOPIC.fullmatch(topic):
            raise UnknownTopic(f"'{topic[:LONGEST_TOPIC]}' is not a topic. {UnknownTopic.__doc__}")
    distinct = frozenset(topics)
    if not 1 <= len(distinct) <= most:
        raise BadQuery(f"Follow between 1 and {most} topics in one stream; these are {len(distinct)}.")
    return distinct


class Stream:
    """The endpoint of the stream, an ASGI application: it authorises a connection and lends it to the hub.

    Args:
        hub: where the readers are.
        connections: says how many may come.
        queue_limit: what may wait for one reader, in bytes.
        max_topics: what one reader may follow.
        origins: other sites whose pages may connect.
    """

    def __init__(
        self, hub: Hub, connections: Connections, *, queue_limit: int, max_topics: int, origins: tuple[str, ...]
    ) -> None:
        self._hub = hub
        self._connections = connections
        self._queue_limit = queue_limit
        self._max_topics = max_topics
        self._origins = origins
        self._joining: set[asyncio.Task[None]] = set()  # the loop keeps no hold on tasks of its own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /stream`: one JSON object a message over WebSocket, else server-sent events (WHATWG HTML, 9.2)."""
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in READ}
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await Response(media_type="text/event-stream")(scope, receive, send)
            return
        try:
            require_own_origin(headers, self._origins)
            wish = parse_wish(scope["query_string"], headers.get("last-event-id", ""), self._max_topics)
            lender: Lender = scope["extensions"][LEND]
            wire: Wire = "sse" if scope["type"] == "http" else "deflated" if lender.deflate else "ws"
            place = self._connections.admit(scope["client"][0] if scope["client"] else "", wire)
        except Problem as problem:
            if scope["type"] == "http":
                raise
            await _deny(problem_json(problem), scope, receive, send)
            return
        reader = Reader(self._hub, self._hub.audience(wish.topics, Variant(wish.form, wire)), self._queue_limit, place)
        if wire == "sse":
            self._admit(lender, reader, wish, RETRY, [*RAW_SECURITY_HEADERS, *_cross_origin(headers)])
        else:
            self._admit(lender, reader, wish, b"", [])

    def _admit(self, lender: Lender, reader: Reader, wish: Wish, greeting: bytes, headers: RawHeaders) -> None:
        first = self._hub.first_of(reader, wish.after)
        lender.lend(reader, greeting + (first or b""), headers)
        if first is not None:
            self._hub.register(reader)
            return
        task = asyncio.create_task(self._join(reader, wish.after))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, reader: Reader, after: Cursor | None) -> None:
        try:
            await self._hub.join(reader, after)
        except Problem:
            reader.close(CloseCode.TRY_AGAIN_LATER)


def _cross_origin(headers: Mapping[str, str]) -> RawHeaders:
    """Lets the page of an allowed origin read the events."""
    origin = headers.get("origin")
    if origin is None:
        return []
    return [(b"Access-Control-Allow-Origin", origin.encode("latin-1")), (b"Vary", b"Origin")]


async def _deny(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a WebSocket handshake with a problem."""
    await WebSocket(scope, receive, send).send_denial_response(response)
