"""The editors' API: each operation decides a change from what is stored and what was sent."""

from live.web.api import newsroom, readers, site, stories, updates
from live.web.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *stories.OPERATIONS,
    *updates.OPERATIONS,
    *site.OPERATIONS,
    *newsroom.OPERATIONS,
    *readers.OPERATIONS,
)
