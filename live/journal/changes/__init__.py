"""What an editor can change, decided without I/O: each function turns records into one Change for the journal.

A Change names the records it rests on (guards), what to write, the event that readers learn, if any, and the deed that
the audit trail keeps.
"""

from live.journal.changes.change import Change, Guard, Write
from live.journal.changes.site import clear_notice, clear_promo, drop_notice, prepare_notice, put_notice, put_promo
from live.journal.changes.stories import create_story, delete_story, edit_story, release_story
from live.journal.changes.updates import edit_update, post_update, release_update, retract_update

__all__ = [
    "Change",
    "Guard",
    "Write",
    "clear_notice",
    "clear_promo",
    "create_story",
    "delete_story",
    "drop_notice",
    "edit_story",
    "edit_update",
    "post_update",
    "prepare_notice",
    "put_notice",
    "put_promo",
    "release_story",
    "release_update",
    "retract_update",
]
