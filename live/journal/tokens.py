"""Editors' tokens: made, listed, revoked, recognised. Only their hashes are stored.

A token is `live_<id>_<secret>`. The secret has 256 bits of chance, so one SHA-256 is enough to keep it (slow hashes
are for what people choose).
"""

import hashlib
import hmac
import re
import secrets
from functools import lru_cache

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import TOKENS, Keys
from live.model import RANK, Frozen, Line, Moment, Role, now

SHAPE = re.compile(r"live_([0-9a-f]{12})_([0-9A-Za-z_-]{43})", re.ASCII)


class Token(Frozen):
    """A token as stored: who holds it and what they may do."""

    id: str
    name: Line
    role: Role
    hash: str
    created: Moment
    revoked: Moment | None = None

    def may(self, role: Role) -> bool:
        """Whether its holder has this role or a higher one."""
        return RANK[self.role] >= RANK[role]


class Tokens:
    """The tokens of one site. Every method raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.of(TOKENS)

    async def create(self, name: str, role: Role) -> tuple[Token, str]:
        """A new token and its text, which is nowhere kept."""
        secret = secrets.token_urlsafe(32)
        token = Token(id=secrets.token_hex(6), name=name, role=role, hash=_hash(secret), created=now())
        with reaching():
            await self._client.hset(self._key, token.id, token.model_dump_json(by_alias=True))
        return token, f"live_{token.id}_{secret}"

    async def all(self) -> list[Token]:
        """All tokens ever made, the oldest first."""
        with reaching():
            records = await self._client.hvals(self._key)
        return sorted((Token.model_validate_json(record) for record in records), key=lambda token: token.created)

    async def revoke(self, token_id: str) -> Token | None:
        """The token, from now on refused; None if there is no such token."""
        token = await self._get(token_id)
        if token is None:
            return None
        token = token.model_copy(update={"revoked": token.revoked or now()})
        with reaching():
            await self._client.hset(self._key, token.id, token.model_dump_json(by_alias=True))
        return token

    async def recognise(self, text: str) -> Token | None:
        """The token with this text, unless it is unknown or revoked."""
        parts = SHAPE.fullmatch(text)
        if not parts:
            return None
        token = await self._get(parts[1])
        if token is None or not hmac.compare_digest(token.hash, _hash(parts[2])) or token.revoked:
            return None
        return token

    async def in_force(self, token_id: str) -> Token | None:
        """The token with this ID, unless it is unknown or revoked."""
        token = await self._get(token_id)
        return None if token is None or token.revoked else token

    async def held_by(self, name: str) -> Token | None:
        """The newest token in force of the person with this name, in whatever case."""
        held = [token for token in await self.all() if is_name_of(token, name) and not token.revoked]
        return held[-1] if held else None

    async def _get(self, token_id: str) -> Token | None:
        with reaching():
            record = await self._client.hget(self._key, token_id)
        return _read(record) if record else None


def folded(name: str) -> str:
    """A name as it is compared: without regard to case and to the blanks around it."""
    return name.strip().casefold().encode("utf-8", "replace").decode()


def is_name_of(token: Token, name: str) -> bool:
    """Whether the token's holder has this name, compared in constant time."""
    return hmac.compare_digest(folded(token.name).encode(), folded(name).encode())


@lru_cache(maxsize=256)
def _read(record: str) -> Token:
    """A token from its record; kept, since every request of an editor comes with the same one."""
    return Token.model_validate_json(record)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
