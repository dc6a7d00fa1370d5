"""The server keeps the contract that the page's scripts are tested with: `tests/contract`, read by both sides."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from live.fanout.frames import Frames, Message, hello, notice_in_force, reset, tick
from live.journal import changes
from live.model import (
    ORIGIN,
    Byline,
    Cursor,
    Entry,
    Event,
    Notice,
    NoticeDraft,
    Promo,
    PromoDraft,
    Story,
    StoryDraft,
    StoryEdit,
    Update,
    UpdateDraft,
    UpdateEdit,
)
from live.render import absolute
from tests.web.document import Element, parse

CONTRACT = Path(__file__).parent / "contract"
BEFORE = datetime(2026, 11, 22, 20, 1, tzinfo=UTC)
AT = datetime(2026, 11, 22, 20, 26, 0, 123_000, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 20, 31, tzinfo=UTC)
CURSOR = Cursor(1795379160123, 0)

STORM = {
    "headline": "Storm shuts the port", "sections": ("World",), "urgency": 2,
    "by": (Byline(name="Marta Lindqvist", note="who reports from the harbour"),),
    "body": "**Why it matters:** Nothing moves.",
}  # fmt: skip
VOTE = {"headline": "Count runs into the night", "sections": ("Politics",), "body": "Four seats are open."}
CREW = {"headline": "Crew safe", "body": "All 21 are well."}
KNOWN = {"body": "What we know.", "pinned": True}
NOTICE = NoticeDraft(text="Port closed until morning", story="storm", expires=LATER)
PROMO = PromoDraft(text="The morning briefing", url="/briefing")


def contract(name: str) -> Any:
    return json.loads((CONTRACT / name).read_text())


GOLDEN: dict[str, Message] = {case["name"]: case["frame"] for case in contract("frames.json")}


def event_of(change: changes.Change) -> Event:
    assert change.event is not None
    return change.event


def story_of(change: changes.Change) -> Story:
    assert isinstance(change.record, Story)
    return change.record


def update_of(change: changes.Change) -> Update:
    assert isinstance(change.record, Update)
    return change.record


@cache
def events() -> dict[str, Event]:
    """One of each that a newsroom can cause, by the edits that cause it."""
    first = story_of(changes.create_story(StoryDraft(slug="storm", **STORM), BEFORE))
    edited = changes.edit_story(first, StoryEdit(**STORM), AT)
    storm = story_of(edited)
    created = changes.create_story(StoryDraft(slug="vote", **VOTE), AT)
    vote = story_of(created)
    posted = changes.post_update(storm, UpdateDraft(**CREW), "01kapvf1nvabcdef", AT)
    correction = UpdateEdit(**CREW, correction="The crew is 21, not 12.")
    corrected = changes.edit_update(storm, update_of(posted), correction, LATER)
    pinned = changes.post_update(storm, UpdateDraft(**KNOWN), "01kapvf1nvpppppp", AT)
    reason = "It could not be confirmed."
    moved = StoryEdit(**{**VOTE, "sections": ("World",)})
    made = {
        "story": edited, "card": created, "update": posted, "pinned": pinned, "correction": corrected,
        "silent edit": changes.edit_update(storm, update_of(pinned), UpdateEdit(**{**KNOWN, "pinned": False}), LATER),
        "retraction": changes.retract_update(storm, update_of(corrected), reason, LATER),
        "retraction of the pinned": changes.retract_update(storm, update_of(pinned), reason, LATER),
        "moved": changes.edit_story(vote, moved, LATER),
        "withdrawal": changes.edit_story(vote, StoryEdit(**VOTE, pub_status="withheld"), LATER),
        "withdrawal of the story": changes.edit_story(storm, StoryEdit(**STORM, pub_status="canceled"), LATER),
        "notice": changes.put_notice(None, NOTICE, AT),
        "notice cleared": changes.clear_notice(Notice(**dict(NOTICE), first_created=AT, version=1), LATER),
        "promo": changes.put_promo(None, PROMO, AT),
        "promo cleared": changes.clear_promo(Promo(**dict(PROMO), version=1), LATER),
    }  # fmt: skip
    return {name: event_of(change) for name, change in made.items()}


def sent(name: str, *topics: str) -> Callable[[], list[Message]]:
    """What a reader of these topics gets for an event."""
    return lambda: Frames(Entry(CURSOR, events()[name]), ORIGIN).messages(frozenset(topics), "html")


def on_joining() -> list[Message]:
    notice = Notice(**dict(NOTICE), first_created=AT, version=1)
    return [notice_in_force(CURSOR, notice, LATER, "html"), notice_in_force(CURSOR, None, LATER, "html")]


SENT: dict[tuple[str, ...], Callable[[], list[Message]]] = {
    ("hello",): lambda: [hello(CURSOR, AT)],
    ("tick",): lambda: [tick(CURSOR, LATER)],
    ("story on its own page",): sent("story", "story/storm"),
    ("card on the front page",): sent("card", "front"),
    ("card on a section page",): sent("card", "section/politics"),
    ("card of the page's own story",): sent("story", "front"),
    ("update, first half of its entry", "card moved by the update, second half"): sent(
        "update", "front", "story/storm"
    ),
    ("pinned update",): sent("pinned", "story/storm"),
    ("update no longer pinned",): sent("silent edit", "story/storm", "front"),
    ("correction",): sent("correction", "story/storm", "front"),
    ("retraction",): sent("retraction", "story/storm", "front"),
    ("retraction of the pinned update",): sent("retraction of the pinned", "story/storm", "front"),
    ("notice",): sent("notice", "front", "breaking"),
    ("notice cleared",): sent("notice cleared", "front", "breaking"),
    ("notice in force on joining", "no notice in force on joining"): on_joining,
    ("promo",): sent("promo", "front", "breaking"),
    ("promo cleared",): sent("promo cleared", "front", "breaking"),
    ("card left a section",): sent("moved", "section/politics"),
    ("card withdrawn",): sent("withdrawal", "front"),
    ("story withdrawn on its own page",): sent("withdrawal of the story", "story/storm"),
    ("reset",): lambda: [reset(CURSOR)],
}
PEERLESS = {"reconnect"}
"""In the protocol, and heeded by the page, though no part of this server says it today."""


def without_html(message: Message) -> Message:
    """Everything the contract fixes to the letter: the cursor's place in the log differs, not its form."""
    return {key: value for key, value in message.items() if key not in ("id", "html")}


