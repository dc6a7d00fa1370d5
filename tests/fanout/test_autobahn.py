"""The cases of the Autobahn test suite (sections 1 to 7 and 10) against connections that are not lent.

The numbers are that suite's; the bytes go over a real connection to a server process that echoes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from websockets.frames import CloseCode as Code
from websockets.sync.client import connect

from tests.fanout.echo import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    LARGEST_MESSAGE,
    PING,
    PONG,
    TEXT,
    Frame,
    RawClient,
    closing,
    masked,
    serving,
)

SIZES = [0, 125, 126, 127, 128, 65_535, 65_536]
HELLO = b"Hello, world!"
ODD = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    with serving() as url:
        yield url


class Case(NamedTuple):
    """What is sent, a piece at a time, what comes back, and the code that the server closes with at the end.

    With `goodbye` the client closes once all came back; without it what was sent ends the connection, and a server
    that does so before the application has answered all is within the suite's rules.
    """

    number: str
    sent: list[bytes]
    echoed: list[Frame]
    code: int = 1000
    goodbye: bool = False


def octets(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def ping(payload: bytes = b"") -> bytes:
    return masked(FIN | PING, payload)


def text(payload: bytes = HELLO, first: int = FIN | TEXT) -> bytes:
    return masked(first, payload)


def part(payload: bytes, *, final: bool = False) -> bytes:
    return masked(CONTINUATION | (FIN if final else 0), payload)


def pong(payload: bytes = b"") -> Frame:
    return Frame(PONG, payload)


def echoed(payload: bytes = HELLO) -> Frame:
    return Frame(TEXT, payload)


def well(number: str, *frames: bytes, back: list[Frame]) -> Case:
    return Case(number, [b"".join(frames)], back, goodbye=True)


def wrong(number: str, *frames: bytes, back: list[Frame] | None = None, code: int = 1002) -> Case:
    return Case(number, list(frames), back or [], code)


def in_octets(case: Case) -> Case:
    return case._replace(number=f"{case.number}-octets", sent=octets(b"".join(case.sent)))


TWO_PARTS = text(b"fragment1", TEXT), part(b"fragment2", final=True)
BOTH = echoed(b"fragment1fragment2")
PARTS_OF_FIVE = [text(b"fragment1", TEXT), *(part(b"fragment%d" % n, final=n == 5) for n in range(2, 6))]
FIVE = echoed(b"".join(b"fragment%d" % n for n in range(1, 6)))
LONE = part(b"non-continuation payload", final=True)
OPEN_LONE = part(b"non-continuation payload")

PINGS = [
    well("2.1", ping(), back=[pong()]),
    well("2.2", ping(HELLO), back=[pong(HELLO)]),
    well("2.3", ping(ODD), back=[pong(ODD)]),
    well("2.4", ping(b"\xfe" * 125), back=[pong(b"\xfe" * 125)]),
    wrong("2.5", ping(b"\xfe" * 126)),
    in_octets(well("2.6", ping(b"\xfe" * 125), back=[pong(b"\xfe" * 125)])),
    well("2.7", masked(FIN | PONG), back=[]),
    well("2.8", masked(FIN | PONG, b"unsolicited"), back=[]),
    well("2.9", masked(FIN | PONG, b"unsolicited"), ping(b"mine"), back=[pong(b"mine")]),
    well("2.10", *(ping(b"%d" % n) for n in range(10)), back=[pong(b"%d" % n) for n in range(10)]),
    in_octets(well("2.11", *(ping(b"%d" % n) for n in range(10)), back=[pong(b"%d" % n) for n in range(10)])),
]
RESERVED = [
    wrong("3.1", text(first=FIN | 0x40 | TEXT)),
    wrong("3.2", text(), text(first=FIN | 0x20 | TEXT), ping(), back=[echoed()]),
    wrong("3.3", text(), text(first=FIN | 0x30 | TEXT), ping(), back=[echoed()]),
    in_octets(wrong("3.4", text(), text(first=FIN | 0x10 | TEXT), ping(), back=[echoed()])),
    wrong("3.5", masked(FIN | 0x50 | BINARY, ODD)),
    wrong("3.6", masked(FIN | 0x60 | PING, HELLO)),
    wrong("3.7", masked(FIN | 0x70 | CLOSE, b"\x03\xe8")),
]
OPCODES = [
    *(wrong(f"4.1-{opcode}", masked(FIN | opcode)) for opcode in range(3, 8)),
    *(wrong(f"4.1-{opcode}-payload", text(), masked(FIN | opcode, HELLO), ping(), back=[echoed()])
      for opcode in range(3, 8)),
    *(wrong(f"4.2-{opcode}", masked(FIN | opcode)) for opcode in range(11, 16)),
    *(wrong(f"4.2-{opcode}-payload", text(), masked(FIN | opcode, HELLO), ping(), back=[echoed()])
      for opcode in range(11, 16)),
]  # fmt: skip
FRAGMENTS = [
    wrong("5.1", masked(PING, b"fragment1"), part(b"fragment2", final=True)),
    wrong("5.2", masked(PONG, b"fragment1"), part(b"fragment2", final=True)),
    well("5.3", *TWO_PARTS, back=[BOTH]),
    Case("5.4", [*TWO_PARTS], [BOTH], goodbye=True),
    in_octets(well("5.5", *TWO_PARTS, back=[BOTH])),
    well("5.6", TWO_PARTS[0], ping(b"ping"), TWO_PARTS[1], back=[pong(b"ping"), BOTH]),
    Case("5.7", [TWO_PARTS[0], ping(b"ping"), TWO_PARTS[1]], [pong(b"ping"), BOTH], goodbye=True),
    in_octets(well("5.8", TWO_PARTS[0], ping(b"ping"), TWO_PARTS[1], back=[pong(b"ping"), BOTH])),
    wrong("5.9", LONE + text()),
    wrong("5.10", LONE, text()),
    in_octets(wrong("5.11", LONE, text())),
    wrong("5.12", OPEN_LONE + text()),
    wrong("5.13", OPEN_LONE, text()),
    in_octets(wrong("5.14", OPEN_LONE, text())),
    wrong("5.15", b"".join(TWO_PARTS) + OPEN_LONE + text(), back=[BOTH]),
    wrong("5.16", OPEN_LONE + text(b"fragment2", TEXT) + part(b"fragment3", final=True)),
    wrong("5.17", LONE + text(b"fragment2", TEXT) + part(b"fragment3", final=True)),
    wrong("5.18", text(b"fragment1", TEXT), text(b"fragment2")),
    well(
        "5.19", *PARTS_OF_FIVE[:2], ping(b"ping1"), *PARTS_OF_FIVE[2:4], ping(b"ping2"), PARTS_OF_FIVE[4],
        back=[pong(b"ping1"), pong(b"ping2"), FIVE],
    ),
    Case(
        "5.20",
        [*PARTS_OF_FIVE[:2], ping(b"ping1"), *PARTS_OF_FIVE[2:4], ping(b"ping2"), PARTS_OF_FIVE[4]],
        [pong(b"ping1"), pong(b"ping2"), FIVE],
        goodbye=True,
    ),
]  # fmt: skip
KOSME = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
GREEK = "Hello-µ@ßöäüàá-UTF-8!!".encode() + KOSME
BAD_MIDDLE = [KOSME, b"\xf4\x90\x80\x80", b"edited"]
TEXTS = [
    well("6.1.1", text(b""), back=[echoed(b"")]),
    well("6.1.2", text(b"", TEXT), part(b""), part(b"", final=True), back=[echoed(b"")]),
    well("6.1.3", text(b"", TEXT), part(b"middle"), part(b"", final=True), back=[echoed(b"middle")]),
    well("6.2.2", text(GREEK[:12], TEXT), part(GREEK[12:], final=True), back=[echoed(GREEK)]),
    wrong("6.3.1", text(b"".join(BAD_MIDDLE)), code=1007),
    wrong("6.4.1", text(BAD_MIDDLE[0], TEXT), part(BAD_MIDDLE[1]), code=1007),  # the message has not ended
    wrong("6.4.2", text(BAD_MIDDLE[0], TEXT), part(BAD_MIDDLE[1][:2]), part(BAD_MIDDLE[1][2:]), code=1007),
    in_octets(wrong("6.4.3", text(b"".join(BAD_MIDDLE)), code=1007)),
]
VALID_TEXTS = [
    GREEK,
    KOSME,
    *(chr(point).encode() for point in (0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000)),
    *(chr(plane << 16 | end).encode() for plane in range(17) for end in (0xFFFE, 0xFFFF)),  # 6.22: no characters
    chr(0x10FFFF).encode(),
    b"\x00" * 3,
]
INVALID_TEXTS = [
    KOSME + b"\xed\xa0\x80edited",
    *(KOSME[:size] for size in (1, 3, 4, 6, 8, 10)),  # 6.6: cut within a character
    *(b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf"),  # 6.10: beyond the last character
    *(b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd" + b"\xbf" * 5),  # 6.8
    *(b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf" * 3, bytes(range(0x80, 0xC0))),  # 6.12
    *(b" ".join(bytes([lead]) for lead in leads) + b" "  # 6.13: lonely leads
      for leads in (range(0xC0, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF8), range(0xF8, 0xFC), range(0xFC, 0xFE))),
    *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80"),  # 6.14
    *(b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"),
    b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf",  # 6.15
    *(b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),  # 6.16
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"),  # 6.17
    *(b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"),  # 6.18
    *(b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"),  # 6.19
    *(b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80"),  # 6.20
    b"\xed\xbf\xbf",
    *(high + low for high in (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf")  # 6.21
      for low in (b"\xed\xb0\x80", b"\xed\xbf\xbf")),
]  # fmt: skip
CLOSINGS = [
    Case("7.1.1", [text() + closing(1000)], [echoed()]),
    Case("7.1.2", [closing(1000) + closing(1000)], []),
    Case("7.1.3", [closing(1000) + ping()], []),
    Case("7.1.4", [closing(1000) + text()], []),
    Case("7.1.5", [text(b"fragment1", TEXT) + closing(1000) + part(b"fragment2", final=True)], []),
    Case("7.1.6", [text(b"x" * 65_536) + text() + closing(1000) + ping()], [echoed(b"x" * 65_536), echoed()]),
    wrong("7.3.2", masked(FIN | CLOSE, b"a")),
    Case("7.3.3", [closing(1000)], []),
    Case("7.3.4", [closing(1000, b"Hello World!")], []),
    Case("7.3.5", [closing(1000, b"*" * 123)], []),
    wrong("7.3.6", closing(1000, b"*" * 124)),
    wrong("7.5.1", closing(1000, KOSME + b"\xed\xa0\x80edited"), code=1007),
    *(Case(f"7.7-{code}", [closing(code)], [], code)
      for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)),
    *(wrong(f"7.9-{code}", closing(code))
      for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)),
]  # fmt: skip


def run(url: str, case: Case) -> None:
    """Sends it all, and compares what comes up to the server's close frame."""
    with RawClient(url) as client:
        assert client.status == 101
        for piece in case.sent:
            try:
                client.send(piece)
            except ConnectionError:
                break  # it was refused before its end
        if case.goodbye:
            assert [client.frame() for _ in case.echoed] == case.echoed
            client.send(closing(1000, b"done"))
            assert list(client.frames()) == [Frame(CLOSE, b"\x03\xe8")]
            return
        came = []
        for frame in client.frames():
            if frame.opcode == CLOSE:
                break
            came.append(frame)
        assert came == case.echoed[: len(came)]
        assert frame.code == case.code


