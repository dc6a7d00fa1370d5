"""Positions in the journal."""

import re
from typing import NamedTuple, Self

from live.errors import MalformedCursor

CURSOR = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)


class Cursor(NamedTuple):
    """A position in the journal: the ID of a Redis stream entry. Cursors sort in journal order."""

    millis: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor written as `<millis>-<sequence>`.

        Raises:
            MalformedCursor: the text is no such pair of unsigned 64-bit numbers.
        """
        match = CURSOR.fullmatch(text)
        if not match or max(numbers := (int(match[1]), int(match[2]))) >= 1 << 64:
            raise MalformedCursor(f"'{text[:60]}' is not a cursor. {MalformedCursor.__doc__}")
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.millis}-{self.sequence}"


ORIGIN = Cursor(0, 0)
"""The cursor before the first entry."""
