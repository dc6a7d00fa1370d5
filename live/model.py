"""What a newsroom publishes: validated once at the door, frozen after it.

JSON names follow IPTC ninjs 3.1 where it has one. `*Draft` classes are what an editor sends; the others are what
is stored. Times are aware datetimes in UTC, written as RFC 3339.
"""

import re
import secrets
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from live.errors import MalformedCursor

T = TypeVar("T")
SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
CURSOR = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's alphabet: sorts as it counts, no look-alikes


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


def now() -> datetime:
    """The present time in UTC, to the millisecond (what the wire carries)."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def millis(moment: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)


def slugify(text: str, limit: int = 80) -> str:
    """The text as lower-case ASCII words joined by hyphens, at most `limit` characters; may be empty."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.lower().replace("'", ""))
    slug = ""
    for word in words:
        if len(slug) + len(word) + 1 > limit:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug or "-".join(words)[:limit].strip("-")


def teaser_of(body: str, limit: int = 420) -> str:
    """The first one or two plain paragraphs of a Markdown body, as Markdown, cut between words at `limit`."""
    plain = [p.strip() for p in re.split(r"\n\s*\n", body) if not re.match(r"\s*(?:[-*+>#|`]|\d+[.)])(?!\*)", p)]
    teaser = plain[0] if plain else ""
    if len(plain) > 1 and len(teaser) + len(plain[1]) <= limit:
        return f"{teaser}\n\n{plain[1]}"
    if len(teaser) <= limit:
        return teaser
    return teaser[:limit].rsplit(None, 1)[0].rstrip(".,;:") + "…"


def new_update_id(moment: datetime) -> str:
    """An ID that sorts by time: 10 characters of milliseconds, 6 of chance."""
    number = millis(moment)
    time_part = "".join(BASE32[number >> shift & 31] for shift in range(45, -5, -5))
    return time_part + "".join(secrets.choice(BASE32) for _ in range(6))


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _link_target(url: str) -> str:
    """Web addresses and paths of this site only: no script, no data, no protocol-relative surprise."""
    if not re.fullmatch(r"(?:https?://[^\s/][^\s]*|/(?!/)[^\s\\]*)", url, re.IGNORECASE):
        raise ValueError("must be an http(s) URL or a path that starts with one slash")
    return url


def _without_repeats(items: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=80)]
UpdateID = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{16}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(_one_line)]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100_000)]
Target = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_link_target)]
Section = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=60, pattern=r"[A-Za-z0-9]"),
    AfterValidator(_one_line),
]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$", max_length=35)]
Urgency = Annotated[int, Field(ge=1, le=9, strict=True)]
PubStatus = Literal["usable", "withheld", "canceled"]


class Frozen(BaseModel):
    """Immutable, camelCase in JSON, and nothing in it that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def public(self) -> dict[str, Any]:
        """The JSON-ready fields, without those that are empty and without what only the newsroom may see."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"ed_note"})


class Byline(Frozen):
    """Who wrote it; `note` says briefly who that is."""

    name: Line
    note: Line | None = None


class Image(Frozen):
    """A picture by its address; `alt` says what it shows to those who cannot see it."""

    src: Target
    alt: Text
    caption: Text | None = None
    credit: Line | None = None
    width: Annotated[int, Field(ge=1, le=20_000, strict=True)] | None = None
    height: Annotated[int, Field(ge=1, le=20_000, strict=True)] | None = None


class Link(Frozen):
    """A related story under "Go deeper"."""

    headline: Line
    url: Target


class StoryEdit(Frozen):
    """The fields of a story that an editor sets and changes."""

    headline: Line
    sections: Annotated[tuple[Section, ...], Field(min_length=1, max_length=8), AfterValidator(_without_repeats)]
    by: Annotated[tuple[Byline, ...], Field(max_length=12)] = ()
    image: Image | None = None
    body: Body = Field(description="Markdown.")
    urgency: Urgency = Field(5, description="1 flash, 2 bulletin, 3 urgent, 5 regular, 7 deferred.")
    pub_status: PubStatus = "usable"
    notice: Text | None = Field(None, description="The public editor's note below the story.")
    ed_note: Text | None = Field(None, description="Internal: never shown to readers.")
    language: Language = "en"
    related: Annotated[tuple[Link, ...], Field(max_length=20)] = ()


class StoryDraft(StoryEdit):
    """A new story."""

    slug: Slug | None = Field(None, description="Made from the headline when left out; cannot change later.")


class Story(StoryEdit):
    """A story as stored. `version` counts its changes from 1."""

    slug: Slug
    first_created: Moment
    version_created: Moment
    version: int

    def card(self, at: datetime) -> "Card":
        """The story as the stream of stories shows it, last active at that moment."""
        return Card(
            slug=self.slug, headline=self.headline, sections=self.sections, by=self.by, image=self.image,
            teaser=teaser_of(self.body), urgency=self.urgency, language=self.language, version=self.version, at=at,
        )  # fmt: skip

    def without_internal_notes(self) -> "Story":
        """The story as readers may have it."""
        return self.model_copy(update={"ed_note": None})


