"""The desk's pages: rendered for one editor each, never kept. What changes anything goes through the API."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from live.errors import NotFound
from live.journal import Stores
from live.model import Role, Story, Update, now
from live.web.api.stories import STATUSES, selected, status_of
from live.web.auth import Doorkeeper
from live.web.layout import Layout

LABELS = (
    "Why it matters", "What's happening", "What they're saying", "Worth noting", "What to watch", "Go deeper",
    "The big picture",
)  # fmt: skip
MOST_STORIES = 200
MOST_RECORDS = 200


class Desk:
    """The pages under `/desk`; each sends those who are not signed in to do so first."""

    def __init__(self, doorkeeper: Doorkeeper, stores: Stores, layout: Layout) -> None:
        self._stores = stores
        self._doorkeeper = doorkeeper
        self._layout = layout

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/desk", self.stories, methods=["GET"]),
            Route("/desk/stories/new", self.new_story, methods=["GET"]),
            Route("/desk/stories/{slug}", self.story, methods=["GET"]),
            Route("/desk/stories/{slug}/updates", self.updates, methods=["GET"]),
            Route("/desk/notices", self.notices, methods=["GET"]),
            Route("/desk/audit", self.audit, methods=["GET"]),
            Route("/desk/tokens", self.tokens, methods=["GET"]),
        ]

    async def _page(self, request: Request, template: str, role: Role = "reporter", **context: Any) -> Response:
        signed = await self._doorkeeper.require_page(request, role)
        html = self._layout.page(
            f"desk/{template}.html", **context, identity=signed.identity, csrf=signed.csrf, path=request.url.path
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})

    async def stories(self, request: Request) -> Response:
        """`GET /desk`: the stories, found by words, status and section."""
        query = request.query_params
        words, status, section = (query.get(name, "") for name in ("q", "status", "section"))
        found = selected(await self._stores.state.stories(), words, status, section)[:MOST_STORIES]
        return await self._page(
            request, "stories", stories=[(story, status_of(story)) for story in found], statuses=STATUSES,
            all_sections=await self._stores.state.sections(), words=words, status=status, section=section,
        )  # fmt: skip

    async def new_story(self, request: Request) -> Response:
        """`GET /desk/stories/new`"""
        return await self._page(request, "new-story")

    async def story(self, request: Request) -> Response:
        """`GET /desk/stories/<slug>`: the composer, the story's updates, and its own fields."""
        story, updates = await self._records(request)
        return await self._page(
            request, "story", story=story, status=status_of(story), updates=updates, labels=LABELS,
            record=story.model_dump(mode="json", by_alias=True),
        )  # fmt: skip

    async def updates(self, request: Request) -> Response:
        """`GET /desk/stories/<slug>/updates`: the updates alone, for a page that is open."""
        story, updates = await self._records(request)
        return await self._page(request, "updates", story=story, updates=updates)

    async def _records(self, request: Request) -> tuple[Story, Sequence[tuple[Update, str]]]:
        await self._doorkeeper.require_page(request, "reporter")
        slug = request.path_params["slug"]
        story = await self._stores.state.story(slug)
        if story is None:
            raise NotFound(f"There is no story '{slug}'.")
        return story, [(update, stage_of(update)) for update in await self._stores.state.updates(slug)]

    async def notices(self, request: Request) -> Response:
        """`GET /desk/notices`: the breaking notice, the others, and the promo strip."""
        state = self._stores.state
        return await self._page(
            request, "notices", active=await state.notice(), listed=await state.notices(), strip=await state.promo(),
            stories=[story for story in await state.stories() if story.pub_status == "usable"][:MOST_STORIES],
            now=now(),
        )  # fmt: skip

    async def audit(self, request: Request) -> Response:
        """`GET /desk/audit`: who did what; for admins."""
        await self._doorkeeper.require_page(request, "admin")
        query = request.query_params
        before, who, action = (query.get(name, "")[:100] for name in ("before", "who", "action"))
        if not all(part.isdecimal() for part in before.split("-", 1) if before):
            before = ""
        records = await self._stores.trail.newest(MOST_RECORDS, before, who, action)
        more = len(records) == MOST_RECORDS
        return await self._page(request, "audit", "admin", records=records, who=who, action=action, more=more)

    async def tokens(self, request: Request) -> Response:
        """`GET /desk/tokens`: for admins."""
        await self._doorkeeper.require_page(request, "admin")
        return await self._page(request, "tokens", "admin", tokens=await self._stores.tokens.all())


def stage_of(update: Update) -> str:
    """Where an update is on its way to readers, in one word."""
    if update.retraction is not None:
        return "withdrawn"
    if update.pub_status == "canceled":
        return "deleted"
    if update.pub_status == "usable":
        return "published"
    if update.publish_at is not None:
        return "scheduled"
    return "submitted" if update.submitted else "draft"
