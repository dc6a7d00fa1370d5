"""Who has which record open for editing: a courtesy between editors, not a lock. A stale save is refused anyway."""

from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import Keys
from live.model import Frozen, Identity, Line, Moment, millis, now

LASTS = timedelta(seconds=25)


class Editor(Frozen):
    """Somebody who has a record open, and since when."""

    id: str
    name: Line
    since: Moment


class Editing:
    """Who edits what on one site. Every method raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def enter(self, target: str, identity: Identity) -> list[Editor]:
        """Says that somebody edits the record, for the next 25 seconds; returns the others who do."""
        key, moment = self._keys.editing(target), now()
        with reaching():
            mine = await self._client.hget(key, identity.id)
            since = Editor.model_validate_json(str(mine).partition(" ")[2]).since if mine else moment
            me = Editor(id=identity.id, name=identity.name, since=since)
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hset(key, identity.id, f"{millis(moment + LASTS)} {me.model_dump_json(by_alias=True)}")
                pipe.expire(key, LASTS)
                pipe.hvals(key)
                *_, everybody = await pipe.execute()
        return [editor for editor in _present(everybody, millis(moment)) if editor.id != identity.id]

    async def leave(self, target: str, identity: Identity) -> None:
        """Says that somebody is done with the record."""
        with reaching():
            await self._client.hdel(self._keys.editing(target), identity.id)


def _present(values: Any, moment: int) -> list[Editor]:
    """Those whose word still holds."""
    parts = (value.partition(" ") for value in values)
    return [Editor.model_validate_json(text) for until, _, text in parts if int(until) > moment]
