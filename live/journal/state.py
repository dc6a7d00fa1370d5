"""What the site is now, read without replaying the log."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import NOTICES, SECTIONS, SITE, STORIES, Keys, index_of, updates_of
from live.model import Card, ListedNotice, Notice, Promo, Story, Update


class State:
    """Reads of one site's records. Every method raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def story(self, slug: str) -> Story | None:
        """The story, published or not."""
        with reaching():
            record = await self._client.hget(self._keys.of(STORIES), slug)
        return _story(str(record)) if record else None

    async def update(self, slug: str, update_id: str) -> Update | None:
        """One update of a story, published or not."""
        with reaching():
            record = await self._client.hget(self._keys.of(updates_of(slug)), update_id)
        return Update.model_validate_json(record) if record else None

    async def updates(self, slug: str) -> list[Update]:
        """All updates of a story, newest first."""
        with reaching():
            records = await self._client.hvals(self._keys.of(updates_of(slug)))
        updates = map(_update, records)
        return sorted(updates, key=lambda update: (update.first_created, update.id), reverse=True)

    async def stories(self) -> list[Story]:
        """All stories, published or not, the one changed last first."""
        with reaching():
            records = await self._client.hvals(self._keys.of(STORIES))
        stories = [Story.model_validate_json(record) for record in records]
        return sorted(stories, key=lambda story: story.version_created, reverse=True)

    async def cards(self, topic: str, limit: int) -> list[Card]:
        """The public stories of a topic (`front`, `section/<name>`), the last active first."""
        with reaching():
            indexed: Any = await self._client.zrange(
                self._keys.of(index_of(topic)), 0, limit - 1, desc=True, withscores=True
            )
            if not indexed:
                return []
            records: Any = await self._client.hmget(self._keys.of(STORIES), [slug for slug, _ in indexed])
        return list(self._as_cards(records, [float(score) for _, score in indexed]))

    def _as_cards(self, records: Iterable[str | None], scores: Iterable[float]) -> Iterable[Card]:
        for record, score in zip(records, scores, strict=True):
            story = Story.model_validate_json(record) if record else None
            if story and story.pub_status == "usable":  # it may have been withdrawn between the two reads
                yield story.card(datetime.fromtimestamp(score / 1000, UTC))

    async def sections(self) -> list[str]:
        """Names of the sections that hold public stories, in alphabetical order."""
        with reaching():
            names: Any = await self._client.hgetall(self._keys.of(SECTIONS))
            if not names:
                return []
            async with self._client.pipeline(transaction=False) as pipe:
                for slug in names:
                    pipe.exists(self._keys.of(index_of(f"section/{slug}")))
                held = await pipe.execute()
        return sorted(name for name, some in zip(names.values(), held, strict=True) if some)

    async def notice(self) -> Notice | None:
        """The breaking notice that was put up last and not cleared; it may have expired."""
        record = await self._of_site("notice")
        return Notice.model_validate_json(record) if record else None

    async def notices(self) -> list[ListedNotice]:
        """The notices that are not in force, the last made first."""
        with reaching():
            records = await self._client.hvals(self._keys.of(NOTICES))
        notices = [ListedNotice.model_validate_json(record) for record in records]
        return sorted(notices, key=lambda notice: (notice.first_created, notice.id), reverse=True)

    async def promo(self) -> Promo | None:
        """The promo strip."""
        record = await self._of_site("promo")
        return Promo.model_validate_json(record) if record else None

    async def _of_site(self, name: str) -> str | None:
        with reaching():
            record: Any = await self._client.hget(self._keys.of(SITE), name)
        return str(record) if record else None

    async def is_empty(self) -> bool:
        """Whether no story was ever created."""
        with reaching():
            return not await self._client.exists(self._keys.of(STORIES))


@lru_cache(maxsize=256)
def _story(record: str) -> Story:
    """A story from its record; kept, since each update of a story reads it and none changes it."""
    return Story.model_validate_json(record)


@lru_cache(maxsize=4096)
def _update(record: str) -> Update:
    """An update from its record; kept, since a story's page is rendered of all its updates after each of them."""
    return Update.model_validate_json(record)