def named(case: Case) -> str:
    return case.number


@pytest.mark.parametrize("piece", [1 << 20, 997])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_1_messages_of_all_sizes_come_back(echo: str, opcode: int, size: int, piece: int) -> None:
    payload = (b"*" if opcode == TEXT else b"\xfe") * size
    sent = masked(FIN | opcode, payload)
    pieces = [sent[start : start + piece] for start in range(0, len(sent), piece)]
    run(echo, Case("1", pieces, [Frame(opcode, payload)], goodbye=True))


@pytest.mark.parametrize("case", PINGS, ids=named)
def test_2_pings_are_answered_and_pongs_are_not(echo: str, case: Case) -> None:
    run(echo, case)


@pytest.mark.parametrize("case", RESERVED, ids=named)
def test_3_reserved_bits_break(echo: str, case: Case) -> None:
    run(echo, case)


@pytest.mark.parametrize("case", OPCODES, ids=named)
def test_4_opcodes_without_a_meaning_break(echo: str, case: Case) -> None:
    run(echo, case)


@pytest.mark.parametrize("case", FRAGMENTS, ids=named)
def test_5_messages_may_come_in_parts_and_control_frames_may_not(echo: str, case: Case) -> None:
    run(echo, case)


@pytest.mark.parametrize("case", TEXTS, ids=named)
def test_6_texts_in_parts_are_utf8_as_a_whole_and_bad_ones_break_at_once(echo: str, case: Case) -> None:
    run(echo, case)


