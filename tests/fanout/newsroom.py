"""A model journal for the hub, and the far end of a reader's connection with the client's rule about cursors."""

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from live.errors import CursorLost
from live.fanout import Hub, Reader
from live.fanout.frames import Variant, Wire
from live.journal import changes
from live.model import (
    ORIGIN,
    Cursor,
    Entry,
    Event,
    Notice,
    NoticeChanged,
    NoticeDraft,
    Story,
    StoryDraft,
    StoryPublished,
    Update,
    UpdateDraft,
    UpdateEdit,
    UpdatePublished,
    UpdateRetracted,
    new_update_id,
)

START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
STORIES = ("quay", "harbour")
SECTION = "section/world"
Data = dict[str, Any]


class ModelJournal:
    """The log as the hub may rely on it: ordered, trimmed at any time, its withdrawn texts blank.

    `since` gives small batches and always lets others run, as a real one does.
    """

    def __init__(self, batch: int = 3) -> None:
        self.written: list[Entry] = []
        self.floor = ORIGIN
        self.withdrawn: set[Cursor] = set()
        self._batch = batch

    @property
    def last(self) -> Cursor:
        return self.written[-1].cursor if self.written else ORIGIN

    def append(self, event: Event) -> Entry:
        entry = Entry(Cursor(self.last.millis + 1 + len(self.written) % 2, 0), event)
        self.written.append(entry)
        if isinstance(event, UpdateRetracted):
            gone = event.update.id
            self.withdrawn |= {one.cursor for one in self.written if carries(one.event, gone)}
        return entry

    def trim(self, keep: int) -> None:
        if len(self.written) > keep:
            self.floor = max(self.floor, self.written[-keep - 1].cursor)

    def knows(self, cursor: Cursor) -> bool:
        if cursor == ORIGIN:
            return self.floor == ORIGIN
        return cursor > self.floor and any(entry.cursor == cursor for entry in self.written)

    def blanked(self, entry: Entry) -> Entry:
        return Entry(entry.cursor, None) if entry.cursor in self.withdrawn else entry

    def after(self, cursor: Cursor) -> list[Entry]:
        """All of the retained entries after a cursor. Raises CursorLost."""
        if not self.knows(cursor):
            raise CursorLost()
        return [self.blanked(entry) for entry in self.written if entry.cursor > cursor]

    async def since(self, cursor: Cursor) -> Sequence[Entry]:
        await asyncio.sleep(0)
        found = self.after(cursor)[: self._batch]
        await asyncio.sleep(0)
        return found

    def tail(self, count: int) -> tuple[Cursor, list[Entry]]:
        """The newest entries, and the cursor before them."""
        retained = [entry for entry in self.written if entry.cursor > self.floor]
        if self.floor == ORIGIN and len(retained) <= count:
            return ORIGIN, [self.blanked(entry) for entry in retained]
        start = retained[-count - 1].cursor if len(retained) > count else retained[0].cursor
        return start, self.after(start)


def carries(event: Event | None, update_id: str) -> bool:
    return isinstance(event, UpdatePublished) and event.update.id == update_id


class Newsroom:
    """Events as editors make them, one a second."""

    def __init__(self) -> None:
        self.count = 0
        self.stories = {slug: self._story(slug) for slug in STORIES}
        self.updates: list[Update] = []
        self.notice: Notice | None = None

    def _moment(self) -> datetime:
        self.count += 1
        return START + timedelta(seconds=self.count)

    def _story(self, slug: str) -> Story:
        draft = StoryDraft(slug=slug, headline=f"News of {slug}", sections=("World",), body=f"About {slug}.")
        record = changes.create_story(draft, self._moment()).record
        assert isinstance(record, Story)
        return record

    def story(self, slug: str) -> Event:
        """A new version of a story."""
        old = self.stories[slug]
        self.stories[slug] = old.model_copy(update={"version": old.version + 1, "body": f"Version {old.version + 1}."})
        moment = self._moment()
        return StoryPublished(at=moment, story=self.stories[slug], card=self.stories[slug].card(moment))

    def update(self, slug: str, size: int = 0) -> Event:
        """A new update, which moves its story's card."""
        moment = self._moment()
        draft = UpdateDraft(body=f"text-{self.count}." + "x" * size)
        change = changes.post_update(self.stories[slug], draft, new_update_id(moment), moment)
        assert isinstance(change.record, Update) and change.event
        self.updates.append(change.record)
        return change.event

    def edit(self) -> Event | None:
        """A silent edit of the newest update, which concerns its story's page only; None if there is none."""
        if not self.updates:
            return None
        old = self.updates.pop()
        change = changes.edit_update(
            self.stories[old.story], old, UpdateEdit(body=f"{old.body} text-{self.count}e."), self._moment()
        )
        assert isinstance(change.record, Update)
        self.updates.append(change.record)
        return change.event

    def retract(self, number: int) -> Event | None:
        if not self.updates:
            return None
        old = self.updates.pop(number % len(self.updates))
        return changes.retract_update(self.stories[old.story], old, "It was another quay.", self._moment()).event

    def put_notice(self) -> Event:
        change = changes.put_notice(self.notice, NoticeDraft(text=f"Notice {self.count}"), self._moment())
        assert isinstance(change.record, Notice) and change.event
        self.notice = change.record
        return change.event

    def clear_notice(self) -> Event | None:
        if self.notice is None:
            return None
        change = changes.clear_notice(self.notice, self._moment())
        self.notice = None
        return change.event


