"""Changes of stories."""

from datetime import datetime
from typing import Any

from live.errors import NotAllowedNow
from live.journal.changes.change import Change, Guard, Write, differing, stored
from live.journal.changes.schedule import due_writes, held_back, require_not_public, step_of
from live.journal.keys import DUE, SECTIONS, STORIES, index_of, updates_of
from live.model import (
    Deed,
    Event,
    Story,
    StoryDraft,
    StoryEdit,
    StoryPublished,
    StoryWithdrawn,
    millis,
    slugify,
)


def topics(sections: tuple[str, ...]) -> list[str]:
    """Where a story of these sections is listed."""
    return ["front", *(f"section/{slugify(name)}" for name in sections)]


def bumped(story: Story, moment: datetime) -> list[Write]:
    """Moves the story to the top of its lists."""
    return [Write("ZADD", index_of(topic), (millis(moment), story.slug)) for topic in topics(story.sections)]


def target_of(slug: str) -> str:
    """The story's address in the API."""
    return f"/api/stories/{slug}"


def create_story(draft: StoryDraft, moment: datetime, by: str | None = None) -> Change:
    """A new story, public at once unless it is withheld, scheduled or under an embargo."""
    slug = draft.slug or slugify(draft.headline) or f"story-{millis(moment)}"
    fields: dict[str, Any] = held_back(dict(draft), moment) | {"slug": slug}
    public = fields["pub_status"] == "usable"
    story = Story(
        **fields, first_created=moment, version_created=moment, version=1, published=moment if public else None,
        edited_by=by,
    )  # fmt: skip
    writes = [Write("HSET", STORIES, (slug, stored(story))), *due_writes(None, story)]
    event = None
    if public:
        event, published = _published(story, (), moment)
        writes += published
    deed = Deed(f"story.{step_of(None, story)}", target_of(slug), 1)
    return Change(story, event, (Guard(STORIES, slug, 0),), tuple(writes), deed)


def _published(story: Story, left: tuple[str, ...], moment: datetime) -> tuple[StoryPublished, list[Write]]:
    public = story.for_readers()
    writes = bumped(story, moment)
    writes += [Write("HSET", SECTIONS, (slugify(name), name)) for name in story.sections]
    writes += [Write("ZREM", index_of(f"section/{slugify(name)}"), (story.slug,)) for name in left]
    return StoryPublished(at=moment, story=public, card=public.card(moment), left=left), writes


def edit_story(old: Story, draft: StoryEdit, moment: datetime, by: str | None = None) -> Change:
    """A new version of a story: published, changed in place, or withdrawn from readers."""
    fields: dict[str, Any] = dict(draft)
    require_not_public(old, fields, moment)
    fields = held_back(fields, moment) | {"slug": old.slug, "edited_by": by, "version_created": moment}
    public = fields["pub_status"] == "usable"
    fields |= {"has_updates": old.has_updates}
    fields |= {"first_created": old.first_created, "published": old.published or (moment if public else None)}
    story = Story(**fields, version=old.version + 1)
    writes = [Write("HSET", STORIES, (story.slug, stored(story))), *due_writes(old, story)]
    event: Event | None = None
    if public:
        kept = {slugify(name) for name in story.sections}
        left = tuple(name for name in old.sections if slugify(name) not in kept)
        event, published = _published(story, left, moment)
        writes += published
    elif old.pub_status == "usable":
        event = StoryWithdrawn(at=moment, slug=story.slug, sections=old.sections, version=story.version)
        writes += [Write("ZREM", index_of(topic), (story.slug,)) for topic in topics(old.sections)]
    deed = Deed(_action(old, story), target_of(story.slug), story.version, differing(old, story))
    return Change(story, event, (Guard(STORIES, story.slug, old.version),), tuple(writes), deed)


def _action(old: Story, new: Story) -> str:
    if old.pub_status == "usable" and new.pub_status != "usable":
        return "story.withdraw"
    if new.coverage_end != old.coverage_end:
        return "story.close" if new.coverage_end else "story.reopen"
    return f"story.{step_of(old, new) or 'edit'}"


def delete_story(old: Story) -> Change:
    """A story that readers never had, gone with all its updates."""
    if old.published is not None or old.pub_status == "usable":
        raise NotAllowedNow('Readers had this story: withdraw it with "pubStatus": "withheld" instead of deleting it.')
    writes = (
        Write("HDEL", STORIES, (old.slug,)),
        Write("DEL", updates_of(old.slug), ()),
        Write("ZREM", DUE, (old.slug,)),
    )
    deed = Deed("story.delete", target_of(old.slug), old.version)
    return Change(None, None, (Guard(STORIES, old.slug, old.version),), writes, deed)


def release_story(old: Story, moment: datetime) -> Change:
    """A story whose time has come, published."""
    fields = {name: getattr(old, name) for name in StoryEdit.model_fields}
    edit = StoryEdit(**fields | {"pub_status": "usable", "publish_at": None})
    return edit_story(old, edit, moment, old.edited_by)