def by_octet(payload: bytes) -> bytes:
    """A text with one byte a frame."""
    head = text(payload[:1], TEXT)
    return head + b"".join(part(octet) for octet in octets(payload[1:])) + part(b"", final=True)


@pytest.mark.parametrize("payload", VALID_TEXTS, ids=bytes.hex)
def test_6_valid_text_comes_back(echo: str, payload: bytes) -> None:
    run(echo, well("6", text(payload), by_octet(payload), back=[echoed(payload), echoed(payload)]))


@pytest.mark.parametrize("payload", INVALID_TEXTS, ids=bytes.hex)
def test_6_invalid_text_breaks(echo: str, payload: bytes) -> None:
    run(echo, wrong("6", text(payload), code=1007))
    run(echo, wrong("6 by octet", by_octet(payload), code=1007))


@pytest.mark.parametrize("case", CLOSINGS, ids=named)
def test_7_a_close_frame_is_answered_and_ends_it(echo: str, case: Case) -> None:
    run(echo, case)


def test_7_3_1_an_empty_close_frame_gets_an_empty_one(echo: str) -> None:
    with RawClient(echo) as client:
        client.send(masked(FIN | CLOSE))
        assert list(client.frames()) == [Frame(CLOSE, b"")]


def test_10_a_message_in_many_parts_comes_back_whole(echo: str) -> None:
    payload = b"*" * 65_536
    pieces = [payload[start : start + 1300] for start in range(0, len(payload), 1300)]
    parts = [part(piece) for piece in pieces[1:]]
    frames = [text(pieces[0], TEXT), *parts, part(b"", final=True)]
    run(echo, Case("10.1.1", frames, [echoed(payload)], goodbye=True))


