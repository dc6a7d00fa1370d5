"""The composition root: the only module that knows all the others.

Writers know the journal, readers the hub; here the hub is fed from the journal.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from itertools import cycle

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from live import model
from live.errors import Problem, SettingsError
from live.fanout import CloseCode, Hub
from live.journal import Journal, Keys, Rewound, State
from live.journal.connection import connect, require_usable, waits_for_disk
from live.journal.tokens import Tokens
from live.settings import Settings
from live.web.api import OPERATIONS
from live.web.cache import Cache
from live.web.headers import SecurityHeaders
from live.web.layout import LastingFiles, Layout, Site
from live.web.openapi import document
from live.web.operations import Operation, Operator
from live.web.pages import Pages
from live.web.poll import Poll
from live.web.problems import as_problem, problem_json, problem_page, wants_page
from live.web.stream import Stream

log = logging.getLogger("live")
TICK_SHARES = 10


class Node:
    """One server process: its parts, made from the settings, and its two background tasks."""

    def __init__(self, settings: Settings, client: Redis) -> None:
        keys = Keys(settings.site)
        self.settings = settings
        self.client = client
        self.journal = Journal(client, keys, retention=settings.retention)
        self.state = State(client, keys)
        self.hub = Hub(self.journal.since, model.now, settings.ring)
        self.layout = Layout(Site(settings.site_name, settings.language))
        self.cache = Cache()
        self.pages = Pages(self.journal, self.state, self.layout, self.cache)
        self.poll = Poll(self.hub, self.cache, settings.max_topics)
        self.operator = Operator(self.journal, self.state, Tokens(client, keys), settings.max_body_bytes)
        self.stream = Stream(
            self.hub, queue_limit=settings.reader_queue_bytes, max_topics=settings.max_topics,
            origins=settings.allowed_origins,
        )  # fmt: skip

    async def start(self) -> None:
        """Brings the hub to the end of the log."""
        notice = await self.state.notice()
        floor, entries = await self.journal.tail(self.settings.ring)
        self.hub.start(floor, entries, notice)

    async def feed(self) -> None:
        """Hands every entry of the journal to the hub, for ever."""
        async for item in self.journal.follow(self.hub.position):
            if isinstance(item, Rewound):
                self.cache.clear()
                self.hub.rewind(item.cursor, await self.state.notice())
            else:
                self._publish(item)

    def _publish(self, entry: model.Entry) -> None:
        frames = self.hub.publish(entry)
        match entry.event:
            case model.UpdateRetracted() | model.StoryWithdrawn():
                self.cache.drop(frames.topics)
            case _:
                self.cache.invalidate(frames.topics)

    async def tick(self) -> None:
        """Sends the heartbeat, for ever: to a share of the readers at a time, spread over its interval."""
        for share in cycle(range(TICK_SHARES)):
            await asyncio.sleep(self.settings.tick_seconds / TICK_SHARES)
            self.hub.tick(share, TICK_SHARES)


def create(settings: Settings | None = None) -> ASGIApp:
    """The ASGI application of one server process."""
    settings = settings or Settings.read()
    if settings.redis_url is None:
        raise SettingsError("LIVE_REDIS_URL is not set; 'live serve' sets it to the embedded server's.")
    client = connect(settings.redis_url)
    node = Node(settings, client)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        assert settings.redis_url is not None
        await require_usable(client, settings.redis_url)
        node.journal.waits_for_disk = await waits_for_disk(client, settings.durability)
        await node.start()
        tasks = [
            asyncio.create_task(watched(work, name))
            for name, work in (("feed", node.feed), ("tick", node.tick), ("warm", node.pages.warm))
        ]
        try:
            yield
        finally:
            node.hub.close_all(CloseCode.RESTART)
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await client.aclose()

    app = Starlette(
        routes=routes(node),
        lifespan=lifespan,
        exception_handlers=dict.fromkeys((Problem, HTTPException, Exception), partial(answer_error, node.layout)),
    )
    return SecurityHeaders(logging_errors(app))


def logging_errors(app: ASGIApp) -> ASGIApp:
    """Logs an unforeseen error, which was answered with status 500; the connection lives on."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
            log.exception("unforeseen error at %s %s", scope["method"], scope["path"])

    return logged


async def watched(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Runs a background task; if it ever fails, says so and starts it again."""
    while True:
        try:
            await work()
            return
        except Exception:
            log.exception("the task '%s' failed and starts again", name)
            await asyncio.sleep(1)


def routes(node: Node) -> list[BaseRoute]:
    """Every address of the server."""
    return [
        WebSocketRoute("/stream", node.stream),  # first: it is asked for most
        Route("/stream", node.stream, methods=["GET"]),
        Route("/story/{slug}", node.pages.story, methods=["GET"]),
        Route("/", node.pages.front, methods=["GET"]),
        Route("/section/{slug}", node.pages.section, methods=["GET"]),
        Route("/poll.json", node.poll, methods=["GET"]),
        *api_routes(node.operator),
        Mount("/static/{digest}", LastingFiles(node.layout)),
        Route("/livez", alive),
    ]


def api_routes(operator: Operator) -> list[BaseRoute]:
    """A route for each address of the API, which tells the methods it takes."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        Route("/api/openapi.json", describe),
        *(
            Route(path, partial(perform, operator, by_method), methods=list(by_method))
            for path, by_method in by_path.items()
        ),
    ]


async def perform(operator: Operator, by_method: dict[str, Operation], request: Request) -> Response:
    """Carries out the operation that this method means at this address."""
    method = "GET" if request.method == "HEAD" else request.method
    return await operator.perform(by_method[method], request)


@cache
def description() -> bytes:
    """The OpenAPI document as bytes."""
    return json.dumps(document(OPERATIONS)).encode()


async def describe(_: Request) -> Response:
    """`GET /api/openapi.json`"""
    return Response(description(), media_type="application/json")


async def alive(_: Request) -> Response:
    """`GET /livez`: the process answers."""
    return PlainTextResponse("alive\n")


async def answer_error(layout: Layout, connection: HTTPConnection, error: Exception) -> Response:
    """Any error as problem details, or as a page for a person."""
    problem = as_problem(error)
    as_page = isinstance(connection, Request) and wants_page(connection)
    response = problem_page(problem, layout) if as_page else problem_json(problem)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})  # Allow, with a 405
    return response
