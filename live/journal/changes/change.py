"""One atomic step of the site: what it rests on, what it writes, what readers learn, and what the trail keeps."""

from dataclasses import dataclass

from live.model import Deed, Event, Frozen, StoryPublished, StoryWithdrawn, UpdatePublished, UpdateRetracted

NOT_CHANGES = {"version", "versionCreated", "editedBy", "corrections", "published"}


@dataclass(frozen=True, slots=True)
class Guard:
    """A record that must be at this version (0: not exist) for the change to happen."""

    collection: str
    field: str
    version: int


@dataclass(frozen=True, slots=True)
class Write:
    """One Redis write: command, the collection it goes to, and the rest of its arguments."""

    command: str
    collection: str
    arguments: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic step of the site. `record` is what the editor gets back, None if the record is gone."""

    record: Frozen | None
    event: Event | None
    guards: tuple[Guard, ...]
    writes: tuple[Write, ...]
    deed: Deed

    @property
    def carries(self) -> tuple[str, str]:
        """The slug of the story and the ID of the update whose text the event carries; '' for none."""
        match self.event:
            case StoryPublished(story=story):
                return story.slug, ""
            case UpdatePublished(update=update):
                return update.story, update.id
        return "", ""

    @property
    def withdraws(self) -> str:
        """What no replay may show any more: '<slug>', '<slug>/<update>', or '' for nothing."""
        match self.event:
            case StoryWithdrawn(slug=slug):
                return slug
            case UpdateRetracted(update=update):
                return f"{update.story}/{update.id}"
        return ""


def stored(record: Frozen) -> str:
    """The record as Redis keeps it."""
    return record.model_dump_json(by_alias=True, exclude_none=True)


def differing(old: Frozen, new: Frozen) -> tuple[str, ...]:
    """The JSON names of the fields in which two versions of a record differ."""
    before, after = (record.model_dump(mode="json", by_alias=True) for record in (old, new))
    return tuple(name for name, value in after.items() if value != before.get(name) and name not in NOT_CHANGES)
