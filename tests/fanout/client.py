"""A reader who keeps the client's rule about cursors, and checks all it is told against the model journal."""

from live.fanout import Hub
from live.fanout.frames import Wire
from live.model import ORIGIN, Cursor, Event, Notice, NoticeChanged, UpdateRetracted
from tests.fanout.newsroom import Connection, Data, ModelJournal, parts_of

ENTRIES = ("story", "update", "correction", "retraction", "notice")


class Client:
    """Follows the same topics for ever, over one connection after the other.

    Whatever moves its cursor must not pass over an entry that it did not get; nothing at or before its cursor may come
    again; only a reset that has a reason may lose entries.
    """

    def __init__(self, journal: ModelJournal, wire: Wire, topics: set[str], limit: int, buffer: int) -> None:
        self.journal = journal
        self.wire = wire
        self.topics = frozenset(topics)
        self.limit = limit
        self.buffer = buffer
        self.cursor: Cursor | None = None
        self.got: dict[Cursor, set[str]] = {}
        self.notice: str | None = None
        self._notice_at = ORIGIN
        self.resets = 0
        self.connection: Connection | None = None

    async def prepare(self, hub: Hub) -> None:
        """Leaves, and has a new connection ready."""
        await self.disconnect()
        self.connection = Connection(hub, self.wire, self.topics, self.limit, self.buffer)
        await self.connection.prepare()
        self._admitted = False

    def admit(self, rewinds: int) -> None:
        """Lets the connection that is ready in, with the last cursor."""
        if self.connection is None or self._admitted:
            return
        self._admitted = True
        self._greeted = False
        self._here: set[tuple[Cursor, str]] = set()
        self._after = self.cursor
        self._rewinds = rewinds
        position = self.connection.hub.position
        unheard = [
            entry for entry in self.journal.written if entry.cursor > position and is_retraction(entry.event)
        ]  # whose text may still come: the hub does not know better
        self._withdrawn = set() if unheard else set(self.journal.withdrawn)
        self.connection.admit(self.cursor)

    async def connect(self, hub: Hub, rewinds: int) -> None:
        await self.prepare(hub)
        self.admit(rewinds)

    async def disconnect(self) -> None:
        if self.connection:
            await self.connection.end()
            self.connection = None

    def read(self, size: int, rewinds: int) -> int:
        """Takes what so many bytes of the connection say; returns how many messages that were."""
        if not self.connection or self.connection.ended or not self._admitted:
            return 0
        messages = self.connection.read(size)
        for message in messages:
            self._take(message, rewinds)
        return len(messages)

    def _take(self, message: Data, rewinds: int) -> None:
        cursor = Cursor.parse(message["id"])
        kind = message["type"]
        assert (kind == "hello") is not self._greeted, "hello comes first, and once"
        self._greeted = True
        if kind == "reset":
            lost = self._after is None or not self.journal.knows(self._after)
            assert lost or rewinds > self._rewinds, "a reset without a reason"
            self.resets += 1
            self.cursor = cursor
            self._notice_at = max(cursor, self._notice_at)
            in_force = notice_of(self.journal, self._notice_at)  # from the snapshot that it takes
            self.notice = in_force.text if in_force else None
            return
        if kind in ENTRIES:
            self._take_entry(cursor, message)
        if not message.get("more"):
            self._move(cursor)

    def _take_entry(self, cursor: Cursor, message: Data) -> None:
        if message["type"] == "notice":
            if cursor >= self._notice_at:  # an older one may come after one that overtook it
                self._notice_at = cursor
                self.notice = message["item"]["text"] if "item" in message else None
            if message.get("more"):  # that of joining, which is no entry, or one that overtakes
                self.got.setdefault(cursor, set()).add("breaking")
                return
        assert self.cursor is not None and cursor > self.cursor, "an entry came again"
        assert (cursor, message["topic"]) not in self._here, "an entry came twice"
        assert cursor not in self._withdrawn, "withdrawn text was replayed"
        assert message["topic"] in self.topics
        self._here.add((cursor, message["topic"]))
        self.got.setdefault(cursor, set()).add(message["topic"])

    def _move(self, cursor: Cursor) -> None:
        """Nothing of ours may lie between the old cursor and the new one that did not come."""
        if self.cursor is not None:
            assert cursor >= self.cursor, "the cursor went back"
            for entry in self.journal.written:
                if self.cursor < entry.cursor <= cursor and entry.cursor not in self.journal.withdrawn:
                    for part in parts_of(entry.event):
                        wanted = part & self.topics
                        assert not wanted or wanted & self.got.get(entry.cursor, set()), (
                            f"the entry {entry.cursor} is missing"
                        )
        self.cursor = cursor

    def check_notice(self, notice: Notice | None) -> None:
        """What it shows is what is in force."""
        if "breaking" in self.topics:
            assert self.notice == (notice.text if notice else None)


def is_retraction(event: Event | None) -> bool:
    return isinstance(event, UpdateRetracted)


def notice_of(journal: ModelJournal, upto: Cursor) -> Notice | None:
    """The notice in force at a cursor."""
    notice = None
    for entry in journal.written:
        if entry.cursor <= upto and isinstance(entry.event, NoticeChanged):
            notice = entry.event.notice
    return notice
