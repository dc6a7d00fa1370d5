"""What programs list: the public stories with their text, which were active when, and which were withdrawn."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import STORIES, WITHDRAWN, Keys, index_of
from live.model import Cursor, Story, millis


class Withdrawal(NamedTuple):
    """A story that readers had, and when it was taken from them."""

    slug: str
    at: datetime


class Catalogue:
    """Reads of one site's lists. Every method raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def stories(self, topic: str, limit: int, since: datetime | None = None) -> list[Story]:
        """The public stories of a topic (`front`, `section/<name>`), the last active first, with no internal field.

        With `since` only those active from then on.
        """
        active = await self.activity(topic, limit, since)
        if not active:
            return []
        with reaching():
            records: Any = await self._client.hmget(self._keys.of(STORIES), [slug for slug, _ in active])
        stories = [Story.model_validate_json(record) for record in records if record]
        return [story.for_readers() for story in stories if story.pub_status == "usable"]

    async def activity(self, topic: str, limit: int, since: datetime | None = None) -> list[tuple[str, datetime]]:
        """The slugs of a topic's public stories, each with its last activity, the last active first."""
        with reaching():
            indexed: Any = await self._client.zrange(
                self._keys.of(index_of(topic)), "+inf", millis(since) if since else "-inf", desc=True, byscore=True,
                offset=0, num=limit, withscores=True,
            )  # fmt: skip
        return [(slug, datetime.fromtimestamp(float(score) / 1000, UTC)) for slug, score in indexed]

    async def withdrawn(self, limit: int) -> list[Withdrawal]:
        """The stories that were public and no longer are, the last withdrawn first."""
        with reaching():
            noted: Any = await self._client.hgetall(self._keys.of(WITHDRAWN))
            slugs = [what for what in noted if "/" not in what]
            if not slugs:
                return []
            records: Any = await self._client.hmget(self._keys.of(STORIES), slugs)
        gone = [
            Withdrawal(slug, datetime.fromtimestamp(Cursor.parse(noted[slug]).millis / 1000, UTC))
            for slug, record in zip(slugs, records, strict=True)
            if record is None or Story.model_validate_json(record).pub_status != "usable"
        ]
        return sorted(gone, key=lambda withdrawal: withdrawal.at, reverse=True)[:limit]
