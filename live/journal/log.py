"""The journal: the ordered log of everything published, in a Redis Stream. Append, since, follow; nothing else."""

import asyncio
import json
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from live.errors import CursorLost, KeyReused, MalformedCursor, StaleVersion, Unavailable
from live.journal.changes import Change
from live.journal.confirming import confirmed
from live.journal.connection import reaching
from live.journal.keys import WITHDRAWN, Keys
from live.journal.sequence import Message, Verdict
from live.journal.sequence import Sequence as Position
from live.journal.topology import publishing, subscribe
from live.journal.trail import recorded
from live.model import Cursor, Entry, Event, Frozen, Identity

log = logging.getLogger("live.journal")
SCRIPTS = files("live.journal") / "scripts"
APPEND = (SCRIPTS / "append.lua").read_text()
SINCE = (SCRIPTS / "since.lua").read_text()
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
BATCH = 500
"""Entries that one read of the log asks for."""
CANARY_SECONDS = 1.0
"""After so much silence the log's last ID is compared with ours."""
RECEIPT_MILLIS = 24 * 3600 * 1000


class PublishedMessage(Frozen):
    """What the pub/sub channel carries, as documented in docs/protocol.md."""

    id: str
    prev: str
    event: Event
    trace: str = ""


class Receipt(NamedTuple):
    """Names a request, so that its repetition is recognised. `answer` is kept for the repetition."""

    key: str
    digest: str
    answer: str = ""


class Appended(NamedTuple):
    """What became of an append. If the request is a repetition, all this is of the first one."""

    cursor: Cursor
    answer: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Rewound:
    """Follow lost its place, and with it entries that nobody can replay; the log now ends at `cursor`."""

    cursor: Cursor


def event_of(text: str) -> Event | None:
    """The event written in the log; None when it was withdrawn, or a newer version of Live wrote it."""
    if not text:
        return None
    try:
        return EVENT.validate_json(text)
    except ValidationError as error:
        log.error("passed over an entry that this version cannot read: %s", error)
        return None


