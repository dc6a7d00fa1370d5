"""The Redis keys of one site: they share a hash tag, so that one script may touch them all on a cluster."""

from typing import NamedTuple


class Keys(NamedTuple):
    """Names of a site's keys. `of` gives the key of a collection that a change writes to."""

    site: str

    def of(self, collection: str) -> str:
        return f"live:{{{self.site}}}:{collection}"

    @property
    def log(self) -> str:
        """The stream of entries."""
        return self.of("log")

    @property
    def channel(self) -> str:
        """The pub/sub channel that tells of each new entry."""
        return self.of("news")

    def receipt(self, key: str) -> str:
        """What was answered to the request with this idempotency key."""
        return self.of(f"receipt:{key}")


STORIES = "stories"  # hash: slug -> Story
SITE = "site"  # hash: 'notice' -> Notice, 'promo' -> Promo
SECTIONS = "sections"  # hash: slug of a section -> its name
WITHDRAWN = "withdrawn"  # hash: '<slug>' or '<slug>/<update>' -> cursor before which no replay shows its text
TOKENS = "tokens"  # hash: id -> Token


def updates_of(slug: str) -> str:
    """Hash: update ID -> Update."""
    return f"updates:{slug}"


def index_of(topic: str) -> str:
    """Sorted set: slugs of public stories by their last activity (milliseconds)."""
    return f"index:{topic}"
