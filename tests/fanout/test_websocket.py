"""The WebSocket codec: what it sends, and what it makes of any bytes that come, however they are cut."""

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.fanout.websocket import (
    WORTH_COMPRESSING,
    Broken,
    CloseCode,
    Opcode,
    Parser,
    accept_key,
    close_code_of,
    close_frame,
    frame,
    offers_deflate,
    text_frame,
    unmask,
)
from tests.fanout.echo import CONTINUATION, FIN, RSV1, SAMPLE_KEY, TEXT, masked

LIMIT = 300
LONGEST_CONTROL_FRAME = 2 + 4 + 125
Messages = list[tuple[int, bytes]]


def inflated(payload: bytes) -> bytes:
    """As a client without context takeover reads a message."""
    return zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def held(parser: Parser) -> int:
    """Bytes that the parser keeps."""
    return len(parser._buffer) + len(parser._message)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_says_its_length_in_the_fewest_bytes(size: int, head: bytes) -> None:
    assert frame(Opcode.TEXT, b"x" * size) == head + b"x" * size


def test_a_compressed_text_is_marked_smaller_and_reads_as_before() -> None:
    text = "Der Fluß steigt. ".encode() * 50
    sent = text_frame(text, deflate=True)
    assert sent[0] == FIN | RSV1 | TEXT
    assert len(sent) < len(text)
    assert inflated(sent[4:] if sent[1] == 126 else sent[2:]) == text


def test_each_compressed_text_stands_for_itself() -> None:
    text = b"the river rises " * 40
    first, second = text_frame(text, deflate=True), text_frame(text, deflate=True)
    assert first == second


@pytest.mark.parametrize("text", [b"", b"x" * (WORTH_COMPRESSING - 1), bytes(range(256))])
def test_what_would_not_get_smaller_is_sent_plain(text: bytes) -> None:
    assert text_frame(text, deflate=True) == text_frame(text)


def test_a_text_that_was_not_to_be_compressed_is_plain() -> None:
    assert text_frame(b"a" * 1000) == frame(Opcode.TEXT, b"a" * 1000)


def test_the_accept_key_is_that_of_the_rfc() -> None:
    assert accept_key(SAMPLE_KEY.encode()) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("code", "sent"), [(1000, b"\x88\x02\x03\xe8"), (4008, b"\x88\x02\x0f\xa8"), (1005, b"\x88\x00")]
)
def test_a_close_frame_has_its_code_or_is_empty(code: int, sent: bytes) -> None:
    assert close_frame(code) == sent


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        ("", False),
        ("x-webkit-deflate-frame", False),
        ("permessage-deflate", True),
        ("  permessage-deflate  ", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=12", True),
        ("permessage-deflate; client_max_window_bits=16", False),
        ("permessage-deflate; client_max_window_bits=many", False),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
        ("permessage-deflate; server_no_context_takeover=1", False),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; server_max_window_bits=15", True),
        ('permessage-deflate; server_max_window_bits="15"', True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("bbf-usp-protocol, permessage-deflate", True),
        ("permessage-deflate; level=9", False),
    ],
)
def test_compression_is_taken_when_a_full_window_and_no_context_are_allowed(offer: str, taken: bool) -> None:
    assert offers_deflate(offer.encode()) is taken


VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]


@pytest.mark.parametrize("code", VALID_CODES)
def test_a_permitted_close_code_is_read(code: int) -> None:
    assert close_code_of(struct.pack("!H", code) + "schön".encode()) == code


@pytest.mark.parametrize("code", INVALID_CODES)
def test_a_close_code_that_must_not_be_sent_breaks(code: int) -> None:
    with pytest.raises(Broken) as broken:
        close_code_of(struct.pack("!H", code))
    assert broken.value.code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x03", CloseCode.PROTOCOL_ERROR), (b"\x03\xe8\xff", CloseCode.INVALID_TEXT)]
)
def test_half_a_code_and_a_reason_that_is_no_text_break(payload: bytes, code: CloseCode) -> None:
    with pytest.raises(Broken) as broken:
        close_code_of(payload)
    assert broken.value.code == code


def test_a_close_without_a_code_says_that() -> None:
    assert close_code_of(b"") == CloseCode.NO_CODE


@given(payload=st.binary(max_size=600), mask=st.binary(min_size=4, max_size=4))
def test_a_mask_comes_off_as_it_went_on(payload: bytes, mask: bytes) -> None:
    assert unmask(payload, mask) == bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    assert unmask(unmask(payload, mask), mask) == payload