class Correction(Frozen):
    """A note to readers on what was wrong in an update and when it was put right."""

    note: Text
    at: Moment


class Retraction(Frozen):
    """Why an update was withdrawn, for readers to see, and when."""

    reason: Text
    at: Moment


class UpdateDraft(Frozen):
    """The fields of an update that an editor sets."""

    headline: Line | None = None
    body: Body = Field(description="Markdown.")
    by: Annotated[tuple[Byline, ...], Field(max_length=12)] = ()
    image: Image | None = None
    urgency: Urgency = 5
    key_event: bool = False
    pinned: bool = False
    pub_status: Literal["usable", "withheld"] = "usable"
    ed_note: Text | None = Field(None, description="Internal: never shown to readers.")


class UpdateEdit(UpdateDraft):
    """A change of an update; with `correction`, readers are told what was wrong."""

    correction: Text | None = Field(None, description="Note to readers; without it the edit is silent.")


class Update(Frozen):
    """An update as stored. Once retracted it has no text, for good."""

    id: UpdateID
    story: Slug
    headline: Line | None = None
    body: str
    by: tuple[Byline, ...] = ()
    image: Image | None = None
    urgency: Urgency = 5
    key_event: bool = False
    pinned: bool = False
    pub_status: PubStatus = "usable"
    ed_note: str | None = None
    first_created: Moment
    version_created: Moment
    version: int
    corrections: tuple[Correction, ...] = ()
    retraction: Retraction | None = None

    def without_internal_notes(self) -> "Update":
        """The update as readers may have it."""
        return self.model_copy(update={"ed_note": None})

    @property
    def on_page(self) -> bool:
        """Whether readers see it: published, or published once and withdrawn."""
        return self.pub_status == "usable" or self.retraction is not None


class NoticeDraft(Frozen):
    """A breaking notice as an editor sends it."""

    text: Line
    story: Slug | None = Field(None, description="The story that the notice leads to.")
    urgency: Annotated[int, Field(ge=1, le=3, strict=True)] = Field(2, description="1 flash, 2 bulletin, 3 urgent.")
    expires: Moment | None = Field(None, description="When the notice goes by itself; left out, it stays.")


class Notice(NoticeDraft):
    """The breaking notice in force, on every page of the site."""

    first_created: Moment
    version: int

    def in_force(self, moment: datetime) -> bool:
        """Whether it has not expired at that moment."""
        return self.expires is None or moment < self.expires


class PromoDraft(Frozen):
    """The strip above everything, as an admin sends it."""

    text: Line
    url: Target


class Promo(PromoDraft):
    """The promo strip as stored."""

    version: int


class Card(Frozen):
    """A story as the stream of stories shows it. `teaser` is Markdown cut from the body; `at` its last activity."""

    slug: Slug
    headline: str
    sections: tuple[str, ...]
    by: tuple[Byline, ...] = ()
    image: Image | None = None
    teaser: str = ""
    urgency: Urgency = 5
    language: Language = "en"
    version: int
    at: Moment


class StoryPublished(Frozen):
    """A story appeared or changed. `left` are the sections it is no longer in."""

    type: Literal["story"] = "story"
    at: Moment
    story: Story
    card: Card
    left: tuple[str, ...] = ()


class StoryWithdrawn(Frozen):
    """A story is no longer public."""

    type: Literal["withdrawal"] = "withdrawal"
    at: Moment
    slug: Slug
    sections: tuple[str, ...]
    version: int


class UpdatePublished(Frozen):
    """An update appeared or was edited (`update`), or was put right with a note to readers (`correction`).

    `card` moves the story up in the stream of stories; edits have none.
    """

    type: Literal["update", "correction"]
    at: Moment
    update: Update
    card: Card | None = None


class UpdateRetracted(Frozen):
    """An update was withdrawn: `update` is what remains of it."""

    type: Literal["retraction"] = "retraction"
    at: Moment
    update: Update


class NoticeChanged(Frozen):
    """The breaking notice went up, changed or (None) came down."""

    type: Literal["notice"] = "notice"
    at: Moment
    notice: Notice | None = None


class PromoChanged(Frozen):
    """The promo strip changed or (None) went."""

    type: Literal["promo"] = "promo"
    at: Moment
    promo: Promo | None = None


Event = Annotated[
    StoryPublished | StoryWithdrawn | UpdatePublished | UpdateRetracted | NoticeChanged | PromoChanged,
    Field(discriminator="type"),
]


class Entry(NamedTuple):
    """One item of the journal. `event` is None where its text was since withdrawn: only its place remains."""

    cursor: Cursor
    event: Event | None
