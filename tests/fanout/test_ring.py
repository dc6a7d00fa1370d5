"""The ring: the newest entries in order, and which cursors it can serve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.fanout.frames import Frames, Variant
from live.fanout.ring import Ring, withdraw
from live.model import ORIGIN, Cursor, Entry, StoryWithdrawn, UpdateRetracted
from tests.fanout.newsroom import START, Newsroom

JSON = Variant("json", "ws")


def filled(size: int, count: int) -> Ring:
    ring, newsroom = Ring(size, ORIGIN), Newsroom()
    for number in range(1, count + 1):
        ring.add(Frames(Entry(Cursor(number, 0), newsroom.update("quay")), ring.position))
        ring.shrink(ring.position)
    return ring


@given(st.integers(1, 8), st.integers(0, 20))
def test_it_holds_exactly_the_cursors_after_which_nothing_is_missing(size: int, count: int) -> None:
    ring = filled(size, count)
    oldest = max(0, count - size)
    assert ring.floor == Cursor(oldest, 0)
    assert ring.position == Cursor(count, 0)
    for number in range(count + 2):
        assert ring.holds(Cursor(number, 0)) is (oldest <= number <= count)
    for number in range(oldest, count + 1):
        found = [frames.cursor.millis for frames in ring.after(Cursor(number, 0))]
        assert found == list(range(number + 1, count + 1))


def test_a_cursor_between_two_entries_is_not_held() -> None:
    assert not filled(5, 3).holds(Cursor(2, 1))


def test_an_empty_ring_holds_its_floor_alone() -> None:
    ring = Ring(3, Cursor(7, 0))
    assert ring.holds(Cursor(7, 0)) and list(ring.after(Cursor(7, 0))) == []
    assert not ring.holds(ORIGIN)
    assert ring.position == Cursor(7, 0)


def test_a_cleared_ring_begins_anew() -> None:
    ring = filled(3, 5)
    ring.clear(Cursor(9, 0))
    assert ring.holds(Cursor(9, 0)) and not ring.holds(Cursor(5, 0))
    ring.add(Frames(Entry(Cursor(10, 0), None), Cursor(9, 0)))
    ring.shrink(ring.position)
    assert [frames.cursor for frames in ring.after(Cursor(9, 0))] == [Cursor(10, 0)]


@pytest.mark.parametrize(
    ("kind", "texts"), [("update", [False, True, True, False]), ("story", [False, True, False, False])]
)
def test_withdrawn_text_goes_and_its_place_stays(kind: str, texts: list[bool]) -> None:
    newsroom, ring = Newsroom(), Ring(10, ORIGIN)
    events = [newsroom.update("quay"), newsroom.update("harbour"), newsroom.update("quay")]
    first = newsroom.updates.pop(0)
    newsroom.updates.append(first)
    events.append(newsroom.edit() or events[0])
    for number, event in enumerate(events, 1):
        ring.add(Frames(Entry(Cursor(number, 0), event), ring.position))
        ring.shrink(ring.position)
    topics = frozenset({"story/quay", "story/harbour", "front"})
    for frames in ring.entries:
        assert frames.encoded(topics, JSON)
    if kind == "update":
        withdraw(ring.entries, UpdateRetracted(at=START, update=first))
    else:
        withdraw(ring.entries, StoryWithdrawn(at=START, slug="quay", sections=("World",), version=2))
    assert [bool(frames.encoded(topics, JSON)) for frames in ring.entries] == texts
    assert [frames.cursor.millis for frames in ring.after(ORIGIN)] == [1, 2, 3, 4]
