"""The stream for readers who can hold no connection: a short answer that caches may keep (docs/protocol.md)."""

import json

from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from live.errors import BadQuery
from live.fanout import Hub
from live.fanout.frames import Form
from live.web.cache import Cache, Rendered, answer, rendered
from live.web.stream import parse_wish

RECENT = 50
"""Entries that one answer holds."""
FRESH = "public, max-age=2"
"""So often, in seconds, a cache asks for a new answer."""


class Poll:
    """The endpoint, an ASGI application: `GET /poll.json?topics=...&as=...`, the same bytes for everybody who follows
    these topics."""

    def __init__(self, hub: Hub, cache: Cache, max_topics: int) -> None:
        self._hub = hub
        self._cache = cache
        self._max_topics = max_topics
        self.asked = 0
        """How often it was asked so far."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers from memory. Raises UnknownTopic or BadQuery."""
        self.asked += 1
        if "after" in QueryParams(scope["query_string"]):
            raise BadQuery("A poll takes no 'after': all get the same answer; pick what is new to you by its id.")
        wish = parse_wish(scope["query_string"], "", self._max_topics)
        address = f"/poll.json {wish.form} {','.join(sorted(wish.topics))}"

        async def make() -> Rendered:
            return self._make(wish.topics, wish.form)

        await answer(scope, await self._cache.get(address, make))

    def _make(self, topics: frozenset[str], form: Form) -> Rendered:
        floor, cursor, messages = self._hub.recent(topics, form, RECENT)
        content = {"from": str(floor), "id": str(cursor), "messages": messages}
        body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        return rendered(body, "application/json", FRESH, topics)
