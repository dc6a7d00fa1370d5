"""The desk's session in a browser: its cookie, and the proof that a request comes from one of the desk's own pages."""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from live.errors import BadRequest, BodyTooLarge, CrossSite
from live.journal.secret import is_secret

SAFE_METHODS = frozenset({"GET", "HEAD"})
CSRF_HEADER = "live-csrf"
LARGEST_FORM = 65_536
DESK = "/desk"
DESK_ADDRESS = re.compile(r"/desk(?:/[A-Za-z0-9_-]+)*/?(?:\?[A-Za-z0-9_.~=&%+-]*)?", re.ASCII)
"""No dot segments, empty segments, backslashes or escapes: nothing that two readers of an address read differently."""


def cookie_name(request: Request, name: str = "live-session") -> str:
    """The cookie's name. Over TLS its prefix has the browser vouch that no other host set it (RFC 6265bis, 4.1.3)."""
    if request.url.scheme != "https":
        return name
    return "__Host-live" if name == "live-session" else f"__Host-{name}"


def secret_of(request: Request) -> str | None:
    """The session's secret as the browser sent it; not yet known to be good."""
    secret = request.cookies.get(cookie_name(request), "")
    return secret if is_secret(secret) else None


def set_cookie(response: Response, request: Request, secret: str, name: str = "live-session") -> None:
    """Has the browser keep a secret, out of the reach of scripts and of other sites' posts, until it is closed."""
    response.set_cookie(
        cookie_name(request, name), secret, path="/", secure=request.url.scheme == "https", httponly=True,
        samesite="lax",
    )  # fmt: skip


def clear_cookie(response: Response, request: Request, name: str = "live-session") -> None:
    """Has the browser forget it."""
    response.delete_cookie(
        cookie_name(request, name), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def csrf_of(secret: str) -> str:
    """The token by which a page of this session shows that it is one; derived, so that it need not be stored."""
    return hmac.new(secret.encode(), b"live csrf", hashlib.sha256).hexdigest()


def require_csrf(secret: str, proof: str) -> None:
    """Raises CrossSite unless the proof is this session's CSRF token."""
    if not hmac.compare_digest(csrf_of(secret).encode(), proof.encode()):
        raise CrossSite()


def require_own_page(request: Request, own_origin: str = "") -> None:
    """Refuses what a page of another site sends; what no browser sent says nothing and passes.

    Sec-Fetch-Site (Fetch Metadata) is the browser's own judgement and no proxy's rewriting disturbs it. Without it,
    Origin must name the host that was asked, or `own_origin`, the site's public address.

    Raises:
        CrossSite: the request comes from another site, or from a sibling host of ours.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise CrossSite()
        return
    origin = request.headers.get("origin")
    if origin is None or (own_origin and origin == own_origin):
        return
    if origin.partition("://")[2] != request.headers.get("host"):
        raise CrossSite()


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form; empty when the body is something else.

    Raises:
        BodyTooLarge: it is larger than any form of ours.
        BadRequest: it has more fields than any form of ours.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        return {}
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise BodyTooLarge(f"A form may have at most {LARGEST_FORM} bytes.")
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise BadRequest("The form has too many fields.") from None


def desk_address(text: str) -> str:
    """Where to go after signing in: the address, if it is certainly a page of the desk; else the desk."""
    return text if DESK_ADDRESS.fullmatch(text) else DESK


def address_of(request: Request) -> str:
    """The client's IP address, as trusted proxies tell it."""
    return request.client.host if request.client else ""
