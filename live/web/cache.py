"""Answers kept as bytes with their gzip and entity tag: made once per change and process, handed out as they are."""

import asyncio
import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from live.errors import Problem, Unavailable
from live.fanout import LEND, Lender
from live.model import now
from live.web.headers import SECURITY_HEADERS

KEPT_PAGES = 5_000
RETRY_SECONDS = 1.0
"""How long pages are served as they are after the journal did not answer."""


class Form(NamedTuple):
    """One way to answer: the status, the header lines as they leave, and the body."""

    status: int
    head: bytes
    body: bytes


class Rendered(NamedTuple):
    """An answer in each of its forms. It changes with any of its topics, and at `expires`."""

    plain: Form
    zipped: Form
    unchanged: Form
    etag: str
    topics: frozenset[str]
    expires: datetime | None


def rendered(
    body: bytes, media_type: str, cache_control: str, topics: frozenset[str], expires: datetime | None = None,
    headers: Mapping[str, str] = SECURITY_HEADERS,
) -> Rendered:  # fmt: skip
    """An answer ready to be kept. The tag is weak: it stands for the plain and the zipped form."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
    common = {"ETag": etag, "Cache-Control": cache_control, "Vary": "Accept-Encoding", **headers}
    zipped = gzip.compress(body, 6, mtime=0)
    content = common | {"Content-Type": media_type}
    return Rendered(
        Form(200, _lines(content | {"Content-Length": str(len(body))}), body),
        Form(200, _lines(content | {"Content-Length": str(len(zipped)), "Content-Encoding": "gzip"}), zipped),
        Form(304, _lines(common), b""),
        etag, topics, expires,
    )  # fmt: skip


def _lines(headers: dict[str, str]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())


class KeptAnswers:
    """An endpoint whose answers are kept, as an ASGI application: that spares it Starlette's care for functions.

    Args:
        cache: where they are kept, by the request's path.
        make: makes the answer for a request with these path parameters.
    """

    def __init__(self, cache: "Cache", make: Callable[..., Awaitable[Rendered]]) -> None:
        self._cache = cache
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = await self._cache.get(scope["path"], partial(self._make, **scope["path_params"]))
        await answer(scope, page)


async def answer(scope: Scope, page: Rendered, more: bytes = b"") -> None:
    """Answers with what is kept, or with 304 (RFC 9110, 13.1.2). Server-Timing tells the page what time it is.

    `more` are header lines for this request only.
    """
    known = accepted = ""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            known = value.decode("latin-1")
        elif name == b"accept-encoding":
            accepted = value.decode("latin-1")
    form = page.unchanged if page.etag in known else page.zipped if takes_gzip(accepted) else page.plain
    lender: Lender = scope["extensions"][LEND]
    timing = b"Server-Timing: now;dur=%d\r\n" % (time.time() * 1000)
    await lender.answer(form.status, form.head + more + timing, form.body)


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether the client accepts gzip (RFC 9110, 12.5.3): it is named, and not with a quality of nought."""
    for coding in accept_encoding.split(","):
        name, _, quality = coding.replace(" ", "").partition(";q=")
        if name.lower() in ("gzip", "x-gzip"):
            return quality.strip("0.") != "" or quality == ""
    return False


class Kept:
    """A page's place in the cache: what was rendered last, and whether it is still true."""

    __slots__ = ("lock", "not_before", "page", "size", "stale")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.page: Rendered | None = None
        self.size = 0
        self.stale = True
        self.not_before = 0.0


class Cache:
    """Answers by address. One is made at a time per address; while it runs, or while the journal is away, others get
    the one before: its cursor is as old as its content, so the stream brings what is missing."""

    def __init__(self, limit: int) -> None:
        """It holds at most `limit` bytes, and a little for each address."""
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._limit = limit
        self._held = 0

    async def get(self, path: str, make: Callable[[], Awaitable[Rendered]]) -> Rendered:
        """The page at a path, rendered by `make` if it is not kept or no longer true.

        Raises:
            Problem: whatever `make` raises, when there is nothing to fall back on.
        """
        kept = self._kept.setdefault(path, Kept())
        self._kept.move_to_end(path)
        if kept.page is not None:
            expired = kept.page.expires is not None and kept.page.expires <= now()
            busy = kept.lock.locked() or time.monotonic() < kept.not_before
            if not (kept.stale or expired) or busy:
                return kept.page
        async with kept.lock:
            if kept.page is None or kept.stale or (kept.page.expires and kept.page.expires <= now()):
                await self._render(path, kept, make)
            assert kept.page is not None
            return kept.page

    async def _render(self, path: str, kept: Kept, make: Callable[[], Awaitable[Rendered]]) -> None:
        kept.stale = False  # first: what changes from here on makes it stale again
        try:
            kept.page = await make()
        except Unavailable:
            kept.stale = True
            kept.not_before = time.monotonic() + RETRY_SECONDS
            if kept.page is None:
                self._forget(path)
                raise
        except Problem:
            self._forget(path)
            raise
        if self._kept.get(path) is kept:  # else it was dropped meanwhile
            self._weigh(kept)
        while len(self._kept) > KEPT_PAGES or (self._held > self._limit and len(self._kept) > 1):
            self._forget(next(iter(self._kept)))

    def _weigh(self, kept: Kept) -> None:
        assert kept.page is not None
        size = len(kept.page.plain.body) + len(kept.page.zipped.body)
        self._held += size - kept.size
        kept.size = size

    def _forget(self, path: str) -> None:
        if kept := self._kept.pop(path, None):
            self._held -= kept.size

    def invalidate(self, topics: frozenset[str]) -> None:
        """Marks the pages of these topics as no longer true."""
        for kept in self._kept.values():
            if kept.page is None or kept.page.topics & topics:
                kept.stale = True

    def drop(self, topics: frozenset[str]) -> None:
        """Forgets the pages of these topics at once: something on them must not be shown again."""
        for path in [path for path, kept in self._kept.items() if kept.page and kept.page.topics & topics]:
            self._forget(path)
        self.invalidate(topics)

    def clear(self) -> None:
        """Marks every page as no longer true."""
        for kept in self._kept.values():
            kept.stale = True
