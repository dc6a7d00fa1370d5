"""Operations on the updates of a story."""

from live.errors import AlreadyRetracted, NotAllowedNow, NotFound, StaleVersion
from live.journal import Change, changes
from live.model import Frozen, Text, Update, UpdateDraft, UpdateEdit, new_update_id
from live.web.api.records import require_may_write, the_story, the_update
from live.web.operations import Call, Operation


class RetractionDraft(Frozen):
    """Why an update is withdrawn; readers see it."""

    reason: Text


async def post_update(call: Call) -> Change:
    story = await the_story(call)
    draft = call.draft(UpdateDraft)
    require_may_write(call, draft)
    return changes.post_update(story, draft, new_update_id(call.moment), call.moment, call.identity.name)


async def get_update(call: Call) -> Update:
    return await the_update(call, await the_story(call))


async def edit_update(call: Call) -> Change:
    story = await the_story(call)
    old = await the_update(call, story)
    call.require_version(old.version)
    if old.pub_status == "canceled":
        raise AlreadyRetracted()
    edit = call.draft(UpdateEdit, old)
    require_may_write(call, old, edit)
    return changes.edit_update(story, old, edit, call.moment, call.identity.name)


async def retract_update(call: Call) -> Change:
    story = await the_story(call)
    old = await the_update(call, story)
    call.require_version(old.version)
    return changes.retract_update(story, old, call.draft(RetractionDraft).reason, call.moment)


UPDATES = "/api/stories/{slug}/updates"
UPDATE = "/api/stories/{slug}/updates/{id}"
OPERATIONS = (
    Operation("POST", UPDATES, "Post an update", "reporter", decide=post_update, body=UpdateDraft, answer=Update,
              status=201, problems=(NotFound, NotAllowedNow)),
    Operation("GET", UPDATE, "Read an update", "reporter", respond=get_update, answer=Update, problems=(NotFound,)),
    Operation("PATCH", UPDATE, "Edit or correct an update", "reporter", decide=edit_update, body=UpdateEdit,
              answer=Update, problems=(NotFound, StaleVersion, AlreadyRetracted, NotAllowedNow)),
    Operation("DELETE", UPDATE, "Retract an update", "editor", decide=retract_update, body=RetractionDraft,
              answer=Update, problems=(NotFound, StaleVersion, AlreadyRetracted)),
)  # fmt: skip
