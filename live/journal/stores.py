"""Everything that a site keeps in Redis, in one hand."""

from typing import NamedTuple

from redis.asyncio import Redis

from live.journal.editing import Editing
from live.journal.keys import Keys
from live.journal.log import Journal
from live.journal.presence import Presence
from live.journal.schedule import Schedule
from live.journal.state import State
from live.journal.tokens import Tokens
from live.journal.trail import Trail


class Stores(NamedTuple):
    """The stores of one site."""

    journal: Journal
    state: State
    schedule: Schedule
    tokens: Tokens
    trail: Trail
    editing: Editing
    presence: Presence

    @classmethod
    def of(cls, client: Redis, keys: Keys, *, retention: int) -> "Stores":
        """The stores of the site with these keys; `retention` is how many entries its log keeps."""
        journal, state = Journal(client, keys, retention=retention), State(client, keys)
        schedule = Schedule(client, keys, journal, state)
        return cls(
            journal, state, schedule, Tokens(client, keys), Trail(client, keys), Editing(client, keys),
            Presence(client, keys),
        )  # fmt: skip
