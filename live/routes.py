"""Every address of the server, and who answers there."""

import json
import time
from functools import cache, partial

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from live.errors import Unavailable
from live.node import Node
from live.web.api import OPERATIONS
from live.web.feeds import FEED_FORMS
from live.web.layout import LastingFiles
from live.web.openapi import document
from live.web.operations import Operation, Operator

ABREAST_SECONDS = 4.0
"""A node that has not known for so long that it has everything is not ready; with the look every second, within 5 s."""


def routes(node: Node) -> list[BaseRoute]:
    """Every address of the server."""
    return [
        WebSocketRoute("/stream", node.stream),  # first: it is asked for most
        Route("/stream", node.stream, methods=["GET"]),
        Route("/story/{slug}", node.pages.story, methods=["GET"]),
        Route("/story/{slug}/older", node.pages.older, methods=["GET"]),
        Route("/", node.pages.front, methods=["GET"]),
        Route("/section/{slug}", node.pages.section, methods=["GET"]),
        Route("/poll.json", node.poll, methods=["GET"]),
        *found_routes(node),
        *api_routes(node.operator),
        *node.sign_in.routes(),
        *node.desk.routes(),
        Route("/desk/events", node.desk_events.endpoint, methods=["GET"]),
        Mount("/static/{digest}", LastingFiles(node.layout)),
        Route("/livez", alive),
        Route("/metrics", node.metrics.endpoint, methods=["GET"]),
        Route("/readyz", partial(ready, node)),
    ]


def found_routes(node: Node) -> list[BaseRoute]:
    """What makes the site found and shown elsewhere: feeds, sitemaps, embeds."""
    feeds = node.feeds
    lists = (
        ("/feed", feeds.site_feed),
        ("/section/{slug}/feed", feeds.section_feed),
        ("/story/{slug}/feed", feeds.story_feed),
    )
    endpoints: dict[str, ASGIApp] = {
        **{f"{path}.{form.suffix}": feeds.answers(make, form) for path, make in lists for form in FEED_FORMS},
        "/sitemap.xml": feeds.sitemap,
        "/news-sitemap.xml": feeds.news_sitemap,
        "/robots.txt": feeds.robots,
        "/story/{slug}/embed": node.embed.page,
        "/story/{slug}/embed.json": node.embed.content,
        "/embed.js": node.embed.script,
        "/oembed": node.oembed,
    }
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]


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


async def ready(node: Node, _: Request) -> Response:
    """`GET /readyz`: whether what readers get here is all there is. Raises Unavailable while it may not be."""
    behind = time.monotonic() - node.journal.abreast_at
    if behind > ABREAST_SECONDS:
        raise Unavailable("This node does not hear the journal just now; its readers get news late.")
    return PlainTextResponse("ready\n")
