"""WebSocket frames without I/O (RFC 6455, RFC 7692): bytes to send, and what the other side's bytes mean.

Written for one-way streams: what we send is encoded once for many connections, so it carries no state of any of
them; what we receive is rare, bounded, and parsed only where it occurs.
"""

import base64
import codecs
import hashlib
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FIN, RSV1, RESERVED = 0x80, 0x40, 0x70
MASKED = 0x80
LONGEST_CONTROL = 125
DEFLATE = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
"""What we answer to a client that offers compression: each message stands for itself, so one serves all."""
WORTH_COMPRESSING = 200
"""Bytes below which a compressor, which has to learn each message anew, gains nothing."""
FLUSHED = b"\x00\x00\xff\xff"


class Opcode(IntEnum):
    """RFC 6455, 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """RFC 6455, 7.4.1, and those of the registry that we use; 4008 is ours."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    NO_CODE = 1005
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_BIG = 1009
    RESTART = 1012
    TRY_AGAIN_LATER = 1013
    TOO_SLOW = 4008


class Broken(Exception):
    """The other side broke the protocol; `code` is what to close with."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class Received(NamedTuple):
    """A whole message (TEXT or BINARY), or a control frame."""

    opcode: Opcode
    data: bytes


def accept_key(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def frame(opcode: Opcode, payload: bytes, *, compressed: bool = False) -> bytes:
    """One unfragmented, unmasked frame: what a server sends."""
    first = FIN | opcode | (RSV1 if compressed else 0)
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def text_frame(text: bytes, *, deflate: bool = False) -> bytes:
    """A text message; compressed on its own (RFC 7692, 7.2.1) where asked for and smaller so."""
    if deflate and len(text) >= WORTH_COMPRESSING:
        compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        packed = packed.removesuffix(FLUSHED)
        if len(packed) < len(text):
            return frame(Opcode.TEXT, packed, compressed=True)
    return frame(Opcode.TEXT, text)


def close_frame(code: int) -> bytes:
    """The frame that begins or answers the closing handshake; NO_CODE makes an empty one."""
    return frame(Opcode.CLOSE, b"" if code == CloseCode.NO_CODE else struct.pack("!H", code))


def begins_close(data: bytes) -> bool:
    """Whether a close frame begins here: all that is looked for once the other side broke the protocol."""
    return data[:1] == bytes((FIN | Opcode.CLOSE,))


WHOLE_PONG = int(FIN | Opcode.PONG)


def lone_pong(data: bytes) -> bytes | None:
    """The payload of a client's pong, where that is all that came; None for anything else, which is the parser's."""
    size = len(data) - 6
    if not 0 <= size <= LONGEST_CONTROL or data[0] != WHOLE_PONG or data[1] != MASKED | size:
        return None
    return unmask(data[6:], data[2:6])


def close_code_of(payload: bytes) -> int:
    """The code of a close frame that came in.

    Raises:
        Broken: the payload is not a permitted code and UTF-8 (RFC 6455, 5.5.1 and 7.4).
    """
    if not payload:
        return CloseCode.NO_CODE
    if len(payload) == 1:
        raise Broken(CloseCode.PROTOCOL_ERROR)
    code: int = struct.unpack("!H", payload[:2])[0]
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise Broken(CloseCode.PROTOCOL_ERROR)
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Broken(CloseCode.INVALID_TEXT) from None
    return code


def offers_deflate(extensions: bytes) -> bool:
    """Whether a client's Sec-WebSocket-Extensions let us compress with a full window and no context."""
    for offer in extensions.split(b","):
        name, *parameters = (part.strip().lower() for part in offer.split(b";"))
        names = [parameter.partition(b"=")[0].strip() for parameter in parameters]
        well = len(names) == len(set(names)) and all(map(_acceptable, parameters))
        if name == b"permessage-deflate" and well:
            return True
    return False


