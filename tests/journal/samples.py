"""Changes to append, a server that a test may break, and waiting on conditions without blocking the event loop."""

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from redis import Redis as BlockingRedis

from live.journal import Change, Journal, Receipt, Rewound, changes
from live.journal.embedded import command
from live.model import (
    Cursor,
    Entry,
    Identity,
    Story,
    StoryDraft,
    Update,
    UpdateDraft,
    UpdatePublished,
    new_update_id,
    now,
)
from tests.node import eventually

Item = Entry | Rewound


def receipt(answer: str = "") -> Receipt:
    """Names a request that nobody made before."""
    return Receipt(secrets.token_hex(8), secrets.token_hex(8), answer)


def new_story(slug: str = "quay", body: str = "The quay is closed.", **fields: object) -> Change:
    draft = {"slug": slug, "headline": f"News of {slug}", "sections": ["World"], "body": body, **fields}
    return changes.create_story(StoryDraft.model_validate(draft), now())


def new_update(story: Story, body: str = "It is open again.", **fields: object) -> Change:
    moment = now()
    return changes.post_update(
        story, UpdateDraft.model_validate({"body": body, **fields}), new_update_id(moment), moment
    )


EDITOR = Identity("0123456789ab", "the editor", "editor", "token", "127.0.0.1")


async def append(journal: Journal, change: Change) -> Cursor:
    return (await journal.append(change, receipt(), EDITOR)).cursor


async def create(journal: Journal, slug: str = "quay", **fields: object) -> Story:
    change = new_story(slug, **fields)  # type: ignore[arg-type]
    await append(journal, change)
    assert isinstance(change.record, Story)
    return change.record


async def post(journal: Journal, story: Story, body: str = "It is open again.") -> tuple[Update, Cursor]:
    change = new_update(story, body)
    cursor = await append(journal, change)
    assert isinstance(change.record, Update)
    return change.record, cursor


async def post_many(journal: Journal, story: Story, count: int) -> list[Cursor]:
    return [(await post(journal, story, f"number {number}"))[1] for number in range(count)]


def text_of(item: Item) -> str:
    """The text of an update that went out."""
    assert isinstance(item, Entry) and isinstance(item.event, UpdatePublished), item
    return item.event.update.body


def cursors(items: list[Item]) -> list[Cursor]:
    return [item.cursor for item in items]


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Gives the event loop to others until the condition is true."""
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def following(journal: Journal, after: Cursor) -> AsyncIterator[list[Item]]:
    """What a follower was given so far, while it goes on."""
    items: list[Item] = []

    async def collect() -> None:
        async for item in journal.follow(after):
            items.append(item)

    task = asyncio.create_task(collect())
    try:
        yield items
        assert not task.done(), "a follower goes on for ever"
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.5)


class Server:
    """A Valkey of the test's own, to be killed, frozen and started again on its data."""

    def __init__(self, directory: Path, **options: str) -> None:
        self.directory = directory
        self.socket = directory / "own.sock"
        self.url = f"unix://{self.socket}"
        self._options = options
        self.start()

    def start(self) -> None:
        words = command(self.directory, self.socket)
        words += [word for name, value in self._options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        eventually(self.answers)

    def answers(self) -> bool:
        return answers(self.socket)

    def call(self, *words: str | int) -> object:
        with BlockingRedis(unix_socket_path=str(self.socket), decode_responses=True) as client:
            answer: object = client.execute_command(*words)
            return answer

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """Connections stay open, and nothing answers any more."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            self.process.wait(10)


def answers(socket: Path) -> bool:
    """Whether a server answers at this socket."""
    from redis.exceptions import RedisError

    if not socket.exists():
        return False
    with BlockingRedis(unix_socket_path=str(socket), socket_timeout=5.0) as client:
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False
