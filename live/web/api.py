"""The editors' API: each operation decides a change from what is stored and what was sent."""

from typing import Any, TypeVar

from live.errors import AlreadyRetracted, NotAllowedNow, NotFound, NotPermitted, SlugTaken, StaleVersion
from live.journal import Change, changes
from live.model import (
    Frozen,
    Notice,
    NoticeDraft,
    Promo,
    PromoDraft,
    Story,
    StoryDraft,
    StoryEdit,
    Text,
    Update,
    UpdateDraft,
    UpdateEdit,
    new_update_id,
)
from live.web.operations import Call, Operation

R = TypeVar("R")


class RetractionDraft(Frozen):
    """Why an update is withdrawn; readers see it."""

    reason: Text


class StoryWithUpdates(Story):
    """A story and all its updates, newest first."""

    updates: tuple[Update, ...]


class StoryList(Frozen):
    """All stories, the one changed last first."""

    stories: tuple[Story, ...]


async def list_stories(call: Call) -> dict[str, Any]:
    return {"stories": [_fields(story) for story in await call.state.stories()]}


async def create_story(call: Call) -> Change:
    draft = call.draft(StoryDraft)
    _require_editor_to_publish(call, draft.pub_status)
    change = changes.create_story(draft, call.moment)
    assert isinstance(change.record, Story)
    if await call.state.story(change.record.slug):
        raise SlugTaken(f"There is a story '{change.record.slug}' already; choose another slug, or PATCH that story.")
    return change


async def get_story(call: Call) -> dict[str, Any]:
    story = await _story(call)
    updates = await call.state.updates(story.slug)
    return _fields(story) | {"updates": [_fields(update) for update in updates]}


async def edit_story(call: Call) -> Change:
    old = await _story(call)
    call.require_version(old.version)
    edit = call.draft(StoryEdit, old)
    _require_editor_to_publish(call, old.pub_status, edit.pub_status)
    return changes.edit_story(old, edit, call.moment)


async def post_update(call: Call) -> Change:
    story = await _story(call)
    draft = call.draft(UpdateDraft)
    _require_editor_to_publish(call, draft.pub_status)
    return changes.post_update(story, draft, new_update_id(call.moment), call.moment)


async def get_update(call: Call) -> Update:
    return await _update(call, await _story(call))


async def edit_update(call: Call) -> Change:
    story = await _story(call)
    old = await _update(call, story)
    call.require_version(old.version)
    if old.pub_status == "canceled":
        raise AlreadyRetracted()
    edit = call.draft(UpdateEdit, old)
    _require_editor_to_publish(call, old.pub_status, edit.pub_status)
    return changes.edit_update(story, old, edit, call.moment)


async def retract_update(call: Call) -> Change:
    story = await _story(call)
    old = await _update(call, story)
    call.require_version(old.version)
    return changes.retract_update(story, old, call.draft(RetractionDraft).reason, call.moment)


async def get_notice(call: Call) -> Notice:
    return _there(await call.state.notice(), "There is no breaking notice.")


async def put_notice(call: Call) -> Change:
    old = await call.state.notice()
    call.require_version(old.version if old else 0)
    draft = call.draft(NoticeDraft)
    if draft.expires is not None and draft.expires <= call.moment:
        raise NotAllowedNow("The notice would have expired already; give a time to come in 'expires'.")
    return changes.put_notice(old, draft, call.moment)


async def clear_notice(call: Call) -> Change:
    old = _there(await call.state.notice(), "There is no breaking notice to clear.")
    call.require_version(old.version)
    return changes.clear_notice(old, call.moment)


async def get_promo(call: Call) -> Promo:
    return _there(await call.state.promo(), "There is no promo strip.")


async def put_promo(call: Call) -> Change:
    old = await call.state.promo()
    call.require_version(old.version if old else 0)
    return changes.put_promo(old, call.draft(PromoDraft), call.moment)


async def clear_promo(call: Call) -> Change:
    old = _there(await call.state.promo(), "There is no promo strip to clear.")
    call.require_version(old.version)
    return changes.clear_promo(old, call.moment)


def _there(record: R | None, otherwise: str) -> R:
    if record is None:
        raise NotFound(otherwise)
    return record


async def _story(call: Call) -> Story:
    slug = call.path["slug"]
    return _there(await call.state.story(slug), f"There is no story '{slug}'.")


async def _update(call: Call, story: Story) -> Update:
    update_id = call.path["id"]
    found = await call.state.update(story.slug, update_id)
    return _there(found, f"The story '{story.slug}' has no update '{update_id}'.")


def _require_editor_to_publish(call: Call, *statuses: str) -> None:
    """A reporter's work stays withheld until an editor publishes it, and is out of a reporter's hands after that."""
    if not call.token.may("editor") and any(status != "withheld" for status in statuses):
        raise NotPermitted('A reporter writes drafts: send "pubStatus": "withheld"; an editor publishes.')


def _fields(record: Frozen) -> dict[str, Any]:
    return record.model_dump(mode="json", by_alias=True, exclude_none=True)


STORIES = "/api/stories"
STORY = "/api/stories/{slug}"
UPDATES = "/api/stories/{slug}/updates"
UPDATE = "/api/stories/{slug}/updates/{id}"
NOTICE = "/api/notice"
PROMO = "/api/promo"
OPERATIONS = (
    Operation("GET", STORIES, "List the stories", "reporter", read=list_stories, answer=StoryList),
    Operation("POST", STORIES, "Create a story", "reporter", decide=create_story, body=StoryDraft, answer=Story,
              status=201, problems=(SlugTaken,)),
    Operation("GET", STORY, "Read a story and its updates", "reporter", read=get_story, answer=StoryWithUpdates,
              problems=(NotFound,)),
    Operation("PATCH", STORY, "Change a story", "reporter", decide=edit_story, body=StoryEdit, answer=Story,
              problems=(NotFound, StaleVersion)),
    Operation("POST", UPDATES, "Post an update", "reporter", decide=post_update, body=UpdateDraft, answer=Update,
              status=201, problems=(NotFound,)),
    Operation("GET", UPDATE, "Read an update", "reporter", read=get_update, answer=Update, problems=(NotFound,)),
    Operation("PATCH", UPDATE, "Edit or correct an update", "reporter", decide=edit_update, body=UpdateEdit,
              answer=Update, problems=(NotFound, StaleVersion, AlreadyRetracted)),
    Operation("DELETE", UPDATE, "Retract an update", "editor", decide=retract_update, body=RetractionDraft,
              answer=Update, problems=(NotFound, StaleVersion, AlreadyRetracted)),
    Operation("GET", NOTICE, "Read the breaking notice", "reporter", read=get_notice, answer=Notice,
              problems=(NotFound,)),
    Operation("PUT", NOTICE, "Put up a breaking notice", "editor", decide=put_notice, body=NoticeDraft, answer=Notice,
              problems=(NotAllowedNow, StaleVersion)),
    Operation("DELETE", NOTICE, "Clear the breaking notice", "editor", decide=clear_notice, status=204,
              problems=(NotFound, StaleVersion)),
    Operation("GET", PROMO, "Read the promo strip", "reporter", read=get_promo, answer=Promo, problems=(NotFound,)),
    Operation("PUT", PROMO, "Set the promo strip", "admin", decide=put_promo, body=PromoDraft, answer=Promo,
              problems=(StaleVersion,)),
    Operation("DELETE", PROMO, "Remove the promo strip", "admin", decide=clear_promo, status=204,
              problems=(NotFound, StaleVersion)),
)  # fmt: skip
