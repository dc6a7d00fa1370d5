"""What the faults are done to: a store, two nodes on it, and the way to them."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.conftest import make_token
from tests.faults.checker.ledger import BEFORE_ALL, Page
from tests.faults.checker.readers import Reader, whole_story
from tests.faults.servers import Guarded, Sharded
from tests.journal.samples import Server
from tests.node import Node

NAME = "checked"
STORIES = ("harbour", "quay", "lock")
SETTINGS: dict[str, Any] = {"site": NAME, "tick_seconds": 0.5, "drain_seconds": 2}


class Store(Protocol):
    """A Redis of whatever kind."""

    url: str

    def stop(self) -> None: ...


class Site:
    """Two nodes of a site. Made by `open_site`; everything in it ends with the stack that it was made on."""

    def __init__(self, directory: Path, store: Any) -> None:
        self.directory = directory
        self.store: Any = store
        """A Server, or a group of them (Guarded, Sharded)."""
        self.stack = AsyncExitStack()
        self.nodes: list[Node] = []
        self.readers: list[Reader] = []
        self.token = ""
        self.gone = BEFORE_ALL
        """The log's last cursor when it was emptied."""
        self.addresses: list[str] = []
        """Where readers find the nodes."""

    @property
    def server(self) -> Server:
        """The one server that the site is on."""
        assert isinstance(self.store, Server)
        return self.store

    @property
    def guarded(self) -> Guarded:
        assert isinstance(self.store, Guarded)
        return self.store

    @property
    def sharded(self) -> Sharded:
        assert isinstance(self.store, Sharded)
        return self.store

    async def call(self, *words: str | int) -> Any:
        """The server's answer to a command."""
        return await asyncio.to_thread(self.server.call, *words)

    async def open(self, settings: Sequence[dict[str, Any]]) -> None:
        """Starts a node with each of these settings, and publishes the stories."""
        for own in settings:
            fields = {**SETTINGS, "redis_url": self.store.url, "data_dir": self.directory / "data", **own}
            node = await asyncio.to_thread(Node, fields)
            self.stack.push_async_callback(asyncio.to_thread, node.kill)
            self.nodes.append(node)
        self.addresses = [node.url for node in self.nodes]
        self.token = await asyncio.to_thread(make_token, self.store.url, NAME, "editor")
        await self.publish_stories()

    async def publish_stories(self) -> None:
        """Publishes the stories that updates are posted to. Repeats nothing that is there."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.token}"}, timeout=15) as client:
            for slug in STORIES:
                draft = {"slug": slug, "headline": f"News of the {slug}", "sections": ["World"], "body": "It rains."}
                answer = await client.post(f"{self.nodes[0].url}/api/stories", json=draft)
                assert answer.status_code == 201, answer.text

    async def pages(self) -> list[Page]:
        """The stories' pages as both nodes have them now."""
        pages = []
        async with httpx.AsyncClient(timeout=15) as client:
            for number, node in enumerate(self.nodes):
                for story in STORIES:
                    _, shown = await whole_story(client, node.url, story)
                    pages.append(Page(f"node {number}'s page of the {story}", story, shown))
        return pages
