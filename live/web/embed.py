"""A story in other sites' pages: the script, the content of its custom element, and the page for a frame."""

import json
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from live.errors import Problem
from live.journal import Journal, State
from live.model import Story
from live.web.cache import Cache, KeptAnswers, Rendered, answer, rendered
from live.web.headers import POLICY, SECURITY_HEADERS
from live.web.layout import Layout
from live.web.pages import public_story
from live.web.problems import problem_json

SCRIPT_KEPT = "public, max-age=300"
"""So long a site goes on with the modules of the version before."""


class Embed:
    """The endpoints `page`, `content` and `script`.

    Args:
        journal, state: what is published.
        layout: renders the page.
        cache: keeps the answers.
        origins: sites whose pages may show stories; '*' stands for all.
    """

    def __init__(self, journal: Journal, state: State, layout: Layout, cache: Cache, origins: tuple[str, ...]) -> None:
        self._journal = journal
        self._state = state
        self._layout = layout
        self._frame_headers = framed_by(origins)
        self.page = KeptAnswers(cache, self._render_page)
        self.content = SharedAnswers(cache, self._render_content, origins)
        self.script = KeptAnswers(cache, self._render_script)

    async def _render_page(self, slug: str) -> Rendered:
        """`GET /story/<slug>/embed`: the story as a page that may stand in a frame."""
        html, _, _ = await self._shown(slug, "embed.html")
        topics = frozenset({f"story/{slug}"})
        return rendered(html.encode(), "text/html; charset=utf-8", "no-cache", topics, headers=self._frame_headers)

    async def _render_content(self, slug: str) -> Rendered:
        """`GET /story/<slug>/embed.json`: the story for the custom element."""
        html, story, cursor = await self._shown(slug, "parts/embedded.html")
        content = {
            "cursor": cursor,
            "topics": f"story/{slug}",
            "name": self._layout.site.name,
            "language": story.language,
            "html": html,
        }
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return rendered(body, "application/json", "no-cache", frozenset({f"story/{slug}"}))

    async def _shown(self, slug: str, template: str) -> tuple[str, Story, str]:
        """The story by a template, its record, and the cursor, read first: what follows is at least as new."""
        cursor = str(await self._journal.last())
        story = await public_story(self._state, slug)
        updates = [update for update in await self._state.updates(slug) if update.on_page]
        html = self._layout.page(
            template, cursor=cursor, topics=f"story/{slug}", path=f"/story/{slug}", story=story, lang=story.language,
            title=f"{story.headline} - {self._layout.site.name}",
            pinned=[update for update in updates if update.pinned],
            updates=[update for update in updates if not update.pinned],
        )  # fmt: skip
        return html, story, cursor

    async def _render_script(self) -> Rendered:
        """`GET /embed.js`: a lasting address for a module whose own changes with its content."""
        body = f'import "{self._layout.static("js/embed.js")}";\n'.encode()
        headers = {**SECURITY_HEADERS, "Access-Control-Allow-Origin": "*"}
        return rendered(body, "text/javascript; charset=utf-8", SCRIPT_KEPT, frozenset(), headers=headers)


class SharedAnswers(KeptAnswers):
    """An endpoint of kept answers that pages of some other origins may read (WHATWG Fetch, 3.2)."""

    def __init__(self, cache: Cache, make: Callable[..., Awaitable[Rendered]], origins: tuple[str, ...]) -> None:
        super().__init__(cache, make)
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shared = self._shared_with(Headers(scope=scope).get("origin", ""))
        try:
            page = await self._cache.get(scope["path"], partial(self._make, **scope["path_params"]))
        except Problem as problem:
            response = problem_json(problem)
            response.headers.update(shared)  # so that the other page learns that the story is gone
            await response(scope, receive, send)
            return
        await answer(scope, page, b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in shared.items()))

    def _shared_with(self, origin: str) -> dict[str, str]:
        if "*" in self._origins:
            return {"Access-Control-Allow-Origin": "*"}
        if origin in self._origins:
            return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return {"Vary": "Origin"}


def framed_by(origins: tuple[str, ...]) -> dict[str, str]:
    """The security headers of a page that these origins may frame; X-Frame-Options cannot name them, hence it goes."""
    ancestors = "*" if "*" in origins else " ".join(("'self'", *origins))
    policy = POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {ancestors}")
    others = {name: value for name, value in SECURITY_HEADERS.items() if name != "X-Frame-Options"}
    return {**others, "Content-Security-Policy": policy}