def _acceptable(parameter: bytes) -> bool:
    name, _, value = (part.strip(b' "') for part in parameter.partition(b"="))
    if name in (b"server_no_context_takeover", b"client_no_context_takeover"):
        return not value
    if name == b"server_max_window_bits":  # our window is 15 bits, a smaller one would need its own encoding
        return value == b"15"
    return name == b"client_max_window_bits" and value in (b"", *(b"%d" % bits for bits in range(8, 16)))


class Parser:
    """What a client sends, in pieces as they arrive.

    Args:
        limit: the largest message, in bytes; a larger one breaks with TOO_BIG before it is held.
        deflate: whether compression was negotiated.
    """

    __slots__ = ("_buffer", "_compressed", "_deflate", "_limit", "_message", "_opcode", "_utf8")

    def __init__(self, limit: int, *, deflate: bool = False) -> None:
        self._limit = limit
        self._deflate = deflate
        self._buffer = bytearray()
        self._message = bytearray()
        self._opcode: Opcode | None = None
        self._compressed = False
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    @property
    def idle(self) -> bool:
        """Whether no frame has begun that is not complete."""
        return not self._buffer

    def feed(self, data: bytes) -> Iterator[Received]:
        """The messages and control frames that these bytes complete. Raises Broken."""
        self._buffer += data
        while (taken := self._take()) is not None:
            first, payload = taken
            received = self._frame(first, payload)
            if received is not None:
                yield received

    def _take(self) -> tuple[int, bytes] | None:
        """The next frame's first byte and unmasked payload, None while it is incomplete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        self._check_header(first, second)
        size, start = second & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            start += width
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if first & 0x0F < Opcode.CLOSE and size > self._limit - len(self._message):
            raise Broken(CloseCode.TOO_BIG)
        end = start + 4 + size
        if len(buffer) < end:
            return None
        payload = unmask(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        del buffer[:end]
        return first, payload

    def _check_header(self, first: int, second: int) -> None:
        opcode, final, compressed = first & 0x0F, first & FIN, first & RSV1
        control = opcode >= Opcode.CLOSE
        wrong = (
            opcode not in Opcode._value2member_map_
            or not second & MASKED
            or first & RESERVED & ~RSV1
            or (compressed and (not self._deflate or control or opcode == Opcode.CONTINUATION))
            or (control and (not final or second & 0x7F > LONGEST_CONTROL))
            or (opcode == Opcode.CONTINUATION and self._opcode is None)
            or (opcode in (Opcode.TEXT, Opcode.BINARY) and self._opcode is not None)
        )
        if wrong:
            raise Broken(CloseCode.PROTOCOL_ERROR)

    def _frame(self, first: int, payload: bytes) -> Received | None:
        opcode, final = Opcode(first & 0x0F), bool(first & FIN)
        if opcode >= Opcode.CLOSE:
            return Received(opcode, payload)
        if opcode != Opcode.CONTINUATION:
            self._opcode, self._compressed = opcode, bool(first & RSV1)
        self._message += payload
        if self._opcode == Opcode.TEXT and not self._compressed:
            self._check_text(payload, final)
        if not final:
            return None
        assert self._opcode is not None
        message = Received(self._opcode, self._whole())
        self._message.clear()
        self._opcode = None
        return message

    def _check_text(self, payload: bytes, final: bool) -> None:
        """As it arrives, so that bad text is refused at once, not at the end of a message that may never end."""
        try:
            self._utf8.decode(payload, final)
        except UnicodeDecodeError:
            raise Broken(CloseCode.INVALID_TEXT) from None

    def _whole(self) -> bytes:
        if not self._compressed:
            return bytes(self._message)
        inflater = zlib.decompressobj(-15)
        try:
            data = inflater.decompress(bytes(self._message) + FLUSHED, self._limit + 1)
        except zlib.error:
            raise Broken(CloseCode.INVALID_TEXT) from None
        if len(data) > self._limit:
            raise Broken(CloseCode.TOO_BIG)
        if self._opcode == Opcode.TEXT:
            self._check_text(data, True)
        return data


def unmask(payload: bytes, mask: bytes) -> bytes:
    """The payload with its mask taken off (or put on): XOR as one big number, the fastest that Python has."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
