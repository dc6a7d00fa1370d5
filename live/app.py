"""The application: one node behind its routes, from start to end.

With `node` and `routes` it is the composition root: only these know all the others.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from live.errors import Problem, SettingsError, SignInFirst
from live.fanout import CONNECTIONS, Connections
from live.journal.connection import connect, require_usable, waits_for_disk
from live.node import Node
from live.routes import routes
from live.settings import Settings
from live.web.headers import EveryAnswer
from live.web.layout import Layout
from live.web.problems import as_problem, problem_json, problem_page, wants_page
from live.web.request_ids import RequestIDs
from live.web.sign_in import send_to_sign_in

ENDING_SECONDS, ENDING_TRIES = 2.0, 4
"""How long what runs in the background may take to end, and how often it is asked to."""
COLLECTED_AFTER = 10_000
"""Objects that come beyond those that go before the youngest are looked through for garbage; Python's own is 700."""
log = logging.getLogger("live")


def create(settings: Settings | None = None) -> ASGIApp:
    """The ASGI application of one server process."""
    settings = settings or Settings.read()
    if settings.redis_url is None:
        raise SettingsError("LIVE_REDIS_URL is not set; 'live serve' sets it to the embedded server's.")
    client = connect(settings.redis_url, settings.site)
    node = Node(settings, client)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Connections]]:
        assert settings.redis_url is not None
        await require_usable(client, settings.redis_url)
        node.journal.waits_for_disk = await waits_for_disk(client, settings.durability)
        node.journal.waits_for_replica = settings.durability == "replica"
        await node.start()
        tasks = [asyncio.create_task(watched(work, name)) for name, work in node.tasks()]
        departure = asyncio.create_task(node.depart())
        spare_the_collector()
        try:
            yield {CONNECTIONS: node.connections}
        finally:
            node.connections.stopping.set()  # it is already, unless no connection was there to tell of it
            await departure
            await ended(tasks)
            with suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    await client.aclose()

    app = Starlette(
        routes=routes(node),
        lifespan=lifespan,
        exception_handlers={
            **dict.fromkeys((Problem, HTTPException, Exception), partial(answer_error, node.layout)),
            SignInFirst: send_to_sign_in,
        },
    )
    return EveryAnswer(logging_errors(app), node.connections.answered, RequestIDs(node.proxies))


def spare_the_collector() -> None:
    """Has the garbage collector pass over all that is here already, and look at what is new less often: readers who
    come all at once are no garbage, and going through them again and again took a tenth of each one's handshake."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)


def logging_errors(app: ASGIApp) -> ASGIApp:
    """Logs an unforeseen error, which was answered with status 500; the connection lives on."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except ClientDisconnect:
            log.info("the client left before its request was here: %s %s", scope["method"], scope["path"])
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


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Ends tasks, but waits for none for longer than it may take; a client library may swallow a cancellation."""
    for _ in range(ENDING_TRIES):
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=ENDING_SECONDS / ENDING_TRIES)
        if not left:
            return
    log.warning("%d tasks did not end in time", len(left))


async def answer_error(layout: Layout, connection: HTTPConnection, error: Exception) -> Response:
    """Any error as problem details, or as a page for a person."""
    problem = as_problem(error)
    as_page = isinstance(connection, Request) and wants_page(connection)
    response = problem_page(problem, layout) if as_page else problem_json(problem)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})  # Allow, with a 405
    return response
