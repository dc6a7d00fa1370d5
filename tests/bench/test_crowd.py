"""What a crowd of readers makes of the bytes that come."""

import pytest

from live.bench.crowd import newest_ping
from live.fanout.websocket import Opcode, frame, text_frame

PING = frame(Opcode.PING, b"5-0 word")
TICK = text_frame(b'{"type": "tick"}', deflate=False)
LONG = text_frame(b"{" * 649, deflate=False)  # its length, 0x289, has the byte that a ping begins with


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (b"", None),
        (TICK, None),
        (PING, b"5-0 word"),
        (frame(Opcode.PING, b""), b""),
        (TICK + PING, b"5-0 word"),
        (PING + TICK + LONG, b"5-0 word"),
        (PING + frame(Opcode.PING, b"6-0 word") + TICK, b"6-0 word"),
        (LONG + PING + LONG, b"5-0 word"),
        (LONG, None),
        (PING[:-1], None),
        (PING[:1], None),
        (PING + TICK[:1], b"5-0 word"),
        (text_frame("\u0109\u0109".encode(), deflate=False), None),
    ],
)
def test_the_newest_ping_in_what_came_is_found(data: bytes, payload: bytes | None) -> None:
    assert newest_ping(data) == payload