def root(html: str) -> Element:
    """The one element of a fragment."""
    elements = [item for item in parse(html).content if isinstance(item, Element)]
    assert len(elements) == 1
    return elements[0]


def skeleton(element: Element) -> Iterable[tuple[str, list[str]]]:
    """Tags and the names of their attributes, in document order."""
    return [(each.tag, sorted(each.attributes)) for each in (element, *element)]


@pytest.mark.parametrize("names", SENT, ids=" + ".join)
def test_messages_are_as_the_contract_with_the_page_says(names: tuple[str, ...]) -> None:
    messages = SENT[names]()
    assert len(messages) == len(names)
    for name, message in zip(names, messages, strict=True):
        golden = GOLDEN[name]
        assert message.keys() == golden.keys()
        assert {key: type(value) for key, value in message.items()} == {
            key: type(value) for key, value in golden.items()
        }
        assert without_html(message) == without_html(golden)


@pytest.mark.parametrize("names", SENT, ids=" + ".join)
def test_fragments_have_what_the_page_looks_for(names: tuple[str, ...]) -> None:
    for name, message in zip(names, SENT[names](), strict=True):
        if "html" not in message:
            continue
        made, golden = root(message["html"]), root(GOLDEN[name]["html"])
        assert skeleton(made) == skeleton(golden)
        if message["type"] not in ("notice", "promo"):  # their versions count from the clock
            assert made.attributes == golden.attributes
            assert made.attributes["data-version"] == str(message["version"])


def test_the_contract_has_every_message_once() -> None:
    names = [name for group in SENT for name in group]
    assert len(contract("frames.json")) == len(GOLDEN)
    assert sorted([*names, *PEERLESS]) == sorted(GOLDEN)


def test_cursors_are_written_as_the_contract_says() -> None:
    cursors = [Cursor.parse(frame["id"]) for frame in GOLDEN.values() if "id" in frame]
    assert cursors == sorted(cursors)


@pytest.mark.parametrize("case", contract("time.json")["absolute"], ids=lambda case: str(case["at"]))
def test_moments_are_written_as_the_page_writes_them(case: dict[str, str]) -> None:
    assert absolute(datetime.fromisoformat(case["at"])) == case["text"]
