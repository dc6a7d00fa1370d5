"""Sessions of people at the desk: begun, recognised, listed, ended. Only a hash of each one's secret is stored."""

from datetime import timedelta
from typing import NamedTuple

from redis.asyncio import Redis

from live.journal.attempts import Attempts
from live.journal.connection import reaching
from live.journal.keys import SESSIONS, Keys
from live.journal.one_time import OneTime
from live.journal.secret import digest, is_secret, new_secret
from live.journal.tokens import Token, Tokens
from live.model import Frozen, Identity, Line, Moment, Role, millis, now

LONGEST = timedelta(days=7)
"""How long a session lasts at most, however busy: what a provider said of somebody does not hold for ever."""
LINK_LASTS = timedelta(minutes=15)
PENDING_LASTS = timedelta(minutes=10)


class Session(Frozen):
    """A session as stored. `id` names it in lists and opens nothing.

    `token` is the ID of the token that it rests on, None when a provider vouched for the person.
    """

    id: str
    person: str
    name: Line
    role: Role
    token: str | None = None
    address: str = ""
    created: Moment

    def identity(self, address: str) -> Identity:
        """The person, who now comes from this address."""
        return Identity(self.person, self.name, self.role, "desk", address)


class Sessions:
    """The sessions of one site. Every method raises Unavailable when the server cannot be reached.

    Args:
        tokens: the site's; a session that rests on one ends when that is revoked.
        idle: how long after the last request a session ends.
    """

    def __init__(self, client: Redis, keys: Keys, tokens: Tokens, idle: timedelta) -> None:
        self._client = client
        self._keys = keys
        self._index = keys.of(SESSIONS)
        self._tokens = tokens
        self._idle = idle

    async def begin(self, identity: Identity, token: str | None) -> str:
        """A new session of somebody who has shown who they are; returns its secret, which is nowhere kept."""
        secret = new_secret()
        hashed = digest(secret)
        session = Session(
            id=hashed[:16], person=identity.id, name=identity.name, role=identity.role, token=token,
            address=identity.address, created=now(),
        )  # fmt: skip
        with reaching():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.set(self._keys.session(hashed), session.model_dump_json(by_alias=True), px=self._idle)
                pipe.zadd(self._index, {hashed: millis(now() + self._idle)})
                pipe.zremrangebyscore(self._index, "-inf", millis(now()))
                await pipe.execute()
        return secret

    async def recognise(self, secret: str) -> Session | None:
        """The session with this secret, unless it is unknown or over; lasts longer from now on."""
        if not is_secret(secret):
            return None
        hashed = digest(secret)
        key = self._keys.session(hashed)
        with reaching():
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.get(key)
                pipe.pttl(key)
                record, left = await pipe.execute()
        session = await self._current(Session.model_validate_json(record)) if record else None
        if record and session is None:
            await self._end(hashed)
        elif session and left < 0.9 * millis_of(self._idle):  # not at each request: it is a write
            await self._prolong(hashed)
        return session

    async def _current(self, session: Session) -> Session | None:
        """The session as what it rests on stands now."""
        if now() - session.created > LONGEST:
            return None
        if session.token is None:
            return session
        token = await self._tokens.in_force(session.token)
        return session.model_copy(update={"name": token.name, "role": token.role}) if token else None

    async def _prolong(self, hashed: str) -> None:
        with reaching():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.pexpire(self._keys.session(hashed), self._idle)
                pipe.zadd(self._index, {hashed: millis(now() + self._idle)}, xx=True)
                await pipe.execute()

    async def all(self) -> list[Session]:
        """The sessions that are open, the newest first."""
        hashes = await self._open()
        if not hashes:
            return []
        with reaching():
            records = await self._client.mget([self._keys.session(hashed) for hashed in hashes])
        found = [await self._current(Session.model_validate_json(record)) for record in records if record]
        return sorted((session for session in found if session), key=lambda session: session.created, reverse=True)

    async def end(self, secret: str) -> None:
        """Ends the session with this secret, if there is one."""
        if is_secret(secret):
            await self._end(digest(secret))

    async def end_by_id(self, session_id: str) -> bool:
        """Ends the session with this ID; whether there was one."""
        for hashed in await self._open():
            if hashed[:16] == session_id:
                return await self._end(hashed)
        return False

    async def _open(self) -> list[str]:
        with reaching():
            return [str(hashed) for hashed in await self._client.zrangebyscore(self._index, millis(now()), "+inf")]

    async def _end(self, hashed: str) -> bool:
        with reaching():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.delete(self._keys.session(hashed))
                pipe.zrem(self._index, hashed)
                ended, _ = await pipe.execute()
        return bool(ended)


def millis_of(span: timedelta) -> float:
    """A span of time in milliseconds."""
    return span / timedelta(milliseconds=1)


class Accounts(NamedTuple):
    """Everything that signing in rests on: `links` stand for a token's ID, `pending` for a sign-in at a provider."""

    tokens: Tokens
    sessions: Sessions
    attempts: Attempts
    links: OneTime
    pending: OneTime

    @classmethod
    def of(cls, client: Redis, keys: Keys, idle: timedelta) -> "Accounts":
        """Those of the site with these keys; `idle` is how long after the last request a session ends."""
        tokens = Tokens(client, keys)
        return cls(
            tokens, Sessions(client, keys, tokens, idle), Attempts(client, keys), sign_in_links(client, keys),
            OneTime(client, keys, "sso", PENDING_LASTS),
        )  # fmt: skip


def sign_in_links(client: Redis, keys: Keys) -> OneTime:
    """The secrets of sign-in links, each for a token's ID."""
    return OneTime(client, keys, "link", LINK_LASTS)


def identity_of(token: Token, address: str) -> Identity:
    """The holder of a token, at the desk."""
    return Identity(token.id, token.name, token.role, "desk", address)
