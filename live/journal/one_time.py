"""What a secret stands for, once and for a short time: sign-in links, and sign-ins under way at a provider."""

from datetime import timedelta

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import Keys
from live.journal.secret import digest, is_secret, new_secret


class OneTime:
    """Texts of one kind, each under a secret. Every method raises Unavailable when the server cannot be reached.

    Args:
        kind: names them among the site's keys.
        lasts: how long a secret is good for.
    """

    def __init__(self, client: Redis, keys: Keys, kind: str, lasts: timedelta) -> None:
        self._client = client
        self._keys = keys
        self._kind = kind
        self.lasts = lasts

    async def keep(self, text: str) -> str:
        """Keeps the text; returns the secret it is under, which is nowhere stored."""
        secret = new_secret()
        with reaching():
            await self._client.set(self._key(secret), text, px=self.lasts)
        return secret

    async def look(self, secret: str) -> str | None:
        """What the secret stands for, None when it is unknown, used or too old; it stays good."""
        if not is_secret(secret):
            return None
        with reaching():
            found = await self._client.get(self._key(secret))
        return None if found is None else str(found)

    async def take(self, secret: str) -> str | None:
        """The same, and uses the secret up: of two who come at once, one gets the text."""
        if not is_secret(secret):
            return None
        with reaching():
            found = await self._client.getdel(self._key(secret))
        return None if found is None else str(found)

    def _key(self, secret: str) -> str:
        return self._keys.once(self._kind, digest(secret))