def cut(data: bytes, places: set[int]) -> list[bytes]:
    """The data in pieces."""
    bounds = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@st.composite
def conversations(draw: st.DrawFn, deflate: bool) -> tuple[bytes, Messages]:
    """What a client sends, and the messages and control frames in it."""
    sent, messages = b"", Messages()
    mask = draw(st.binary(min_size=4, max_size=4))
    control = st.tuples(st.sampled_from([8, 9, 10]), st.binary(max_size=125))
    for _ in range(draw(st.integers(0, 4))):
        text = draw(st.booleans())
        data = draw(st.text(max_size=70).map(str.encode) if text else st.binary(max_size=LIMIT - 20))
        compressed = deflate and draw(st.booleans())
        pieces = cut(deflated(data) if compressed else data, draw(st.sets(st.integers(0, LIMIT), max_size=4)))
        for number, piece in enumerate(pieces):
            opcode = CONTINUATION if number else (TEXT if text else 2)
            final = FIN if number == len(pieces) - 1 else 0
            sent += masked(opcode | final | (RSV1 if compressed and not number else 0), piece, mask)
            if final:
                messages.append((TEXT if text else 2, data))
            for kind, payload in draw(st.lists(control, max_size=2)):
                sent += masked(FIN | kind, payload, mask)
                messages.append((kind, payload))
    return sent, messages


def parsed(parser: Parser, pieces: list[bytes]) -> Messages:
    return [(int(opcode), data) for piece in pieces for opcode, data in parser.feed(piece)]


@pytest.mark.parametrize("deflate", [False, True])
@given(data=st.data())
def test_frames_mean_the_same_however_the_network_cuts_them(deflate: bool, data: st.DataObject) -> None:
    sent, messages = data.draw(conversations(deflate))
    pieces = cut(sent, data.draw(st.sets(st.integers(0, max(len(sent), 1)), max_size=12)))
    assert parsed(Parser(LIMIT, deflate=deflate), pieces) == messages
    assert parsed(Parser(LIMIT, deflate=deflate), [sent[place : place + 1] for place in range(len(sent))]) == messages


GARBAGE = st.lists(
    st.one_of(st.binary(max_size=2 * LIMIT), st.builds(masked, st.integers(0, 255), st.binary(max_size=LIMIT + 20))),
    max_size=8,
)


@pytest.mark.parametrize("deflate", [False, True])
@given(pieces=GARBAGE)
def test_garbage_breaks_the_protocol_and_nothing_else(deflate: bool, pieces: list[bytes]) -> None:
    parser = Parser(LIMIT, deflate=deflate)
    for piece in pieces:
        try:
            for opcode, data in parser.feed(piece):
                assert len(data) <= (LIMIT if opcode < Opcode.CLOSE else 125)
        except Broken as broken:
            assert broken.code in (CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_TEXT, CloseCode.TOO_BIG)
            return
        assert held(parser) <= LIMIT + (LONGEST_CONTROL_FRAME if parser._opcode else 14)


@pytest.mark.parametrize("width", [126, 127])
def test_a_message_beyond_the_limit_is_refused_before_it_comes(width: int) -> None:
    parser = Parser(LIMIT)
    with pytest.raises(Broken) as broken:
        parsed(parser, [bytes([FIN | TEXT, 0x80 | width]) + (LIMIT + 1).to_bytes(2 if width == 126 else 8, "big")])
    assert broken.value.code == CloseCode.TOO_BIG


def test_the_limit_counts_the_parts_of_a_message_together() -> None:
    parser = Parser(LIMIT)
    assert parsed(parser, [masked(2, b"x" * (LIMIT - 1)), masked(CONTINUATION, b"x")]) == []
    with pytest.raises(Broken) as broken:
        parsed(parser, [masked(FIN | CONTINUATION, b"x")])
    assert broken.value.code == CloseCode.TOO_BIG


def test_the_limit_counts_what_a_compressed_message_becomes() -> None:
    with pytest.raises(Broken) as broken:
        parsed(Parser(LIMIT, deflate=True), [masked(FIN | RSV1 | 2, deflated(bytes(1_000_000))[:LIMIT])])
    assert broken.value.code == CloseCode.TOO_BIG


def test_bytes_that_do_not_inflate_break() -> None:
    with pytest.raises(Broken) as broken:
        parsed(Parser(LIMIT, deflate=True), [masked(FIN | RSV1 | TEXT, b"\xff" * 20)])
    assert broken.value.code == CloseCode.INVALID_TEXT
