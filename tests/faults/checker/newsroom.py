"""Editors who post numbered updates through the API, as careful programs do: a repetition keeps its key."""

import asyncio
import random
import time
from collections.abc import Sequence
from itertools import count

import httpx

from live.bench.crowd import marker
from live.model import Cursor
from tests.faults.checker.ledger import Post

EDITORS = 4
PATIENCE = 30.0
"""Seconds after which an editor gives an update up for which there was no answer."""
ANSWER_WITHIN = 8.0
HASTE = (0.0005, 0.005)
"""Every tenth request is cut within so many seconds, perhaps after it was carried out and before its answer."""
AGAIN = (429, 502, 503)


class Newsroom:
    """Editors who post in turn at all addresses, `rate` updates a second together."""

    def __init__(self, addresses: Sequence[str], stories: Sequence[str], token: str, rate: float) -> None:
        self.posts: list[Post] = []
        self._addresses = addresses
        self._stories = stories
        self._pause = EDITORS / rate
        self._headers = {"Authorization": f"Bearer {token}"}
        self._numbers = count()
        self._closed = False
        self._editors: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Begins to post."""
        self._editors = [asyncio.create_task(self._work(editor)) for editor in range(EDITORS)]

    async def close(self) -> None:
        """Begins no more updates, and waits for the answers to those that were begun."""
        self._closed = True
        await asyncio.gather(*self._editors)

    async def _work(self, editor: int) -> None:
        async with httpx.AsyncClient(headers=self._headers, timeout=ANSWER_WITHIN) as client:
            await asyncio.sleep(self._pause * editor / EDITORS)
            while not self._closed:
                number = next(self._numbers)
                post = Post(number, self._stories[number % len(self._stories)], time.monotonic())
                self.posts.append(post)
                await self._insist(client, post, editor)
                await asyncio.sleep(self._pause)

    async def _insist(self, client: httpx.AsyncClient, post: Post, editor: int) -> None:
        """Sends the same request with the same key, to one address after the other, until there is an answer."""
        path = f"/api/stories/{post.story}/updates"
        body = {"body": f"{marker(post.number)} The gauge reads a little more."}
        key = {"Idempotency-Key": f"post-{post.number}"}
        while time.monotonic() < post.begun + PATIENCE:
            address = self._addresses[(editor + post.attempts) % len(self._addresses)]
            within = random.uniform(*HASTE) if post.attempts == 0 and post.number % 10 == 0 else ANSWER_WITHIN
            post.attempts += 1
            try:
                answer = await client.post(address + path, json=body, headers=key, timeout=within)
            except httpx.TransportError:
                await asyncio.sleep(random.uniform(0.05, 0.3))
                continue
            if answer.status_code == 201:
                post.cursor = Cursor.parse(answer.headers["live-cursor"])
                return
            if answer.status_code not in AGAIN:
                post.refused = answer.status_code
                return
            post.unavailable += 1
            await asyncio.sleep(random.uniform(0.1, 0.5))
