"""What a newsroom publishes. `*Draft` and `*Edit` are what an editor sends; the others are what is stored.

JSON names follow IPTC ninjs 3.1 where it has one. Times are aware datetimes in UTC, written as RFC 3339.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from live.model.fields import (
    Body,
    Flag,
    Language,
    Line,
    Moment,
    PubStatus,
    Section,
    Slug,
    Target,
    Text,
    UpdateID,
    Urgency,
    without_repeats,
)
from live.model.text import teaser_of

INTERNAL = frozenset({"ed_note", "submitted", "publish_at", "embargoed_until", "edited_by"})
"""Fields of stories and updates that readers never get."""


class Frozen(BaseModel):
    """Immutable, camelCase in JSON, and nothing in it that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    def public(self) -> dict[str, Any]:
        """The JSON-ready fields, without those that are empty and without what only the newsroom may see."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(INTERNAL))


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


Submitted = Annotated[Flag, Field(description="A draft that waits for an editor.")]
PublishAt = Annotated[Moment | None, Field(description="When the server publishes it; withheld until then.")]
EmbargoedUntil = Annotated[Moment | None, Field(description="Not published before, whatever is asked for.")]


class StoryEdit(Frozen):
    """The fields of a story that an editor sets and changes."""

    headline: Line
    sections: Annotated[tuple[Section, ...], Field(min_length=1, max_length=8), AfterValidator(without_repeats)]
    by: Annotated[tuple[Byline, ...], Field(max_length=12)] = ()
    image: Image | None = None
    body: Body = Field(description="Markdown.")
    urgency: Urgency = Field(5, description="1 flash, 2 bulletin, 3 urgent, 5 regular, 7 deferred.")
    pub_status: PubStatus = "usable"
    notice: Text | None = Field(None, description="The public editor's note below the story.")
    ed_note: Text | None = Field(None, description="Internal: never shown to readers.")
    language: Language = Field("en", description="A BCP 47 tag; a new story that names none has the site's.")
    related: Annotated[tuple[Link, ...], Field(max_length=20)] = ()
    coverage_end: Moment | None = Field(None, description="When the coverage ended: no new updates after it.")
    submitted: Submitted = False
    publish_at: PublishAt = None
    embargoed_until: EmbargoedUntil = None


class StoryDraft(StoryEdit):
    """A new story."""

    slug: Slug | None = Field(None, description="Made from the headline when left out; cannot change later.")


class Story(StoryEdit):
    """A story as stored. `version` counts its changes from 1."""

    slug: Slug
    first_created: Moment
    version_created: Moment
    version: int
    published: Moment | None = None
    edited_by: Line | None = None
    has_updates: bool = False

    def card(self, at: datetime) -> "Card":
        """The story as the stream of stories shows it, last active at that moment."""
        return Card(
            slug=self.slug, headline=self.headline, sections=self.sections, by=self.by, image=self.image,
            teaser=teaser_of(self.body), urgency=self.urgency, language=self.language, version=self.version, at=at,
            live=self.has_updates and (self.coverage_end is None or self.coverage_end > at),
        )  # fmt: skip

    def for_readers(self) -> "Story":
        """The story without what only the newsroom may see."""
        return self.model_copy(update={name: Story.model_fields[name].default for name in INTERNAL})


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
    key_event: Flag = False
    pinned: Flag = False
    pub_status: Literal["usable", "withheld"] = "usable"
    ed_note: Text | None = Field(None, description="Internal: never shown to readers.")
    submitted: Submitted = False
    publish_at: PublishAt = None
    embargoed_until: EmbargoedUntil = None


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
    submitted: bool = False
    publish_at: Moment | None = None
    embargoed_until: Moment | None = None
    edited_by: str | None = None
    first_created: Moment
    version_created: Moment
    published: Moment | None = None
    version: int
    corrections: tuple[Correction, ...] = ()
    retraction: Retraction | None = None

    def for_readers(self) -> "Update":
        """The update without what only the newsroom may see."""
        return self.model_copy(update={name: Update.model_fields[name].default for name in INTERNAL})

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


class ListedNotice(NoticeDraft):
    """A notice that is not in force: prepared, or `shown` before."""

    id: Annotated[str, Field(pattern=r"^[0-9a-z]{1,20}$")]
    first_created: Moment
    version: int
    shown: bool = False


class PromoDraft(Frozen):
    """The strip above everything, as an admin sends it."""

    text: Line
    url: Target


class Promo(PromoDraft):
    """The promo strip as stored."""

    version: int


class Card(Frozen):
    """A story as the stream of stories shows it. `teaser` is Markdown cut from the body; `at` its last activity.

    It is `live` while it has updates and its coverage goes on.
    """

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
    live: bool = False