@pytest.mark.parametrize("broken", [masked(PING, b"in parts"), text(b"\xff"), masked(FIN | 3)], ids=bytes.hex)
def test_a_connection_that_was_failed_ends_once_the_client_agrees(echo: str, broken: bytes) -> None:
    with RawClient(echo) as client:
        client.send(broken)
        frame = client.frame()
        assert frame and frame.code in (1002, 1007)
        client.send(closing(frame.code))
        client.socket.settimeout(3)
        assert client.frame() is None


def test_an_unmasked_frame_breaks(echo: str) -> None:
    run(echo, wrong("unmasked", b"\x81\x05Hello"))


def test_a_message_of_the_largest_size_comes_back_and_a_larger_one_is_refused(echo: str) -> None:
    largest = b"x" * LARGEST_MESSAGE
    run(echo, well("largest", text(largest), back=[echoed(largest)]))
    run(echo, wrong("larger", text(largest + b"x"), code=1009))


@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_client_library_is_understood(echo: str, compression: str | None) -> None:
    with connect(echo.replace("http", "ws"), compression=compression, max_size=None, proxy=None) as client:
        assert bool(client.protocol.extensions) is (compression == "deflate")
        for size in SIZES:
            for message in ("x" * size, "ß" * (size // 2), b"\xfe" * size):
                client.send(message)
                assert client.recv(10) == message
        client.send(["frag", "", "ment", "ed"])
        assert client.recv(10) == "fragmented"
        assert client.ping(b"are you there").wait(10)
    assert client.close_code == Code.NORMAL_CLOSURE


def test_a_library_that_compresses_may_not_send_more_than_the_limit_becomes(echo: str) -> None:
    with connect(echo.replace("http", "ws"), compression="deflate", proxy=None) as client:
        client.send("x" * (LARGEST_MESSAGE + 1))
        with pytest.raises(Exception, match="1009"):
            client.recv(10)
