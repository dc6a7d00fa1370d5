"""Sending a write, and knowing when it is safe: on the server's disk, at a replica, or both."""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from live.errors import Unavailable
from live.journal.connection import reaching

WAIT_MILLIS = 4000
"""How long a write waits for each; the server may write to its disk only once a second."""
NOT_ON_DISK = "The journal took the change but could not write it to disk in time; send it again."
NOT_COPIED = "The journal took the change but no replica has it yet; send it again."


async def confirmed(client: Redis, command: tuple[Any, ...], *, disk: bool, replica: bool) -> Any:
    """The answer to a command, once its effect is on disk (WAITAOF) and at a replica (WAIT), as asked for.

    Raises:
        Unavailable: the server cannot be reached, or it did the command and cannot confirm it: repeat it.
    """
    execute: Any = client.execute_command
    with reaching():
        if not (disk or replica):
            return await execute(*command)
        async with client.pipeline(transaction=False) as pipe:  # one connection: what is waited for is its own writes
            queue: Any = pipe.execute_command
            queue(*command)
            if disk:
                queue("WAITAOF", 1, 0, WAIT_MILLIS)
            if replica:
                queue("WAIT", 1, WAIT_MILLIS)
            answer, *counts = await pipe.execute(raise_on_error=False)
        if isinstance(answer, Exception):
            raise answer
    if disk and not _reached(counts[0]):
        raise Unavailable(NOT_ON_DISK)
    if replica and not _reached(counts[-1]):
        raise Unavailable(NOT_COPIED)
    return answer


def _reached(count: Any) -> bool:
    """Whether a WAIT or WAITAOF counted one; an error means that the server has no file, or is a replica, by now."""
    if isinstance(count, ResponseError):
        return False
    if isinstance(count, Exception):
        raise count
    return int(count[0] if isinstance(count, list) else count) >= 1
