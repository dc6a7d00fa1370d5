"""What is published: cursors, slugs, teasers, identifiers, and the records themselves."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from live.errors import MalformedCursor
from live.model import (
    ORIGIN,
    Byline,
    Card,
    Cursor,
    Event,
    Notice,
    NoticeChanged,
    NoticeDraft,
    Promo,
    PromoChanged,
    Retraction,
    Story,
    StoryDraft,
    StoryPublished,
    StoryWithdrawn,
    Update,
    UpdatePublished,
    UpdateRetracted,
    millis,
    new_update_id,
    now,
    slugify,
    teaser_of,
)

U64 = st.integers(min_value=0, max_value=2**64 - 1)
CURSORS = st.builds(Cursor, U64, U64)
MOMENT = datetime(2026, 11, 22, 20, 26, 0, 123000, UTC)


# Cursors


@given(CURSORS)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(CURSORS, CURSORS)
def test_cursors_sort_as_the_journal_does(one: Cursor, other: Cursor) -> None:
    assert (one < other) == ((one.millis, one.sequence) < (other.millis, other.sequence))
    assert one >= ORIGIN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "1--2",
        "-1-2",
        "+1-2",
        " 1-2",
        "1-2 ",
        "1-2\n",
        "1_0-2",
        "0x1-2",
        "1.0-2",
        "$",
        "*",
        "1-*",
        "²-1",
        "\u0661-\u0662",
        "18446744073709551616-0",
        "0-18446744073709551616",
        "9" * 21 + "-0",
        "reset",
    ],
)
def test_rubbish_is_no_cursor(text: str) -> None:
    with pytest.raises(MalformedCursor) as caught:
        Cursor.parse(text)
    assert "1700000000000-0" in caught.value.detail


@given(st.text())
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except MalformedCursor:
        return
    assert re.fullmatch("[0-9]+-[0-9]+", text)
    assert 0 <= min(cursor) <= max(cursor) < 2**64


def test_a_refusal_repeats_little_of_what_was_sent() -> None:
    with pytest.raises(MalformedCursor) as caught:
        Cursor.parse("x" * 10_000)
    assert len(caught.value.detail) < 250


# Slugs


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Port Ellery closes its waterfront", "port-ellery-closes-its-waterfront"),
        ("It's the mayor's day", "its-the-mayors-day"),
        ("  Élan — naïve  Façade! ", "elan-naive-facade"),
        ("3 mins ago / 50% off", "3-mins-ago-50-off"),
        ("Science & Nature", "science-nature"),
        ("a_b.c", "a-b-c"),
        ("ﬁnal ①", "final-1"),
        ("洪水", ""),
        ("", ""),
        ("---", ""),
        ("x" * 100, "x" * 80),
        (("word " * 30).strip(), "-".join(["word"] * 16)),
    ],
)
def test_a_slug_is_plain_words_with_hyphens(text: str, slug: str) -> None:
    assert slugify(text) == slug


@given(st.text(), st.integers(min_value=1, max_value=100))
def test_a_slug_is_one_whatever_the_text(text: str, limit: int) -> None:
    slug = slugify(text, limit)
    assert len(slug) <= limit
    assert re.fullmatch(r"(?:[a-z0-9]+(?:-[a-z0-9]+)*)?", slug, re.ASCII)
    assert slugify(slug, limit) == slug


# Teasers


@pytest.mark.parametrize(
    ("body", "teaser"),
    [
        ("One paragraph.", "One paragraph."),
        ("One.\n\nTwo.\n\nThree.", "One.\n\nTwo."),
        ("**Why it matters:** Much.\n\nMore.", "**Why it matters:** Much.\n\nMore."),
        ("# Heading\n\nWords.", "Words."),
        ("- a list\n- of two\n\nWords.", "Words."),
        ("* a list\n\nWords.", "Words."),
        ("1. first\n\nWords.", "Words."),
        ("> a quotation\n\nWords.", "Words."),
        ("```\ncode\n```\n\nWords.", "Words."),
        ("One.\n  \n\n \nTwo.", "One.\n\nTwo."),
        ("- only\n- a list", ""),
        ("", ""),
    ],
)
def test_a_teaser_is_the_first_plain_paragraphs(body: str, teaser: str) -> None:
    assert teaser_of(body) == teaser


def test_a_second_paragraph_that_does_not_fit_is_left_out() -> None:
    assert teaser_of("Short.\n\n" + "word " * 100) == "Short."


def test_a_long_paragraph_is_cut_between_words() -> None:
    assert teaser_of("one two, three four", limit=12) == "one two…"
    assert set(teaser_of("word " * 200).removesuffix("…").split()) == {"word"}


@given(st.text(), st.integers(min_value=1, max_value=500))
@example("x" * 30, 10)
@example("  x", 1)
@example("a\n\nb", 3)
def test_a_teaser_is_never_longer_than_its_limit(body: str, limit: int) -> None:
    assert len(teaser_of(body, limit)) <= limit + len("…")


# Identifiers of updates

MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 2),
    max_value=datetime(9999, 12, 30),
    timezones=st.just(UTC),
)


@given(MOMENTS, MOMENTS)
def test_the_ids_of_updates_sort_by_time(one: datetime, other: datetime) -> None:
    first, second = new_update_id(one), new_update_id(other)
    assert re.fullmatch("[0-9a-z]{16}", first)
    if millis(one) != millis(other):
        assert (first < second) == (millis(one) < millis(other))


def test_ids_of_one_moment_differ() -> None:
    assert len({new_update_id(MOMENT) for _ in range(1000)}) == 1000


def test_the_present_has_whole_milliseconds_in_utc() -> None:
    moment = now()
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1000 == 0
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=5)


# Records


def story(**fields: Any) -> Story:
    given: dict[str, Any] = {
        "slug": "a", "headline": "A", "sections": ("World",), "body": "B", "first_created": MOMENT,
        "version_created": MOMENT, "version": 1,
    }  # fmt: skip
    return Story(**(given | fields))


def update(**fields: Any) -> Update:
    given: dict[str, Any] = {
        "id": "0" * 16, "story": "a", "body": "B", "first_created": MOMENT, "version_created": MOMENT, "version": 1,
    }  # fmt: skip
    return Update(**(given | fields))


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        story().headline = "B"  # type: ignore[misc]


def test_what_is_stored_is_in_utc() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert story(first_created=there).model_dump_json(by_alias=True).count("2026-11-22T20:26:00.123000Z") == 2


def test_lines_have_single_spaces_and_bodies_keep_theirs() -> None:
    draft = StoryDraft(headline=" A\n  B ", sections=("World \t News",), body=" One.\n\n  Two.  ")
    assert (draft.headline, draft.sections, draft.body) == ("A B", ("World News",), "One.\n\n  Two.")


def test_public_fields_have_no_internal_note() -> None:
    assert "edNote" not in story(ed_note="secret").public()
    assert story(ed_note="secret").for_readers().ed_note is None
    assert update(ed_note="secret").for_readers().ed_note is None


def test_a_card_is_cut_from_its_story() -> None:
    at = MOMENT + timedelta(hours=1)
    card = story(by=(Byline(name="Ada"),), urgency=2, body="One.\n\n- two").card(at)
    assert card == Card(
        slug="a", headline="A", sections=("World",), by=(Byline(name="Ada"),), teaser="One.", urgency=2, version=1,
        at=at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, True),
        ({"pub_status": "withheld"}, False),
        ({"pub_status": "canceled"}, False),
        ({"pub_status": "canceled", "body": "", "retraction": Retraction(reason="Misread.", at=MOMENT)}, True),
    ],
)
def test_an_update_is_on_the_page_once_it_was_published(fields: dict[str, Any], shown: bool) -> None:
    assert update(**fields).on_page is shown


@pytest.mark.parametrize(("expires", "in_force"), [(None, True), (1, True), (0, False), (-1, False)])
def test_a_notice_is_in_force_until_it_expires(expires: int | None, in_force: bool) -> None:
    end = None if expires is None else MOMENT + timedelta(milliseconds=expires)
    assert Notice(text="A", expires=end, first_created=MOMENT, version=1).in_force(MOMENT) is in_force


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_moment_beyond_the_calendar_is_refused_like_any_other_bad_value(moment: str) -> None:
    with pytest.raises(ValidationError):
        NoticeDraft.model_validate({"text": "A", "expires": moment})


EVENTS: list[Event] = [
    StoryPublished(at=MOMENT, story=story(), card=story().card(MOMENT)),
    StoryPublished(at=MOMENT, story=story(notice="A"), card=story().card(MOMENT), left=("Sport",)),
    StoryWithdrawn(at=MOMENT, slug="a", sections=("World",), version=2),
    UpdatePublished(type="update", at=MOMENT, update=update(), card=story().card(MOMENT)),
    UpdatePublished(type="correction", at=MOMENT, update=update()),
    UpdateRetracted(at=MOMENT, update=update(body="", pub_status="canceled")),
    NoticeChanged(at=MOMENT, notice=Notice(text="A", first_created=MOMENT, version=1)),
    NoticeChanged(at=MOMENT, notice=None),
    PromoChanged(at=MOMENT, promo=Promo(text="A", url="/a", version=1)),
    PromoChanged(at=MOMENT, promo=None),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_read_as_it_is_written_to_the_journal(event: Event) -> None:
    text = event.model_dump_json(by_alias=True, exclude_none=True)
    adapter: TypeAdapter[Event] = TypeAdapter(Event)
    assert adapter.validate_json(text) == event
