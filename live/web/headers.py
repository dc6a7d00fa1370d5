"""What every answer has: security headers, and the name of its request. A line in the log tells of it."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from live.fanout import LEND, Lender
from live.web.request_ids import RequestIDs

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "font-src 'self'", "connect-src 'self'",
        "img-src 'self' https: http: data:", "manifest-src 'self'", "base-uri 'none'", "form-action 'self'",
        "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types live",
    )
)  # fmt: skip
SECURITY_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
RAW_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

log = logging.getLogger("live.requests")


class EveryAnswer:
    """ASGI middleware that adds SECURITY_HEADERS and X-Request-ID to each HTTP response, a refused WebSocket handshake
    included; what is answered past ASGI has them too.

    It stands around the whole application, so that the answer to an unforeseen error has them as well. It counts the
    answers in `answered`, by the first figure of their status.
    """

    def __init__(self, app: ASGIApp, answered: list[int], request_ids: RequestIDs) -> None:
        self._app = app
        self._answered = answered
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        lender: Lender = scope["extensions"][LEND]
        request_id = (b"x-request-id", self._request_ids.name(scope))
        lender.status = 0

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                lender.status = message["status"]
                self._answered[lender.status // 100] += 1
                message["headers"] = [*message["headers"], request_id, *RAW_SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)
        if log.isEnabledFor(logging.INFO):
            tell(scope, lender.status, time.perf_counter() - began)


def tell(scope: Scope, status: int, seconds: float) -> None:
    """A line about a request. Its query is left out: a provider's answer is brought back in one."""
    fields = {
        "method": scope.get("method", "GET"), "path": scope["path"], "status": status, "ms": round(seconds * 1000, 1),
        "client": scope["client"][0] if scope["client"] else "",
    }  # fmt: skip
    log.info("%(method)s %(path)s %(status)s %(ms)s ms", fields, extra={"fields": fields})
