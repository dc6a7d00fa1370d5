"""What an editor can change, decided without I/O: each function turns records into one Change for the journal.

A Change names the records it rests on (guards), what to write, and the event that readers learn, if any.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from live.errors import AlreadyRetracted, NotAllowedNow
from live.journal.keys import SECTIONS, SITE, STORIES, index_of, updates_of
from live.model import (
    Correction,
    Event,
    Frozen,
    Notice,
    NoticeChanged,
    NoticeDraft,
    Promo,
    PromoChanged,
    PromoDraft,
    Retraction,
    Story,
    StoryDraft,
    StoryEdit,
    StoryPublished,
    StoryWithdrawn,
    Update,
    UpdateDraft,
    UpdateEdit,
    UpdatePublished,
    UpdateRetracted,
    millis,
    slugify,
)


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


def _stored(record: Frozen) -> str:
    return record.model_dump_json(by_alias=True, exclude_none=True)


def _topics(sections: tuple[str, ...]) -> list[str]:
    return ["front", *(f"section/{slugify(name)}" for name in sections)]


def _bumped(story: Story, moment: datetime) -> list[Write]:
    return [Write("ZADD", index_of(topic), (millis(moment), story.slug)) for topic in _topics(story.sections)]


def create_story(draft: StoryDraft, moment: datetime) -> Change:
    """A new story, public at once unless it is withheld."""
    slug = draft.slug or slugify(draft.headline) or f"story-{millis(moment)}"
    fields: dict[str, Any] = dict(draft) | {"slug": slug}
    story = Story(**fields, first_created=moment, version_created=moment, version=1)
    writes = [Write("HSET", STORIES, (slug, _stored(story)))]
    event = None
    if story.pub_status == "usable":
        event, published = _published(story, (), moment)
        writes += published
    return Change(story, event, (Guard(STORIES, slug, 0),), tuple(writes))


def _published(story: Story, left: tuple[str, ...], moment: datetime) -> tuple[StoryPublished, list[Write]]:
    public = story.without_internal_notes()
    writes = _bumped(story, moment)
    writes += [Write("HSET", SECTIONS, (slugify(name), name)) for name in story.sections]
    writes += [Write("ZREM", index_of(f"section/{slugify(name)}"), (story.slug,)) for name in left]
    return StoryPublished(at=moment, story=public, card=public.card(moment), left=left), writes


def edit_story(old: Story, draft: StoryEdit, moment: datetime) -> Change:
    """A new version of a story: published, changed in place, or withdrawn from readers."""
    fields: dict[str, Any] = dict(draft) | {"slug": old.slug}
    version = old.version + 1
    story = Story(**fields, first_created=old.first_created, version_created=moment, version=version)
    writes = [Write("HSET", STORIES, (story.slug, _stored(story)))]
    event: Event | None = None
    if story.pub_status == "usable":
        kept = {slugify(name) for name in story.sections}
        left = tuple(name for name in old.sections if slugify(name) not in kept)
        event, published = _published(story, left, moment)
        writes += published
    elif old.pub_status == "usable":
        event = StoryWithdrawn(at=moment, slug=story.slug, sections=old.sections, version=version)
        writes += [Write("ZREM", index_of(topic), (story.slug,)) for topic in _topics(old.sections)]
    return Change(story, event, (Guard(STORIES, story.slug, old.version),), tuple(writes))


def post_update(story: Story, draft: UpdateDraft, update_id: str, moment: datetime) -> Change:
    """A new update of a story. Readers learn of it when both the story and it are usable."""
    fields: dict[str, Any] = dict(draft)
    update = Update(**fields, id=update_id, story=story.slug, first_created=moment, version_created=moment, version=1)
    return _update_changed(story, update, 0, "update", moment, bump=update.pub_status == "usable")


def edit_update(story: Story, old: Update, draft: UpdateEdit, moment: datetime) -> Change:
    """A new version of an update: a silent edit, a correction (with a note to readers), or a draft going out."""
    _require_text(old)
    if old.pub_status == "usable" and draft.pub_status != "usable":
        raise NotAllowedNow("Readers have seen this update: retract it with a reason instead of withholding it.")
    goes_out = old.pub_status != "usable" and draft.pub_status == "usable"
    fields: dict[str, Any] = dict(old) | dict(draft)
    note = fields.pop("correction")
    corrections = (*old.corrections, Correction(note=note, at=moment)) if note else old.corrections
    fields |= {"corrections": corrections, "version_created": moment, "version": old.version + 1}
    if goes_out:
        fields["first_created"] = moment  # readers get it now, so its place is at the top
    kind = "correction" if note and not goes_out else "update"
    return _update_changed(story, Update(**fields), old.version, kind, moment, bump=goes_out)


def _update_changed(story: Story, update: Update, version: int, kind: Any, moment: datetime, *, bump: bool) -> Change:
    guards = [Guard(updates_of(story.slug), update.id, version)]
    writes = [Write("HSET", updates_of(story.slug), (update.id, _stored(update)))]
    event = None
    if story.pub_status == "usable" and update.pub_status == "usable":
        card = None
        if bump:
            card = story.card(moment)
            guards.append(Guard(STORIES, story.slug, story.version))  # the card must not be of an older version
            writes += _bumped(story, moment)
        event = UpdatePublished(type=kind, at=moment, update=update.without_internal_notes(), card=card)
    return Change(update, event, tuple(guards), tuple(writes))


def retract_update(story: Story, old: Update, reason: str, moment: datetime) -> Change:
    """An update withdrawn for good: its text leaves the state, and no replay shows it again."""
    _require_text(old)
    remains = Update(
        id=old.id, story=old.story, body="", pub_status="canceled", first_created=old.first_created,
        version_created=moment, version=old.version + 1,
        retraction=Retraction(reason=reason, at=moment) if old.pub_status == "usable" else None,
    )  # fmt: skip
    writes = (Write("HSET", updates_of(story.slug), (old.id, _stored(remains))),)
    public = remains.retraction is not None and story.pub_status == "usable"
    event = UpdateRetracted(at=moment, update=remains) if public else None
    return Change(remains, event, (Guard(updates_of(story.slug), old.id, old.version),), writes)


def _require_text(update: Update) -> None:
    if update.pub_status == "canceled":
        raise AlreadyRetracted()


def put_notice(old: Notice | None, draft: NoticeDraft, moment: datetime) -> Change:
    """The breaking notice, in place of the one in force."""
    notice = Notice(**dict(draft), first_created=moment, version=_later(old, moment))
    guards = (Guard(SITE, "notice", old.version if old else 0),)
    return Change(
        notice, NoticeChanged(at=moment, notice=notice), guards, (Write("HSET", SITE, ("notice", _stored(notice))),)
    )


def clear_notice(old: Notice, moment: datetime) -> Change:
    """No breaking notice."""
    guards = (Guard(SITE, "notice", old.version),)
    return Change(None, NoticeChanged(at=moment, notice=None), guards, (Write("HDEL", SITE, ("notice",)),))


def put_promo(old: Promo | None, draft: PromoDraft, moment: datetime) -> Change:
    """The strip above everything, in place of the one shown."""
    promo = Promo(**dict(draft), version=_later(old, moment))
    guards = (Guard(SITE, "promo", old.version if old else 0),)
    return Change(
        promo, PromoChanged(at=moment, promo=promo), guards, (Write("HSET", SITE, ("promo", _stored(promo))),)
    )


def clear_promo(old: Promo, moment: datetime) -> Change:
    """No strip."""
    guards = (Guard(SITE, "promo", old.version),)
    return Change(None, PromoChanged(at=moment, promo=None), guards, (Write("HDEL", SITE, ("promo",)),))


def _later(old: Notice | Promo | None, moment: datetime) -> int:
    """A version that no earlier life of the record had, though clearing it leaves no trace."""
    return max(millis(moment), old.version + 1 if old else 0)
