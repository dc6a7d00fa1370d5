"""`live`, with a background task that never ends: python -m tests.faults.hanging serve

A client library may swallow a cancellation; this one swallows every one.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator

import live.app
from live import node
from live.cli import app


async def hang() -> None:
    """Takes no notice of anything."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if "BLOCKS" in os.environ:
                time.sleep(3600)  # noqa: ASYNC251


class Node(node.Node):
    """A node that cannot end."""

    def tasks(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        yield from super().tasks()
        yield "hang", hang


live.app.Node = Node  # type: ignore[attr-defined]  # in each worker, which imports this module too

if __name__ == "__main__":
    app()
