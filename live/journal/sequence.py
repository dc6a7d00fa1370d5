"""Order without I/O: which message of the pub/sub channel comes next, which is old, and where a hole is.

Pub/sub may drop messages, repeat none and reorder none, but a subscription may start late or go deaf. Every
message names its predecessor in the log, so a hole shows; filling it is the caller's I/O.
"""

from enum import Enum, auto
from typing import NamedTuple

from live.model import Cursor, Event


class Message(NamedTuple):
    """One pub/sub message: an entry and the cursor of the entry before it."""

    cursor: Cursor
    previous: Cursor
    event: Event | None
    trace: str = ""


class Verdict(Enum):
    """What to do with a message."""

    DELIVER = auto()
    """It is the next entry, and the sequence has moved to it."""
    IGNORE = auto()
    """It was delivered before (it came while a hole was being filled)."""
    REFILL = auto()
    """Entries are missing before it: read the log from `position`."""


class Sequence:
    """The position of one follower in the log. States: at `position`, everything up to it delivered, nothing after."""

    __slots__ = ("position",)

    def __init__(self, position: Cursor) -> None:
        self.position = position

    def offer(self, message: Message) -> Verdict:
        """Judges a message, in the order in which messages arrive."""
        if message.previous == self.position and message.cursor > self.position:
            self.position = message.cursor
            return Verdict.DELIVER
        if message.cursor <= self.position:
            return Verdict.IGNORE
        return Verdict.REFILL

    def advance(self, cursor: Cursor) -> bool:
        """Moves to an entry read from the log; False if it was delivered before."""
        if cursor <= self.position:
            return False
        self.position = cursor
        return True

    def rewind(self, cursor: Cursor) -> None:
        """Starts again at a cursor, after the old position was lost from the log."""
        self.position = cursor
