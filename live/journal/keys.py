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

    @property
    def trail(self) -> str:
        """The stream of audit records."""
        return self.of("trail")

    @property
    def desk_channel(self) -> str:
        """The pub/sub channel that tells the desks of each deed."""
        return self.of("desk")

    @property
    def presence(self) -> str:
        """The processes that are there, and their readers (hash: a process's ID -> Present)."""
        return self.of("presence")

    def delivery(self, cursor: str) -> str:
        """What became of an entry at its readers (hash: a process's ID -> Delivery)."""
        return self.of(f"delivery:{cursor}")

    def editing(self, target: str) -> str:
        """Who has the record at this address open (hash: identity -> until when, who)."""
        return self.of(f"editing:{target}")

    def session(self, hashed: str) -> str:
        """The session whose secret has this hash."""
        return self.of(f"session:{hashed}")

    def once(self, kind: str, hashed: str) -> str:
        """What a secret stands for once, by its hash."""
        return self.of(f"once:{kind}:{hashed}")

    def attempts(self, kind: str, hashed: str) -> str:
        """How often somebody tried of late (a number), by a hash of who."""
        return self.of(f"attempts:{kind}:{hashed}")

    def receipt(self, key: str) -> str:
        """What was answered to the request with this idempotency key."""
        return self.of(f"receipt:{key}")


STORIES = "stories"  # hash: slug -> Story
SITE = "site"  # hash: 'notice' -> Notice, 'promo' -> Promo
SECTIONS = "sections"  # hash: slug of a section -> its name
WITHDRAWN = "withdrawn"  # hash: '<slug>' or '<slug>/<update>' -> cursor before which no replay shows its text
NOTICES = "notices"  # hash: id -> ListedNotice
DUE = "due"  # sorted set: '<slug>' or '<slug>/<update>' by when it is to be published (milliseconds)
TOKENS = "tokens"  # hash: id -> Token
SESSIONS = "sessions"  # sorted set: hash of a session's secret by when it ends (milliseconds)


def updates_of(slug: str) -> str:
    """Hash: update ID -> Update."""
    return f"updates:{slug}"


def index_of(topic: str) -> str:
    """Sorted set: slugs of public stories by their last activity (milliseconds)."""
    return f"index:{topic}"
