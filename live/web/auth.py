"""Who may do what: editors by their token or their session at the desk, readers' pages by their origin."""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request

from live.errors import ForeignOrigin, NotAuthenticated, NotPermitted, SignInFirst
from live.journal.sessions import Sessions
from live.journal.tokens import Tokens
from live.model import Identity, Role
from live.web.sessions import (
    CSRF_HEADER,
    DESK,
    SAFE_METHODS,
    address_of,
    csrf_of,
    read_form,
    require_csrf,
    require_own_page,
    secret_of,
)


class SignedIn(NamedTuple):
    """Somebody at a page of the desk.

    `csrf` goes into the page's forms (field `csrf`) and its scripts' requests (header `Live-CSRF`); `form` is what
    was posted, empty with GET.
    """

    identity: Identity
    csrf: str
    form: Mapping[str, str]


class Doorkeeper:
    """Recognises who sends a request. Every method raises Unavailable when the journal cannot be reached.

    Args:
        tokens, sessions: what people show.
        own_origin: the site's public address, '' when nobody said; requests of its pages are our own.
    """

    def __init__(self, tokens: Tokens, sessions: Sessions, own_origin: str = "") -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._own_origin = own_origin

    async def require(self, request: Request, role: Role) -> Identity:
        """Who sends a request, with at least this role: by a bearer token, or else by the desk's session.

        A request that has an Authorization header is judged by that alone, whatever cookies come with it.

        Raises:
            NotAuthenticated: there is neither, or none that is known and in force.
            CrossSite: a session's request to change something lacks the session's CSRF token, or is another site's.
            NotPermitted: the role is too low.
        """
        if "authorization" in request.headers:
            return permitted(await self._bearer(request), role)
        identity, secret = await self._session(request)
        if request.method not in SAFE_METHODS:
            require_own_page(request, self._own_origin)
            require_csrf(secret, request.headers.get(CSRF_HEADER, ""))
        return permitted(identity, role)

    async def require_page(self, request: Request, role: Role) -> SignedIn:
        """Who asks for a page of the desk or posts one of its forms, with at least this role.

        Raises:
            SignInFirst: nobody is signed in; answered by sending a person to the sign-in page and then back.
            CrossSite, NotPermitted: as with `require`; the CSRF token may also be the form's field `csrf`.
            BodyTooLarge, BadRequest: what was posted is no form of ours.
        """
        try:
            identity, secret = await self._session(request)
        except NotAuthenticated:
            raise SignInFirst(wanted(request)) from None
        form: Mapping[str, str] = {}
        if request.method not in SAFE_METHODS:
            require_own_page(request, self._own_origin)
            form = await read_form(request)
            require_csrf(secret, request.headers.get(CSRF_HEADER, form.get("csrf", "")))
        return SignedIn(permitted(identity, role), csrf_of(secret), form)

    async def at_desk(self, request: Request) -> Identity | None:
        """Who is signed in at the desk, for reading only."""
        try:
            return (await self._session(request))[0]
        except NotAuthenticated:
            return None

    def require_own_page(self, request: Request) -> None:
        """Raises CrossSite when another site's page sent the request."""
        require_own_page(request, self._own_origin)

    async def _bearer(self, request: Request) -> Identity:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        token = await self._tokens.recognise(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise NotAuthenticated()
        return Identity(token.id, token.name, token.role, "token", address_of(request))

    async def _session(self, request: Request) -> tuple[Identity, str]:
        secret = secret_of(request)
        session = await self._sessions.recognise(secret) if secret else None
        if session is None or secret is None:
            raise NotAuthenticated()
        return session.identity(address_of(request)), secret


def permitted(identity: Identity, role: Role) -> Identity:
    """Raises NotPermitted unless they have at least this role."""
    if identity.may(role):
        return identity
    whose = f"your token '{identity.name}'" if identity.via == "token" else f"'{identity.name}'"
    raise NotPermitted(f"This needs the role '{role}'; {whose} has the role '{identity.role}'.")


def wanted(request: Request) -> str:
    """The page to come back to after signing in: the one asked for, unless something was posted to it."""
    if request.method not in SAFE_METHODS:
        return DESK
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def require_own_origin(headers: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Lets a page open the stream if it is ours or its origin is allowed (RFC 6455, 10.2); programs send no Origin.

    Raises:
        ForeignOrigin: it is neither.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    if origin.partition("://")[2] != headers.get("host"):
        raise ForeignOrigin()
