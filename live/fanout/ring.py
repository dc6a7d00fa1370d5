"""The recent entries that a process keeps in memory, so that readers resume without asking the journal."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from live.fanout.frames import Form, Frames, Message
from live.model import Cursor, StoryPublished, StoryWithdrawn, UpdatePublished, UpdateRetracted


class Ring:
    """The last `size` entries, in order. `floor` is the cursor before the oldest of them."""

    __slots__ = ("_first", "_number", "_size", "entries", "floor")

    def __init__(self, size: int, floor: Cursor) -> None:
        self._size = size
        self.clear(floor)

    def clear(self, floor: Cursor) -> None:
        """Forgets every entry; the next one follows `floor`."""
        self.entries: deque[Frames] = deque()
        self.floor = floor
        self._first = 0  # running number of the oldest entry
        self._number: dict[Cursor, int] = {}  # running number of each entry

    @property
    def position(self) -> Cursor:
        """The cursor of the newest entry."""
        return self.entries[-1].cursor if self.entries else self.floor

    def add(self, frames: Frames) -> None:
        """Takes the next entry."""
        self._number[frames.cursor] = self._first + len(self.entries)
        self.entries.append(frames)

    def shrink(self, begun: Cursor) -> None:
        """Lets go of the oldest entries that are too many, but of none after `begun`: readers are yet to be told."""
        while len(self.entries) > self._size and self.entries[0].cursor <= begun:
            oldest = self.entries.popleft()
            del self._number[oldest.cursor]
            self.floor = oldest.cursor
            self._first += 1

    def holds(self, cursor: Cursor) -> bool:
        """Whether everything after this cursor is here."""
        return cursor == self.floor or cursor in self._number

    def after(self, cursor: Cursor) -> Iterator[Frames]:
        """The entries after a cursor that `holds` is true of."""
        start = 0 if cursor == self.floor else self._number[cursor] - self._first + 1
        return islice(self.entries, start, None)

    def recent(self, topics: frozenset[str], form: Form, limit: int) -> tuple[Cursor, list[Message]]:
        """The messages of the last `limit` entries that concern these topics, oldest first; before them the cursor
        after which they are complete."""
        newest = [frames for frames in reversed(self.entries) if topics & frames.topics][:limit]
        floor = newest[-1].previous if len(newest) == limit else self.floor
        return floor, [message for frames in reversed(newest) for message in frames.messages(topics, form)]


def withdraw(entries: Iterable[Frames], gone: UpdateRetracted | StoryWithdrawn) -> None:
    """Takes the text of what was withdrawn out of entries."""
    for frames in entries:
        match frames.event, gone:
            case UpdatePublished(update=update), UpdateRetracted(update=retracted):
                if (update.story, update.id) == (retracted.story, retracted.id):
                    frames.withdraw()
            case StoryPublished(story=story), StoryWithdrawn(slug=slug):
                if story.slug == slug:
                    frames.withdraw()
            case UpdatePublished(update=update), StoryWithdrawn(slug=slug):
                if update.story == slug:
                    frames.withdraw()
