"""What the operations have in common: finding the records that an address names, and who may change what."""

from typing import Any, TypeVar

from live.errors import NotFound, NotPermitted
from live.model import Frozen, Story, StoryDraft, StoryEdit, Update, UpdateDraft
from live.web.operations import Call

R = TypeVar("R")


def there(record: R | None, otherwise: str) -> R:
    """The record. Raises NotFound."""
    if record is None:
        raise NotFound(otherwise)
    return record


async def the_story(call: Call) -> Story:
    """The story that the address names. Raises NotFound."""
    slug = call.path["slug"]
    return there(await call.state.story(slug), f"There is no story '{slug}'.")


async def the_update(call: Call, story: Story) -> Update:
    """The update that the address names. Raises NotFound."""
    update_id = call.path["id"]
    found = await call.state.update(story.slug, update_id)
    return there(found, f"The story '{story.slug}' has no update '{update_id}'.")


def require_may_write(call: Call, *versions: StoryEdit | UpdateDraft | Update) -> None:
    """Lets a reporter write drafts: neither what is public nor what goes out by itself, before or after the change.

    Raises:
        NotPermitted: the caller is a reporter, and one of the versions is more than a draft.
    """
    if call.identity.may("editor"):
        return
    if any(version.pub_status != "withheld" for version in versions):
        raise NotPermitted('A reporter writes drafts: send "pubStatus": "withheld"; an editor publishes.')
    if any(version.publish_at is not None for version in versions):
        raise NotPermitted('An editor schedules what a reporter wrote: send "submitted": true when it is ready.')


def fields_of(record: Frozen) -> dict[str, Any]:
    """The record as JSON-ready fields, without those that are empty."""
    return record.model_dump(mode="json", by_alias=True, exclude_none=True)


def in_language(draft: StoryDraft, language: str) -> StoryDraft:
    """The draft; in this language if it names none."""
    return draft if "language" in draft.model_fields_set else draft.model_copy(update={"language": language})
