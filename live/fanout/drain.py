"""Sending readers away when their process is to stop: some at a time, so that they do not come back all at once."""

import asyncio
import random
from functools import cache
from itertools import islice

from live.fanout import frames as wire
from live.fanout.frames import Wire
from live.fanout.hub import Hub
from live.fanout.reader import Reader
from live.fanout.websocket import CloseCode

WAVE_SECONDS = 0.1
STEP_MILLIS = 10
SHARE = 0.9
"""Of the rate: what the network delays comes together with what follows, and should not be more than the rate."""


async def drain(hub: Hub, rate: float, seconds: float) -> None:
    """Has every reader connect again: at most `rate` a second, unless they would not be through in so many seconds.

    Each has the stream until its turn, is told `reconnect`, and is closed. Returns as soon as nobody is there.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    debt = 0.0  # readers whose turn it is
    while hub.readers:
        left = end - loop.time()
        if left <= 0:
            break
        debt += WAVE_SECONDS * max(SHARE * rate, hub.readers / left)
        for reader in list(islice(hub.everybody(), int(debt))):
            send_away(reader)
        debt -= int(debt)
        if hub.readers:
            await asyncio.sleep(min(left, WAVE_SECONDS))
    hub.close_all(CloseCode.RESTART)


def send_away(reader: Reader) -> None:
    """Tells a reader to connect again, at a time of its own within the wave, and closes its stream."""
    delay = random.randrange(0, round(WAVE_SECONDS * 1000), STEP_MILLIS)
    if reader.in_step:  # one who is behind has other things to read first; it gets the close code
        reader.send(_encoded(delay, reader.variant.wire))
    reader.close(CloseCode.RESTART)


@cache
def _encoded(delay: int, variant: Wire) -> bytes:
    return wire.encode(wire.reconnect(delay), variant)
