"""What can happen to a site in its readers' eyes: the contents of journal entries."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from live.model.cursor import Cursor
from live.model.fields import Moment, Slug
from live.model.records import Card, Frozen, Notice, Promo, Story, Update


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
    trace: str = ""
    """The `traceparent` (W3C Trace Context) of what caused it, where that is traced and the entry came at once."""
