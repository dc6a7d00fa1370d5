"""The audit trail: who did what when, to which version, from where. Only ever added to.

What changes the site is recorded by `append.lua` in the same step as the change; what does not (a sign-in, a token
made) is recorded here. Each record is also published to the desks, which fetch what concerns them anew.
"""

from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis

from live.journal.connection import reaching
from live.journal.keys import Keys
from live.journal.topology import publishing
from live.model import Deed, Frozen, Identity, Line, Moment, Role, Text, now

BATCH = 500
NOBODY = Identity("", "nobody", "reporter", "desk")


class Record(Frozen):
    """One deed as it is kept. `fields` names what was changed, never the text; `note` is the editor's own reason."""

    at: Moment
    who: Line
    identity: str
    role: Role | None = None
    via: str
    address: str = ""
    action: str
    target: str
    version: int | None = None
    fields: tuple[str, ...] = ()
    note: Text | None = None


class KeptRecord(Record):
    """A record with its place in the trail."""

    id: str


def recorded(identity: Identity, deed: Deed, moment: Moment | None = None) -> str:
    """The record of somebody's deed, as it is stored."""
    role = identity.role if identity.id else None
    record = Record(
        at=moment or now(), who=identity.name, identity=identity.id, role=role, via=identity.via,
        address=identity.address, action=deed.action, target=deed.target, version=deed.version, fields=deed.fields,
        note=deed.note or None,
    )  # fmt: skip
    return record.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


class Trail:
    """The trail of one site. Every method raises Unavailable when the server cannot be reached."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add(self, identity: Identity, deed: Deed) -> None:
        """Records what changed nothing in the journal."""
        text = recorded(identity, deed)
        with reaching():
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.xadd(self._keys.trail, {"record": text})
                pipe.execute_command(publishing(self._client), self._keys.desk_channel, text)
                await pipe.execute()

    async def note(self, action: str, identity: Identity | None, note: str) -> None:
        """Records what happened at the door; `identity` is None where nobody was recognised."""
        await self.add(identity or NOBODY, Deed(action, "/desk/sign-in", note=note[:1000]))

    async def newest(self, limit: int, before: str = "", who: str = "", action: str = "") -> list[KeptRecord]:
        """The last records, newest first, from before a record's ID; of one person, or of actions that begin so."""
        found: list[KeptRecord] = []
        async for record in self._backwards(before):
            if (not who or record.who.casefold() == who.casefold()) and record.action.startswith(action):
                found.append(record)
            if len(found) == limit:
                break
        return found

    async def _backwards(self, before: str) -> AsyncIterator[KeptRecord]:
        end = f"({before}" if before else "+"
        while True:
            with reaching():
                batch: Any = await self._client.xrevrange(self._keys.trail, max=end, count=BATCH)
            for record_id, fields in batch:
                yield _kept(record_id, fields)
            if len(batch) < BATCH:
                return
            end = f"({batch[-1][0]}"

    async def all(self) -> AsyncIterator[KeptRecord]:
        """Every record, oldest first."""
        start = "-"
        while True:
            with reaching():
                batch: Any = await self._client.xrange(self._keys.trail, min=start, count=BATCH)
            for record_id, fields in batch:
                yield _kept(record_id, fields)
            if len(batch) < BATCH:
                return
            start = f"({batch[-1][0]}"


def _kept(record_id: str, fields: dict[str, str]) -> KeptRecord:
    record = Record.model_validate_json(fields["record"])
    return KeptRecord(id=record_id, **dict(record))
