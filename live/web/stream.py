"""The readers' stream: one address over WebSocket and server-sent events (docs/protocol.md)."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple, cast, get_args

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from live.errors import BadQuery, Problem, UnknownTopic
from live.fanout import Hub, Reader
from live.fanout.frames import Form, Variant, Wire
from live.model import Cursor
from live.web.auth import require_own_origin
from live.web.problems import problem_json

TOPIC = re.compile(r"front|breaking|(?:section|story)/[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
LONGEST_TOPIC = 100
RECEIVE_ONLY = 1008
TRY_AGAIN_LATER = 1013
GONE = 1000
RETRY_MILLIS = 2000
"""What an EventSource waits before it connects again."""


class Wish(NamedTuple):
    """What a reader asks of the stream."""

    topics: frozenset[str]
    after: Cursor | None
    form: Form


def parse_wish(query: QueryParams, headers: Headers, max_topics: int) -> Wish:
    """Reads `topics`, `after` and `as`; a browser's Last-Event-ID goes before `after`, since it is newer.

    Raises:
        UnknownTopic, MalformedCursor, BadQuery: the value is not one of those allowed.
    """
    topics = [topic for topic in query.get("topics", "front,breaking").split(",") if topic]
    for topic in topics:
        if len(topic) > LONGEST_TOPIC or not TOPIC.fullmatch(topic):
            raise UnknownTopic(f"'{topic[:LONGEST_TOPIC]}' is not a topic. {UnknownTopic.__doc__}")
    if not 1 <= len(topics) <= max_topics:
        raise BadQuery(f"Follow between 1 and {max_topics} topics in one stream; these are {len(topics)}.")
    form = query.get("as", "html")
    if form not in get_args(Form):
        raise BadQuery(f"'as' is 'html' or 'json', not '{form[:20]}'.")
    position = headers.get("last-event-id") or query.get("after")
    return Wish(frozenset(topics), Cursor.parse(position) if position else None, cast(Form, form))


class Stream:
    """The endpoints of the stream.

    Args:
        hub: where the readers are.
        queue_limit: what may wait for one reader, in characters.
        max_topics: what one reader may follow.
        origins: other sites whose pages may connect.
    """

    def __init__(self, hub: Hub, *, queue_limit: int, max_topics: int, origins: tuple[str, ...]) -> None:
        self._hub = hub
        self._queue_limit = queue_limit
        self._max_topics = max_topics
        self._origins = origins

    async def websocket(self, socket: WebSocket) -> None:
        """`GET /stream` with an upgrade: one JSON object a message; the socket is receive-only."""
        try:
            wish = self._admit(socket.query_params, socket.headers)
        except Problem as problem:
            await socket.send_denial_response(problem_json(problem))
            return
        await socket.accept()
        async with self._joined(wish, "ws") as reader:
            listener = asyncio.create_task(_refuse_input(socket, reader))
            try:
                async for message in reader.messages():
                    await socket.send_text(message)
            except WebSocketDisconnect:
                return
            finally:
                listener.cancel()
        if reader.close_code != GONE:
            await socket.close(reader.close_code or TRY_AGAIN_LATER)

    async def events(self, request: Request) -> Response:
        """`GET /stream` otherwise: server-sent events (WHATWG HTML, 9.2)."""
        wish = self._admit(request.query_params, request.headers)
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        if (origin := request.headers.get("origin")) is not None:
            headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return StreamingResponse(self._event_lines(wish), headers=headers, media_type="text/event-stream")

    async def _event_lines(self, wish: Wish) -> AsyncIterator[str]:
        yield f"retry: {RETRY_MILLIS}\n\n"
        async with self._joined(wish, "sse") as reader:
            async for message in reader.messages():
                yield message

    def _admit(self, query: QueryParams, headers: Headers) -> Wish:
        require_own_origin(headers, self._origins)
        return parse_wish(query, headers, self._max_topics)

    @asynccontextmanager
    async def _joined(self, wish: Wish, wire: Wire) -> AsyncIterator[Reader]:
        """A reader that joins the hub while its messages are already being written, and leaves it at the end."""
        reader = Reader(wish.topics, Variant(wish.form, wire), self._queue_limit)
        joining = asyncio.create_task(self._join(reader, wish.after))
        try:
            yield reader
        finally:
            joining.cancel()
            self._hub.leave(reader)

    async def _join(self, reader: Reader, after: Cursor | None) -> None:
        try:
            await self._hub.join(reader, after)
        except Problem:
            reader.close(TRY_AGAIN_LATER)


async def _refuse_input(socket: WebSocket, reader: Reader) -> None:
    """Ends the stream when the other side goes, or says anything."""
    message = await socket.receive()
    reader.close(GONE if message["type"] == "websocket.disconnect" else RECEIVE_ONLY)
