"""Operations on stories."""

from collections.abc import Sequence
from typing import Any

from live.errors import BadRequest, NotAllowedNow, NotFound, SlugTaken, StaleVersion
from live.journal import Change, changes
from live.model import Frozen, Story, StoryDraft, StoryEdit, Update, slugify
from live.web.api.records import fields_of, in_language, require_may_write, the_story
from live.web.operations import Call, Operation

STATUSES = ("draft", "submitted", "scheduled", "published", "withdrawn")


class StoryWithUpdates(Story):
    """A story and all its updates, newest first."""

    updates: tuple[Update, ...]


class StoryList(Frozen):
    """The stories that were asked for, the one changed last first."""

    stories: tuple[Story, ...]


async def list_stories(call: Call) -> dict[str, Any]:
    status, limit = call.query.get("status", ""), call.query.get("limit", "")
    if status and status not in STATUSES:
        raise BadRequest(f"'status' is one of {', '.join(STATUSES)}.")
    if limit and not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= 10_000):
        raise BadRequest("'limit' is a number from 1 to 10000.")
    stories = selected(await call.state.stories(), call.query.get("q", ""), status, call.query.get("section", ""))
    return {"stories": [fields_of(story) for story in stories[: int(limit) if limit else None]]}


def selected(stories: Sequence[Story], words: str, status: str, section: str) -> list[Story]:
    """The stories with all these words in headline, slug or bylines, of this status and section; '' is any."""
    found = [story for story in stories if _matches(story, words, status)]
    if section:
        wanted = slugify(section)
        found = [story for story in found if wanted in map(slugify, story.sections)]
    return found


def _matches(story: Story, words: str, status: str) -> bool:
    text = f"{story.headline} {story.slug} {' '.join(author.name for author in story.by)}".casefold()
    return (not status or status_of(story) == status) and all(word in text for word in words.casefold().split())


def status_of(story: Story) -> str:
    """One of STATUSES."""
    if story.pub_status == "usable":
        return "published"
    if story.publish_at is not None:
        return "scheduled"
    if story.published is not None:
        return "withdrawn"
    return "submitted" if story.submitted else "draft"


async def create_story(call: Call) -> Change:
    draft = in_language(call.draft(StoryDraft), call.language)
    require_may_write(call, draft)
    change = changes.create_story(draft, call.moment, call.identity.name)
    assert isinstance(change.record, Story)
    if await call.state.story(change.record.slug):
        raise SlugTaken(f"There is a story '{change.record.slug}' already; choose another slug, or PATCH that story.")
    return change


async def get_story(call: Call) -> dict[str, Any]:
    story = await the_story(call)
    updates = await call.state.updates(story.slug)
    return fields_of(story) | {"updates": [fields_of(update) for update in updates]}


async def edit_story(call: Call) -> Change:
    old = await the_story(call)
    call.require_version(old.version)
    edit = call.draft(StoryEdit, old)
    require_may_write(call, old, edit)
    return changes.edit_story(old, edit, call.moment, call.identity.name)


async def delete_story(call: Call) -> Change:
    old = await the_story(call)
    call.require_version(old.version)
    require_may_write(call, old)
    return changes.delete_story(old)


STORIES = "/api/stories"
STORY = "/api/stories/{slug}"
OPERATIONS = (
    Operation("GET", STORIES, "List the stories", "reporter", respond=list_stories, answer=StoryList,
              query=("q", "status", "section", "limit")),
    Operation("POST", STORIES, "Create a story", "reporter", decide=create_story, body=StoryDraft, answer=Story,
              status=201, problems=(SlugTaken,)),
    Operation("GET", STORY, "Read a story and its updates", "reporter", respond=get_story, answer=StoryWithUpdates,
              problems=(NotFound,)),
    Operation("PATCH", STORY, "Change a story", "reporter", decide=edit_story, body=StoryEdit, answer=Story,
              problems=(NotFound, StaleVersion, NotAllowedNow)),
    Operation("DELETE", STORY, "Delete a story that was never published", "reporter", decide=delete_story, status=204,
              problems=(NotFound, StaleVersion, NotAllowedNow)),
)  # fmt: skip
