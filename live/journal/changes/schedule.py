"""What is to go out later: withheld until then, and noted under the time at which it is due."""

from datetime import datetime
from typing import Any

from live.errors import NotAllowedNow
from live.journal.changes.change import Write
from live.journal.keys import DUE
from live.model import Story, Update, millis

LATER = "It is public already: a time to publish it at, or an embargo, comes too late."


def held_back(fields: dict[str, Any], moment: datetime) -> dict[str, Any]:
    """The fields of a record with its status as of now: usable only when neither schedule nor embargo forbid it."""
    later = [time for time in (fields["publish_at"], fields["embargoed_until"]) if time is not None and time > moment]
    if fields["pub_status"] == "usable":
        submitted = {"submitted": False}
        if later:
            return fields | submitted | {"pub_status": "withheld", "publish_at": max(later)}
        return fields | submitted | {"publish_at": None}
    if fields["publish_at"] is not None and later:
        return fields | {"publish_at": max(later)}
    return fields


def require_not_public(old: Story | Update, fields: dict[str, Any], moment: datetime) -> None:
    """Raises NotAllowedNow when what readers have is to be scheduled or embargoed."""
    times = (fields["publish_at"], fields["embargoed_until"])
    if old.pub_status == "usable" and any(time is not None and time > moment for time in times):
        raise NotAllowedNow(LATER)


def member_of(record: Story | Update) -> str:
    """The record's name among those that are due."""
    return f"{record.story}/{record.id}" if isinstance(record, Update) else record.slug


def due_writes(old: Story | Update | None, new: Story | Update) -> list[Write]:
    """Notes or forgets the time at which a record goes out."""
    if new.publish_at is not None:
        return [Write("ZADD", DUE, (millis(new.publish_at), member_of(new)))]
    if old is not None and old.publish_at is not None:
        return [Write("ZREM", DUE, (member_of(new),))]
    return []


def step_of(old: Story | Update | None, new: Story | Update) -> str:
    """What happened to a record that readers do not have, in the words of the audit trail; '' when it is public."""
    if new.pub_status == "usable":
        return "" if old is not None and old.pub_status == "usable" else "publish"
    if new.publish_at is not None:
        return "schedule"
    return "submit" if new.submitted else "draft"
