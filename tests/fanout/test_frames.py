"""Frames: what a message says, `more`, and that each is encoded once however many readers there are."""

import asyncio
import json
from collections.abc import Callable

import pytest

from live.fanout import Hub, frames
from live.fanout.frames import Form, Frames, Message, Variant, Wire
from live.model import ORIGIN, Cursor, Entry, Event
from tests.fanout.newsroom import SECTION, Connection, Data, Decoder, ModelJournal, Newsroom, clock, parts_of, settle

ALL = frozenset({"front", "breaking", SECTION, "story/quay", "story/harbour"})
WIRES: tuple[Wire, ...] = ("ws", "deflated", "sse")
MAKERS: dict[str, Callable[[Newsroom], Event | None]] = {
    "story": lambda newsroom: newsroom.story("quay"),
    "update": lambda newsroom: newsroom.update("quay"),
    "edit": lambda newsroom: newsroom.update("quay") and newsroom.edit(),
    "retraction": lambda newsroom: newsroom.update("quay") and newsroom.retract(0),
    "notice": lambda newsroom: newsroom.put_notice(),
    "cleared notice": lambda newsroom: newsroom.put_notice() and newsroom.clear_notice(),
}


def made(kind: str) -> Frames:
    event = MAKERS[kind](Newsroom())
    assert event
    return Frames(Entry(Cursor(5, 0), event), ORIGIN)


def decoded(made: Frames, topics: frozenset[str], wire: Wire, form: Form = "json") -> list[Data]:
    return Decoder(wire).feed(made.encoded(topics, Variant(form, wire)))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", MAKERS)
def test_all_but_the_last_part_say_more(kind: str, wire: Wire) -> None:
    frames = made(kind)
    messages = decoded(frames, ALL, wire)
    assert len(messages) == len(parts_of(frames.event))
    assert [message.get("more", False) for message in messages] == [True] * (len(messages) - 1) + [False]
    assert {message["id"] for message in messages} == {"5-0"}
    assert all({"type", "topic", "at"} <= message.keys() for message in messages)


@pytest.mark.parametrize("topics", [{"front"}, {"story/quay"}, {SECTION}, {"front", SECTION}])
def test_a_reader_of_one_part_gets_it_alone_and_without_more(topics: set[str]) -> None:
    (message,) = decoded(made("update"), frozenset(topics), "ws")
    assert "more" not in message
    assert message["topic"] in topics


@pytest.mark.parametrize("kind", MAKERS)
def test_what_goes_ahead_moves_no_cursor(kind: str) -> None:
    entry = made(kind)
    raw = entry.encoded(ALL, Variant("json", "sse"), ahead=True)
    assert b"id: " not in raw
    assert all(message["more"] is True for message in Decoder("sse").feed(raw))
    assert raw != entry.encoded(ALL, Variant("json", "sse"))


@pytest.mark.parametrize("topics", [set(), {"breaking"}, {"story/harbour"}, {"section/weather"}])
def test_an_entry_is_nothing_to_those_whom_it_does_not_concern(topics: set[str]) -> None:
    assert made("update").encoded(frozenset(topics), Variant("html", "ws")) == b""


@pytest.mark.parametrize("form", ["html", "json"])
def test_a_form_has_its_content_and_not_the_other(form: Form) -> None:
    content, other = ("html", "item") if form == "html" else ("item", "html")
    for message in decoded(made("update"), ALL, "ws", form):
        assert message[content] and other not in message


@pytest.mark.parametrize("form", ["html", "json"])
def test_a_notice_that_came_down_has_no_content(form: Form) -> None:
    (message,) = decoded(made("cleared notice"), ALL, "ws", form)
    assert not {"html", "item"} & message.keys()


def test_every_wire_says_the_same() -> None:
    entry = made("update")
    assert decoded(entry, ALL, "ws") == decoded(entry, ALL, "deflated") == decoded(entry, ALL, "sse")


def test_withdrawn_text_is_forgotten_though_it_was_encoded() -> None:
    entry = made("update")
    assert entry.encoded(ALL, Variant("json", "ws"))
    entry.withdraw()
    assert entry.encoded(ALL, Variant("json", "ws")) == b""
    assert entry.cursor == Cursor(5, 0)


def test_a_line_break_in_a_text_does_not_break_an_event() -> None:
    newsroom = Newsroom()
    event = newsroom.update("quay")
    text = "one\n\ndata: two\r\nid: 9-9\u2028three"
    changed = event.model_copy(update={"update": newsroom.updates[-1].model_copy(update={"body": text})})
    message = decoded(Frames(Entry(Cursor(1, 0), changed), ORIGIN), frozenset({"story/quay"}), "sse")[0]
    assert message["item"]["body"] == text


class Counter:
    """Counts the calls of `encode`, and lets them through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, Wire]] = []
        real = frames.encode

        def counted(message: Message, wire: Wire) -> bytes:
            self.calls.append((json.dumps(message, sort_keys=True), wire))
            return real(message, wire)

        monkeypatch.setattr(frames, "encode", counted)


@pytest.mark.anyio
@pytest.mark.parametrize("readers", [10, 500])
async def test_each_message_is_encoded_once_a_variant_whatever_the_number_of_readers(
    readers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, newsroom = ModelJournal(), Newsroom()
    hub = Hub(journal.since, clock, ring=100)
    hub.start(ORIGIN, [], None)
    connections = [
        await Connection(hub, WIRES[number % 3], frozenset({"front", "story/quay"}), 100_000, 0).open(None)
        for number in range(readers)
    ]
    assert hub.readers == readers
    try:
        counter = Counter(monkeypatch)
        for event in (newsroom.update("quay"), newsroom.story("quay"), newsroom.update("harbour")):
            hub.publish(journal.append(event))
        await settle()
        got = [[message for message in connection.read() if message["type"] != "hello"] for connection in connections]
        assert all(messages == got[0] for messages in got)
        assert [message["type"] for message in got[0]] == ["update", "story", "story", "story", "story"]
        assert len(counter.calls) == 5 * len(WIRES)
        assert len(set(counter.calls)) == len(counter.calls)
    finally:
        for connection in connections:
            connection.cut()
            connection.reader.abort()
        await asyncio.sleep(0)
        await settle()


@pytest.mark.anyio
async def test_readers_of_different_topics_share_what_they_have_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, newsroom = ModelJournal(), Newsroom()
    hub = Hub(journal.since, clock, ring=100)
    wanted = [{"front"}, {"front", "breaking"}, {"front", "story/harbour"}, {"story/quay"}, {"story/quay", "breaking"}]
    connections = [await Connection(hub, "ws", frozenset(topics), 100_000, 0).open(None) for topics in wanted]
    counter = Counter(monkeypatch)
    hub.publish(journal.append(newsroom.update("quay")))
    await settle()
    assert len(counter.calls) == 2
    for connection in connections:
        assert len([message for message in connection.read() if "item" in message]) == 1
        await connection.end()


@pytest.mark.anyio
async def test_readers_who_join_together_share_the_notice_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, newsroom = ModelJournal(), Newsroom()
    hub = Hub(journal.since, clock, ring=100)
    hub.publish(journal.append(newsroom.put_notice()))
    await settle()
    counter = Counter(monkeypatch)
    connections = [await Connection(hub, "ws", frozenset({"breaking"}), 100_000, 0).open(None) for _ in range(20)]
    assert len([call for call in counter.calls if '"notice"' in call[0]]) == 1
    for connection in connections:
        assert [message["type"] for message in connection.read()] == ["hello", "notice"]
        await connection.end()
