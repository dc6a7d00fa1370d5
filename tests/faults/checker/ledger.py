"""What was posted and what each reader was told, and the verdict on it: pure functions, no I/O, no clock."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from live.model import Cursor

BEFORE_ALL = Cursor(0, 0)


@dataclass(slots=True)
class Post:
    """One numbered update, as its editor saw it. Times are seconds on one clock."""

    number: int
    story: str
    begun: float
    cursor: Cursor | None = None
    """Its entry, once it was answered 2xx."""
    attempts: int = 0
    unavailable: int = 0
    """How many attempts were answered 503."""
    refused: int = 0
    """The status for which its editor gave it up; 0 if there was none."""


class Told(NamedTuple):
    """An update came over the stream, or with a poll."""

    at: float
    number: int
    cursor: Cursor


class Snapshot(NamedTuple):
    """The reader loaded its page afresh: at the start, and whenever its cursor was lost. It shows these numbers."""

    at: float
    cursor: Cursor
    numbers: frozenset[int]


@dataclass(slots=True)
class Ledger:
    """What one reader saw, in the order in which it saw it."""

    reader: str
    stories: frozenset[str]
    """The stories that it follows."""
    events: list[Told | Snapshot] = field(default_factory=list)
    connections: int = 0
    resets: int = 0
    """Messages `reset`, over WebSocket and server-sent events."""
    late_polls: int = 0
    """Polls that no longer reached back to the reader's cursor."""

    @property
    def lives(self) -> list[tuple[Snapshot, list[Told]]]:
        """Each page that the reader had, and what was added to it."""
        lives: list[tuple[Snapshot, list[Told]]] = []
        for event in self.events:
            if isinstance(event, Snapshot):
                lives.append((event, []))
            else:
                lives[-1][1].append(event)
        return lives

    def lacks(self, numbers: Iterable[int]) -> set[int]:
        """Which of these numbers are not on the page that the reader has now."""
        missing = set(numbers)
        for event in reversed(self.events):
            if isinstance(event, Snapshot):
                return missing - event.numbers
            missing.discard(event.number)
        return missing


class Page(NamedTuple):
    """A story page loaded when all was quiet: the numbers on it, each as often as it is there."""

    where: str
    story: str
    numbers: tuple[int, ...]


@dataclass(slots=True)
class Verdict:
    """What was wrong. Each of `wrongs` is a sentence about one of the things that are counted."""

    delivered: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    wrongs: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.wrongs


def judge(
    posts: Sequence[Post], ledgers: Sequence[Ledger], pages: Sequence[Page], gone: Cursor = BEFORE_ALL
) -> Verdict:
    """Whether each reader, and each freshly loaded page, has every accepted post exactly once and in order.

    - The page that the reader has in the end shows all that was accepted; each page that it had before, all up to the
      last update that was added to it.
    - On one page, no number is added twice; one that the page showed already may come once, since a page may be newer
      than its cursor.
    - Cursors only rise, and are those that the editors were given.
    - A post that was never answered may be there or not, but is under the same rules otherwise.

    `gone` is the log's last cursor when it was emptied: what was accepted up to there need not be on any page.
    """
    verdict = Verdict()
    by_number = {post.number: post for post in posts}
    for ledger in ledgers:
        _judge_reader(ledger, by_number, gone, verdict)
    for page in pages:
        _judge_page(page, by_number, gone, verdict)
    return verdict


def _judge_reader(ledger: Ledger, posts: Mapping[int, Post], gone: Cursor, verdict: Verdict) -> None:
    mine = [post for post in posts.values() if post.story in ledger.stories and post.cursor]
    lives = ledger.lives
    for snapshot, told in lives:
        verdict.delivered += len(told)
        _judge_order(ledger.reader, snapshot, told, posts, ledger.stories, verdict)
        there = snapshot.numbers | {event.number for event in told}
        until = told[-1].cursor if told else snapshot.cursor
        is_last = snapshot is lives[-1][0]
        for post in mine:
            assert post.cursor
            emptied_meanwhile = post.cursor <= gone < until
            needed = post.cursor > gone if is_last else post.cursor <= until and not emptied_meanwhile
            if needed and post.number not in there:
                verdict.lost += 1
                verdict.wrongs.append(f"{ledger.reader} was not told of {post.number} ({post.cursor})")
    if not lives and mine:
        verdict.lost += len(mine)
        verdict.wrongs.append(f"{ledger.reader} never had a page")


def _judge_order(
    reader: str, snapshot: Snapshot, told: Sequence[Told], posts: Mapping[int, Post], stories: frozenset[str],
    verdict: Verdict,
) -> None:  # fmt: skip
    seen: set[int] = set()
    position = snapshot.cursor
    for event in told:
        post = posts.get(event.number)
        if event.number in seen:
            verdict.doubled += 1
            verdict.wrongs.append(f"{reader} was told twice of {event.number} ({event.cursor})")
            continue
        seen.add(event.number)
        if post is None or post.story not in stories or (post.cursor and post.cursor != event.cursor):
            verdict.disordered += 1
            verdict.wrongs.append(f"{reader} was told of {event.number} as {event.cursor}, which nobody posted so")
        elif event.cursor <= position:
            verdict.disordered += 1
            verdict.wrongs.append(f"{reader} was told of {event.number} ({event.cursor}) after {position}")
        position = max(position, event.cursor)


def _judge_page(page: Page, posts: Mapping[int, Post], gone: Cursor, verdict: Verdict) -> None:
    counts = Counter(page.numbers)
    for number, count in counts.items():
        if count > 1:
            verdict.doubled += 1
            verdict.wrongs.append(f"{page.where} shows {number} {count} times")
    for post in posts.values():
        if post.story == page.story and post.cursor and post.cursor > gone and post.number not in counts:
            verdict.lost += 1
            verdict.wrongs.append(f"{page.where} does not show {post.number} ({post.cursor})")


def recovery(posts: Sequence[Post], ledgers: Sequence[Ledger], mended: float) -> float:
    """Seconds from the mending until every reader had everything whose posting had begun by then."""
    latest = mended
    for ledger in ledgers:
        awaited = {
            post.number for post in posts if post.cursor and post.begun <= mended and post.story in ledger.stories
        }
        first: dict[int, float] = {}
        for event in ledger.events:
            for number in event.numbers if isinstance(event, Snapshot) else (event.number,):
                first.setdefault(number, event.at)
        latest = max(chain([latest], (first[number] for number in awaited if number in first)))
    return latest - mended
