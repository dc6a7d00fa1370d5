"""Long stories, a page of updates at a time: where a page begins, and what is on it."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from live.errors import BadQuery, NotFound
from live.model import Update
from live.web.cache import KeptAnswers, answer

AT_ONCE = 50
"""Updates on a page of a story, pinned ones aside."""
UPDATE_ID = re.compile(r"[0-9a-z]{16}", re.ASCII)


class Start(NamedTuple):
    """Where a page of a story's updates begins: with the one after an update (`before` it in time), or at it."""

    at: Literal["before", "from"]
    update: str


class Part(NamedTuple):
    """Some of a story's updates, newest first; `older` is the last of them if there are more, else ''."""

    updates: list[Update]
    older: str


def start_of(query: bytes) -> Start | None:
    """The start that `before` or `from` in a query names; None for the newest updates. Raises BadQuery."""
    if b"before=" not in query and b"from=" not in query:
        return None
    parameters = QueryParams(query)
    names: tuple[Literal["before", "from"], ...] = ("before", "from")
    given = [Start(name, parameters[name]) for name in names if name in parameters]
    if len(given) != 1 or not UPDATE_ID.fullmatch(given[0].update):
        raise BadQuery("Name one update, by its ID: before=<id> for those older than it, from=<id> to begin with it.")
    return given[0]


def part_of(updates: Sequence[Update], start: Start | None) -> Part:
    """The part of a story's updates (newest first) that begins there; pinned updates are in none.

    Raises:
        NotFound: the story has no such update.
    """
    listed = [update for update in updates if not update.pinned]
    first = _position(updates, listed, start) if start else 0
    shown = listed[first : first + AT_ONCE]
    return Part(shown, shown[-1].id if len(listed) > first + AT_ONCE else "")


def _position(updates: Sequence[Update], listed: Sequence[Update], start: Start) -> int:
    named = next((update for update in updates if update.id == start.update), None)
    if named is None:
        raise NotFound(f"The story has no update '{start.update}'.")
    place = (named.first_created, named.id)
    newer = sum((update.first_created, update.id) > place for update in listed)
    return newer + (start.at == "before" and not named.pinned)


class PagedAnswers(KeptAnswers):
    """An endpoint of kept answers about a story, made by `make(slug=…, start=…)`: one for each start asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = start_of(scope["query_string"])
        address = f"{scope['path']}?{start.at}={start.update}" if start else scope["path"]
        make = partial(self._make, **scope["path_params"], start=start)
        await answer(scope, await self._cache.get(address, make))
