"""Who acts: the roles of a newsroom, and a person (or program) who was recognised."""

from typing import Literal, NamedTuple

Role = Literal["reporter", "editor", "admin"]
RANK: dict[Role, int] = {"reporter": 1, "editor": 2, "admin": 3}


class Identity(NamedTuple):
    """Somebody who may act. `via` says how they came: a program's token, the desk, or the server's own clock.

    `id` stays the same for one person or token; `address` is where the request came from.
    """

    id: str
    name: str
    role: Role
    via: Literal["token", "desk", "clock"]
    address: str = ""

    def may(self, role: Role) -> bool:
        """Whether they have this role or a higher one."""
        return RANK[self.role] >= RANK[role]


CLOCK = Identity("clock", "the schedule", "editor", "clock")
"""Who publishes what is due."""


class Deed(NamedTuple):
    """What somebody did, as the audit trail keeps it.

    `action` is like "update.correct"; `target` the address of the record in the API; `version` what it became;
    `fields` the names of what was changed; `note` what the editor said of it.
    """

    action: str
    target: str
    version: int | None = None
    fields: tuple[str, ...] = ()
    note: str = ""
