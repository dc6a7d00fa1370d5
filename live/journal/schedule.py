"""Publishing what is due: on time, once, whichever process is alive.

Every process looks for what is due. The first one's change goes through; the others', with the same receipt, do
nothing. What was due while no process ran goes out as soon as one does.
"""

import asyncio
import hashlib
import logging
from contextlib import suppress
from datetime import datetime

from redis.asyncio import Redis

from live.errors import StaleVersion, Unavailable
from live.journal import changes
from live.journal.changes import Change
from live.journal.connection import reaching
from live.journal.keys import DUE, Keys
from live.journal.log import Journal, Receipt
from live.journal.state import State
from live.model import CLOCK, Story, Update, millis, now

LOOK_SECONDS = 0.5
AT_ONCE = 100
log = logging.getLogger("live.journal")


class Schedule:
    """What is to go out on one site."""

    def __init__(self, client: Redis, keys: Keys, journal: Journal, state: State) -> None:
        self._client = client
        self._due = keys.of(DUE)
        self._journal = journal
        self._state = state

    async def run(self) -> None:
        """Publishes whatever is due, for ever."""
        while True:
            with suppress(Unavailable):  # the journal says so elsewhere; what is due stays due
                await self.release(now())
            await asyncio.sleep(LOOK_SECONDS)

    async def release(self, moment: datetime) -> None:
        """Publishes what is due at that moment."""
        with reaching():
            members = await self._client.zrangebyscore(self._due, "-inf", millis(moment), start=0, num=AT_ONCE)
        for member in members:
            try:
                await self._release(str(member), moment)
            except StaleVersion:
                continue  # an editor changed it this moment: the next look sees the new version
            except Unavailable:
                raise
            except Exception:
                log.exception("what was due could not be published: %s", member)

    async def _release(self, member: str, moment: datetime) -> None:
        slug, _, update_id = member.partition("/")
        story = await self._state.story(slug)
        update = await self._state.update(slug, update_id) if story and update_id else None
        record = update if update_id else story
        if story is None or record is None or record.publish_at is None:
            with reaching():
                await self._client.zrem(self._due, member)
        elif record.publish_at <= moment:
            await self._journal.append(_change(story, record, moment), _receipt(member, record), CLOCK)


def _change(story: Story, record: Story | Update, moment: datetime) -> Change:
    if isinstance(record, Update):
        return changes.release_update(story, record, moment)
    return changes.release_story(record, moment)


def _receipt(member: str, record: Story | Update) -> Receipt:
    """The same from every process, so that it happens once."""
    name = hashlib.sha256(f"due\0{member}\0{record.version}".encode()).hexdigest()[:40]
    return Receipt(name, "due")
