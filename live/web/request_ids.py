"""A name for each request, so that what the log says of it can be found: X-Request-ID, from a proxy or made here."""

import os
import re
from collections.abc import Container
from contextvars import ContextVar
from itertools import count

from starlette.types import Scope

from live.fanout import LEND, Lender

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The name of the request that is being answered, '' where there is none."""
NAME = re.compile(rb"[A-Za-z0-9._:=/+-]{1,128}")
HEADER = b"x-request-id"


class RequestIDs:
    """Names requests.

    Args:
        proxies: addresses whose X-Request-ID counts: those of proxies.
    """

    def __init__(self, proxies: Container[str]) -> None:
        self._proxies = proxies
        self._process = os.urandom(6).hex()
        self._count = count(1)

    def name(self, scope: Scope) -> bytes:
        """Gives the request a name, for the log and for its answer."""
        lender: Lender = scope["extensions"][LEND]
        given = b""
        for name, value in scope["headers"]:
            if name == HEADER:
                given = value
        if not (given and NAME.fullmatch(given) and lender.peer in self._proxies):
            given = b"%b-%x" % (self._process.encode(), next(self._count))
        lender.request_id = given
        REQUEST_ID.set(given.decode())
        return given