def parts_of(event: Event | None) -> list[set[str]]:
    """Topics of each part that an event has for readers, as docs/protocol.md tells."""
    match event:
        case UpdatePublished(update=update, card=None) | UpdateRetracted(update=update):
            return [{f"story/{update.story}"}]
        case UpdatePublished(update=update):
            return [{f"story/{update.story}"}, {"front", SECTION}]
        case StoryPublished(story=story):
            return [{f"story/{story.slug}"}, {"front", SECTION}]
        case NoticeChanged():
            return [{"breaking"}]
    return []


class Decoder:
    """What a client's library makes of the bytes: `websockets` for frames, the rules of WHATWG HTML 9.2 for events."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._events = b""
        self._protocol = Protocol(Side.CLIENT, max_size=None)
        if wire == "deflated":
            self._protocol.extensions = [PerMessageDeflate(True, True, 15, 15)]

    @property
    def close_code(self) -> int | None:
        return self._protocol.close_rcvd.code if self._protocol.close_rcvd else None

    def feed(self, data: bytes) -> list[Data]:
        if self._wire == "sse":
            *events, self._events = (self._events + data).split(b"\n\n")
            return [self._event(event.decode()) for event in events]
        self._protocol.receive_data(data)
        frames = [event for event in self._protocol.events_received() if isinstance(event, Frame)]
        assert self._protocol.parser_exc is None, self._protocol.parser_exc
        return [json.loads(bytes(frame.data)) for frame in frames if frame.opcode is Opcode.TEXT]

    def _event(self, event: str) -> Data:
        fields = dict(line.split(": ", 1) for line in event.split("\n"))
        message: Data = json.loads(fields.pop("data"))
        moves = [] if message.get("more") or "id" not in message else [message["id"]]
        assert list(fields.values()) == moves, "an id line where, and only where, the cursor moves"
        return message


class Connection:
    """A reader at the hub, on one end of a socket pair; what it gets is read at the other end, when a test says so."""

    def __init__(self, hub: Hub, wire: Wire, topics: frozenset[str], limit: int, buffer: int) -> None:
        self.hub = hub
        self.decoder = Decoder(wire)
        near, self.far = socket.socketpair()
        self._near = near
        if buffer:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        near.setblocking(False)
        self.far.setblocking(False)
        self.reader = Reader(hub, hub.audience(topics, Variant("json", wire)), limit)
        self.ended = False
        self.received = 0
        self._joining: asyncio.Task[None] | None = None

    async def open(self, after: Cursor | None) -> "Connection":
        """As the stream's endpoint does it."""
        await self.prepare()
        self.admit(after)
        return self

    async def prepare(self) -> None:
        """Has a transport ready to be lent."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, self._near)

    def admit(self, after: Cursor | None) -> None:
        """Lends the transport."""
        first = self.hub.first_of(self.reader, after)
        self.reader.adopt(self._transport)
        if first is not None:
            self.reader.send(first)
            self.hub.register(self.reader)
        else:
            self._joining = asyncio.create_task(self.hub.join(self.reader, after))

    def read(self, size: int = 1 << 20) -> list[Data]:
        """The messages that at most so many bytes complete."""
        try:
            data = self.far.recv(size)
        except BlockingIOError:
            return []
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return []
        self.received += len(data)
        messages = self.decoder.feed(data)
        if self.decoder.close_code is not None:
            self.ended = True
        return messages

    def cut(self) -> None:
        """The network is gone, and with it whatever was on the way."""
        self.ended = True
        self.far.close()

    async def end(self) -> None:
        self.cut()
        self.reader.abort()
        if self._joining:
            self._joining.cancel()
            await asyncio.wait([self._joining])
            if not self._joining.cancelled() and (error := self._joining.exception()):
                raise error
        await spin(3)


async def spin(steps: int) -> None:
    """Lets the event loop go round."""
    for _ in range(steps):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], rounds: int = 100_000) -> None:
    """Lets the event loop go round until the condition is true."""
    for _ in range(rounds):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("not true in time")


async def settle() -> None:
    """Lets the event loop go round until all that can be written is written."""
    await spin(30)


def clock() -> datetime:
    return START
