"""How the application gives a connection away: an extension of the ASGI scope, and what a server must offer for it.

A scope has the extension `live.lend`, a `Lender`. The app answers a request with `lend(reader, first)`: the response's
head and the first bytes leave in one write, the reader takes the transport over, and the app returns. What it does not
lend is served as ASGI says.
"""

from live.fanout.reader import Reader

LEND = "live.lend"
"""The scope extension's name."""
Headers = list[tuple[bytes, bytes]]


class Lender:
    """A connection that can be lent. `deflate` says whether its WebSocket messages may be compressed, `peer` is the
    address of the other end, which may be a proxy's; `request_id` is the name of the request that is being answered, if
    it has one, and `status` what it was answered with here."""

    deflate = False
    peer = ""
    request_id = b""
    status = 0

    def lend(self, reader: Reader, first: bytes, headers: Headers) -> None:
        """Gives the connection to the reader; `first` follows the response's head, `headers` are added to that."""
        raise NotImplementedError

    async def answer(self, status: int, head: bytes, body: bytes) -> None:
        """Answers an HTTP request with header lines that are ready, instead of by ASGI messages."""
        raise NotImplementedError


def named(request_id: bytes) -> bytes:
    """The header line that tells a request's name, for the answers that go past ASGI."""
    return b"X-Request-ID: %b\r\n" % request_id if request_id else b""


def header_lines(headers: Headers) -> bytes:
    """Header lines and the empty line after them. Raises ValueError for a line break smuggled into one."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
        raise ValueError("a header must not contain a line break")
    return lines + b"\r\n"
