"""Changes of updates."""

from datetime import datetime
from typing import Any

from live.errors import AlreadyRetracted, NotAllowedNow
from live.journal.changes.change import Change, Guard, Write, differing, stored
from live.journal.changes.schedule import due_writes, held_back, member_of, require_not_public, step_of
from live.journal.changes.stories import bumped
from live.journal.keys import DUE, STORIES, updates_of
from live.model import (
    Correction,
    Deed,
    Retraction,
    Story,
    Update,
    UpdateDraft,
    UpdateEdit,
    UpdatePublished,
    UpdateRetracted,
)


def target_of(update: Update) -> str:
    """The update's address in the API."""
    return f"/api/stories/{update.story}/updates/{update.id}"


def post_update(story: Story, draft: UpdateDraft, update_id: str, moment: datetime, by: str | None = None) -> Change:
    """A new update of a story. Readers learn of it when both the story and it are usable."""
    if story.coverage_end is not None and story.coverage_end <= moment:
        raise NotAllowedNow('The coverage of this story has ended; reopen it with "coverageEnd": null.')
    fields = held_back(dict(draft), moment)
    public = fields["pub_status"] == "usable"
    update = Update(
        **fields, id=update_id, story=story.slug, first_created=moment, version_created=moment, version=1,
        published=moment if public else None, edited_by=by,
    )  # fmt: skip
    return _changed(story, None, update, "update", moment)


def edit_update(story: Story, old: Update, draft: UpdateEdit, moment: datetime, by: str | None = None) -> Change:
    """A new version of an update: a silent edit, a correction (with a note to readers), or a draft going out."""
    require_text(old)
    if old.pub_status == "usable" and draft.pub_status != "usable":
        raise NotAllowedNow("Readers have seen this update: retract it with a reason instead of withholding it.")
    require_not_public(old, dict(draft), moment)
    fields: dict[str, Any] = dict(old) | held_back(dict(draft), moment)
    note = fields.pop("correction")
    goes_out = old.pub_status != "usable" and fields["pub_status"] == "usable"
    corrections = (*old.corrections, Correction(note=note, at=moment)) if note else old.corrections
    fields |= {"corrections": corrections, "version_created": moment, "version": old.version + 1, "edited_by": by}
    if goes_out:
        fields |= {"first_created": moment, "published": moment}  # readers get it now, so its place is at the top
    kind = "correction" if note and not goes_out else "update"
    return _changed(story, old, Update(**fields), kind, moment, note or "")


def _changed(story: Story, old: Update | None, new: Update, kind: Any, moment: datetime, note: str = "") -> Change:
    step = step_of(old, new)
    guards = [Guard(updates_of(story.slug), new.id, old.version if old else 0)]
    writes = [Write("HSET", updates_of(story.slug), (new.id, stored(new))), *due_writes(old, new)]
    event = None
    if story.pub_status == "usable" and new.pub_status == "usable":
        card = None
        if step == "publish":
            guards.append(Guard(STORIES, story.slug, story.version))  # the card must not be of an older version
            if not story.has_updates:
                story = story.model_copy(update={"has_updates": True})
                writes.append(Write("HSET", STORIES, (story.slug, stored(story))))
            card = story.for_readers().card(moment)
            writes += bumped(story, moment)
        event = UpdatePublished(type=kind, at=moment, update=new.for_readers(), card=card)
    action = f"update.{step or ('correct' if kind == 'correction' else 'edit')}"
    deed = Deed(action, target_of(new), new.version, differing(old, new) if old else (), note)
    return Change(new, event, tuple(guards), tuple(writes), deed)


def release_update(story: Story, old: Update, moment: datetime) -> Change:
    """An update whose time has come, published."""
    fields = {name: getattr(old, name) for name in UpdateDraft.model_fields}
    edit = UpdateEdit(**fields | {"pub_status": "usable", "publish_at": None})
    return edit_update(story, old, edit, moment, old.edited_by)


def retract_update(story: Story, old: Update, reason: str, moment: datetime) -> Change:
    """An update withdrawn for good: its text leaves the state, and no replay shows it again."""
    require_text(old)
    public = old.pub_status == "usable"
    remains = Update(
        id=old.id, story=old.story, body="", pub_status="canceled", first_created=old.first_created,
        version_created=moment, version=old.version + 1, published=old.published,
        retraction=Retraction(reason=reason, at=moment) if public else None,
    )  # fmt: skip
    writes = (
        Write("HSET", updates_of(story.slug), (old.id, stored(remains))),
        Write("ZREM", DUE, (member_of(old),)),
    )
    event = UpdateRetracted(at=moment, update=remains) if public and story.pub_status == "usable" else None
    deed = Deed("update.retract" if public else "update.delete", target_of(old), remains.version, note=reason)
    return Change(remains, event, (Guard(updates_of(story.slug), old.id, old.version),), writes, deed)


def require_text(update: Update) -> None:
    """Raises AlreadyRetracted when the update is withdrawn."""
    if update.pub_status == "canceled":
        raise AlreadyRetracted()
