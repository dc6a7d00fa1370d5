"""An entry as the bytes that readers get, encoded once per wire variant, whatever the number of readers.

An entry may have several parts: an update goes to the pages of its story, and moves the story's card on the front
and section pages. A reader of both gets two messages with one cursor; all but the last say `more`, so that no
reader's cursor ever stands between the parts.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple

from live.fanout.websocket import text_frame
from live.model import (
    Cursor,
    Entry,
    Event,
    Notice,
    NoticeChanged,
    Promo,
    PromoChanged,
    StoryPublished,
    StoryWithdrawn,
    Update,
    UpdatePublished,
    UpdateRetracted,
    slugify,
)
from live.render import card_fragment, notice_fragment, promo_fragment, rfc3339, story_fragment, update_fragment

Form = Literal["html", "json"]
Wire = Literal["ws", "deflated", "sse"]
Message = dict[str, Any]


class Variant(NamedTuple):
    """What a reader's bytes look like: fragments or fields; in WebSocket frames, plain or compressed, or as events."""

    form: Form
    wire: Wire


class Part(NamedTuple):
    """What one entry means to the readers of some topics. Of `html` and `item` the one asked for goes out, if any."""

    topics: tuple[str, ...]
    fields: Message
    html: Callable[[], str] | None = None
    item: Callable[[], Message] | None = None

    def content(self, form: Form) -> Message:
        """The member of the message that holds the fragment or the fields."""
        if form == "html":
            return {"html": self.html()} if self.html else {}
        return {"item": self.item()} if self.item else {}


Matched = tuple[tuple[int, str], ...]
"""Which parts go to a reader, each with the topic of the reader's that it goes out on."""


class Frames:
    """One entry (and the cursor before it), ready for every kind of reader; encoded on first use, then kept."""

    __slots__ = ("_encoded", "_parts", "arrived", "cursor", "event", "previous", "topics", "trace", "waiting")

    def __init__(self, entry: Entry, previous: Cursor) -> None:
        self.cursor = entry.cursor
        self.previous = previous
        self.arrived = time.monotonic()
        self.waiting = False
        """Whether the hub has yet to begin sending it."""
        self.event = entry.event
        self.trace = entry.trace
        self._parts = tuple(parts_of(entry.event)) if entry.event else ()
        self._encoded: dict[tuple[Matched, Variant, bool], bytes] = {}
        self.topics = frozenset(topic for part in self._parts for topic in part.topics)
        """Every topic that the entry concerned when it came."""

    @property
    def urgent(self) -> bool:
        """Whether it goes ahead of routine entries that wait: what was wrong must go, what is breaking must come."""
        return isinstance(self.event, UpdateRetracted | StoryWithdrawn | NoticeChanged)

    def encoded(self, topics: frozenset[str], variant: Variant, *, ahead: bool = False) -> bytes:
        """The bytes for a reader of these topics; none when the entry does not concern them.

        With `ahead` they do not move the reader's cursor, since entries before this one are still to come.
        """
        matched = tuple(self._matching(topics))
        if not matched:
            return b""
        key = (matched, variant, ahead)
        if key not in self._encoded:
            messages = self._messages(matched, variant.form, ahead)
            self._encoded[key] = b"".join(encode(message, variant.wire) for message in messages)
        return self._encoded[key]

    def messages(self, topics: frozenset[str], form: Form) -> list[Message]:
        """The messages for a reader of these topics, not yet encoded."""
        return list(self._messages(tuple(self._matching(topics)), form, False))

    def withdraw(self) -> None:
        """Forgets the text, since the newsroom withdrew it; only the entry's place remains."""
        self.event = None
        self._parts = ()
        self._encoded.clear()

    def _matching(self, topics: frozenset[str]) -> Iterator[tuple[int, str]]:
        for number, part in enumerate(self._parts):
            for topic in part.topics:
                if topic in topics:
                    yield number, topic
                    break

    def _messages(self, matched: Matched, form: Form, ahead: bool) -> Iterator[Message]:
        for count, (number, topic) in enumerate(matched, 1):
            assert self.event is not None  # else there would be no parts
            part = self._parts[number]
            message = {"type": part.fields["type"], "id": str(self.cursor), "topic": topic}
            message |= {"at": rfc3339(self.event.at), **part.fields}
            if ahead or count < len(matched):
                message["more"] = True
            yield message | part.content(form)