def raise_if_cancelled() -> None:
    """Raises CancelledError if the task was cancelled: the client library swallows that while it connects."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Journal:
    """The log of one site.

    Args:
        client: a client of the server, answers decoded to str.
        keys: the site's keys.
        retention: entries to keep; older ones are trimmed.

    `waits_for_disk` says whether `append` asks the server to have written to its disk (WAITAOF) before it returns,
    `waits_for_replica` whether it asks for one to have it;
    `abreast_at` is the (monotonic) time at which `follow` last knew that it had everything; it filled `refills` holes,
    and `deafness` subscriptions had gone deaf.
    """

    def __init__(self, client: Redis, keys: Keys, *, retention: int) -> None:
        self._client = client
        self._execute: Any = client.execute_command  # untyped in the library
        self._keys = keys
        self._retention = retention
        self.waits_for_disk = False
        self.waits_for_replica = False
        self.abreast_at = -math.inf
        self.refills = self.deafness = 0

    async def append(self, change: Change, receipt: Receipt, identity: Identity, trace: str = "") -> Appended:
        """Carries out a change: state, log and pub/sub message, all or nothing, durable when this returns.

        The message carries the `trace`, if there is one.
        Repeating it with the same receipt changes nothing and returns the first answer.

        Raises:
            KeyReused: the receipt's key was used with another digest.
            StaleVersion: a guarded record is not at the expected version.
            Unavailable: the server cannot be reached; the change may or may not have happened: repeat it.
        """
        collections = list(dict.fromkeys([g.collection for g in change.guards] + [w.collection for w in change.writes]))
        position = {name: number for number, name in enumerate(collections, 5)}
        fixed = [self._keys.log, self._keys.receipt(receipt.key), self._keys.of(WITHDRAWN), self._keys.trail]
        keys = [*fixed, *map(self._keys.of, collections)]
        event = change.event
        arguments = [
            self._keys.channel, self._retention, RECEIPT_MILLIS, receipt.digest, receipt.answer,
            event.model_dump_json(by_alias=True, exclude_none=True) if event else "",
            *change.carries,
            change.withdraws,
            json.dumps([[position[g.collection], g.field, g.version] for g in change.guards]),
            json.dumps([[w.command, position[w.collection], *w.arguments] for w in change.writes]),
            recorded(identity, change.deed),
            self._keys.desk_channel,
            publishing(self._client),
            trace,
        ]  # fmt: skip
        status, *rest = await self._durably("EVAL", APPEND, len(keys), *keys, *arguments)
        if status == "reused":
            raise KeyReused()
        if status == "stale":
            raise StaleVersion()
        if status == "repeated":
            return Appended(Cursor.parse(rest[0]), rest[1], repeated=True)
        return Appended(Cursor.parse(rest[0]), receipt.answer)

    async def _durably(self, *command: Any) -> list[str]:
        """Sends a command and waits until its effect is as safe as is asked for."""
        disk, replica = self.waits_for_disk, self.waits_for_replica
        answer: list[str] = await confirmed(self._client, command, disk=disk, replica=replica)
        return answer

    async def recall(self, receipt: Receipt) -> Appended | None:
        """What became of the request with this receipt, durable when this returns; None if it never came.

        Raises:
            KeyReused: the key was used with another digest.
        """
        key = self._keys.receipt(receipt.key)
        with reaching():
            digest, cursor, answer = await self._client.hmget(key, ["digest", "cursor", "answer"])
        if digest is None or cursor is None or answer is None:
            return None
        if digest != receipt.digest:
            raise KeyReused()
        await self._durably("PEXPIRE", key, RECEIPT_MILLIS)  # a write, to wait for: the first may not be on disk yet
        return Appended(Cursor.parse(str(cursor)), str(answer), repeated=True)

    async def last(self) -> Cursor:
        """The cursor of the last entry; 0-0 in an empty log."""
        with reaching():
            newest: Any = await self._client.xrevrange(self._keys.log, count=1)
        return Cursor.parse(newest[0][0] if newest else "0-0")

    async def since(self, after: Cursor, limit: int = BATCH) -> Sequence[Entry]:
        """The entries after a cursor, oldest first; at most `limit`, none when it is the last.

        Raises:
            CursorLost: the cursor's entry is not in the log (any more).
        """
        with reaching():
            status, found = await self._execute(
                "EVAL", SINCE, 2, self._keys.log, self._keys.of(WITHDRAWN), str(after), limit
            )
        if status == "lost":
            raise CursorLost(f"The log does not reach back to {after}; it ends at {found}.")
        return [Entry(Cursor.parse(cursor), event_of(text)) for cursor, text in found]

    async def tail(self, count: int) -> tuple[Cursor, Sequence[Entry]]:
        """The last `count` entries, oldest first, and the cursor before them."""
        with reaching():
            newest: Any = await self._client.xrevrange(self._keys.log, count=count + 1)
        if len(newest) > count:
            start = Cursor.parse(newest[-1][0])
        else:  # all of the log; what was trimmed from it is out of reach from here
            start = Cursor.parse("0-0")
        try:
            return start, await self.since(start, count)
        except CursorLost:
            start = Cursor.parse(newest[-1][0]) if newest else start
            return start, await self.since(start, count)

    async def follow(self, after: Cursor) -> AsyncIterator[Entry | Rewound]:
        """Every entry after a cursor, once, in order, for ever: whatever happens to pub/sub or the server.

        When the log lost its place, yields Rewound and goes on from the log's end.
        """
        position = Position(after)
        attempt = 0
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await subscribe(self._client, channel, self._keys.channel)
                    async for item in self._listen(channel, position):
                        attempt = 0
                        yield item
            except (Unavailable, RedisError, OSError) as error:
                raise_if_cancelled()
                attempt += 1
                log.warning("journal out of reach (%s); trying again", error)
            # Full jitter, so that nodes do not come back in step.
            await asyncio.sleep(random.uniform(0, min(3.0, 0.1 * 2 ** min(attempt, 6))))

    async def _listen(self, channel: PubSub, position: Position) -> AsyncIterator[Entry | Rewound]:
        """Follows one subscription until it proves deaf."""
        async for item in self._refill(position):
            yield item
        suspect = False
        while True:
            raise_if_cancelled()
            message = await self._next(channel)
            if message is None:
                if suspect:
                    self.deafness += 1
                    log.warning("pub/sub has gone deaf; subscribing again")
                    return
                if await self.last() == position.position:
                    self.abreast_at = time.monotonic()
                    continue
                suspect = True  # the log moved in silence: the message is on its way, or will never come
            else:
                suspect = False
                verdict = position.offer(message)
                if verdict is Verdict.DELIVER:
                    self.abreast_at = time.monotonic()
                    yield Entry(message.cursor, message.event, message.trace)
                if verdict is not Verdict.REFILL:
                    continue
                self.refills += 1
            async for item in self._refill(position):
                yield item

    async def _next(self, channel: PubSub) -> Message | None:
        """The next message of the channel, or None after a silence."""
        try:
            raw = await channel.get_message(ignore_subscribe_messages=True, timeout=CANARY_SECONDS)
            if raw is None:
                return None
            parsed = PublishedMessage.model_validate_json(raw["data"])
            return Message(Cursor.parse(parsed.id), Cursor.parse(parsed.prev), parsed.event, parsed.trace)
        except (ValueError, MalformedCursor) as error:
            log.error("ignored a message on %s that Live did not write: %s", self._keys.channel, error)
            return None

    async def _refill(self, position: Position) -> AsyncIterator[Entry | Rewound]:
        """Reads the log from the position to its end."""
        while True:
            try:
                entries = await self.since(position.position)
            except CursorLost as lost:
                end = await self.last()
                log.warning("%s Readers start afresh.", lost)
                position.rewind(end)
                yield Rewound(end)
                continue
            if not entries:
                self.abreast_at = time.monotonic()
                return
            for entry in entries:
                if position.advance(entry.cursor):
                    yield entry