def encode(message: Message, wire: Wire) -> bytes:
    """One message on the wire: a WebSocket frame, or a server-sent event (WHATWG HTML, 9.2).

    An event has an `id:` line only where the cursor moves, since browsers resume from the last they saw.
    """
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    if wire != "sse":
        return text_frame(text, deflate=wire == "deflated")
    moves = "id" in message and not message.get("more")
    return (f"id: {message['id']}\n".encode() if moves else b"") + b"data: " + text + b"\n\n"


def hello(cursor: Cursor, moment: datetime) -> Message:
    """The first message: where the reader stands, and what the time is."""
    return {"type": "hello", "id": str(cursor), "now": rfc3339(moment)}


def tick(cursor: Cursor, moment: datetime) -> Message:
    """The heartbeat, and the clock that the tickers on a page run on."""
    return {"type": "tick", "id": str(cursor), "now": rfc3339(moment)}


def reset(cursor: Cursor) -> Message:
    """The reader's cursor is lost: take a fresh snapshot."""
    return {"type": "reset", "id": str(cursor)}


def reconnect(millis: int) -> Message:
    """The server asks the reader to connect again after so many milliseconds."""
    return {"type": "reconnect", "in": millis}


def notice_in_force(cursor: Cursor, notice: Notice | None, moment: datetime, form: Form) -> Message:
    """The breaking notice of this moment, for a reader who joins; without one, it clears what a page may still show.

    It moves no cursor, since it is no entry.
    """
    part = _notice_part(notice)
    at = rfc3339(notice.first_created if notice else moment)
    return {**part.fields, "id": str(cursor), "topic": "breaking", "at": at, "more": True} | part.content(form)


def parts_of(event: Event) -> Iterator[Part]:
    """What an event means to the readers of which topics."""
    match event:
        case StoryPublished():
            yield from _story_parts(event)
        case StoryWithdrawn(slug=slug, version=version):
            fields = {"type": "story", "story": slug, "version": version, "gone": True}
            yield Part((f"story/{slug}",), fields)
            yield Part(_streams(event.sections), fields)
        case UpdatePublished(update=update, card=card):
            yield _update_part(event.type, update)
            if card:
                fields = {"type": "story", "story": card.slug, "version": card.version}
                yield Part(_streams(card.sections), fields, lambda: card_fragment(card), card.public)
        case UpdateRetracted(update=update):
            yield _update_part("retraction", update)
        case NoticeChanged(notice=notice):
            yield _notice_part(notice)
        case PromoChanged(promo=promo):
            yield _promo_part(promo)


def _story_parts(event: StoryPublished) -> Iterator[Part]:
    story, card = event.story, event.card
    fields = {"type": "story", "story": story.slug, "version": story.version}
    yield Part((f"story/{story.slug}",), fields, lambda: story_fragment(story), story.public)
    yield Part(_streams(story.sections), fields, lambda: card_fragment(card), card.public)
    if event.left:
        yield Part(tuple(f"section/{slugify(name)}" for name in event.left), {**fields, "gone": True})


def _update_part(kind: str, update: Update) -> Part:
    fields = {
        "type": kind, "story": update.story, "update": update.id, "version": update.version,
        "created": rfc3339(update.first_created), "pinned": update.pinned,
    }  # fmt: skip
    return Part((f"story/{update.story}",), fields, lambda: update_fragment(update), update.public)


def _notice_part(notice: Notice | None) -> Part:
    if notice is None:
        return Part(("breaking",), {"type": "notice"})
    return Part(("breaking",), {"type": "notice"}, lambda: notice_fragment(notice), notice.public)


def _promo_part(promo: Promo | None) -> Part:
    if promo is None:
        return Part(("breaking",), {"type": "promo"})
    return Part(("breaking",), {"type": "promo"}, lambda: promo_fragment(promo), promo.public)


def _streams(sections: tuple[str, ...]) -> tuple[str, ...]:
    """The topics of the pages on which a story of these sections is listed."""
    return ("front", *(f"section/{slugify(name)}" for name in sections))
