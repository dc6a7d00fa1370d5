"""Who may do what: editors by their token, readers' pages by their origin."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from live.errors import ForeignOrigin, NotAuthenticated, NotPermitted
from live.journal.tokens import Role, Token, Tokens


async def require(request: Request, tokens: Tokens, role: Role) -> Token:
    """The token of a request whose holder has at least this role.

    Raises:
        NotAuthenticated: there is no token, or none that is known and in force.
        NotPermitted: the role is too low.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    token = await tokens.recognise(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise NotAuthenticated()
    if not token.may(role):
        raise NotPermitted(f"This needs the role '{role}'; your token '{token.name}' has the role '{token.role}'.")
    return token


def require_own_origin(headers: Headers, allowed: tuple[str, ...]) -> None:
    """Lets a page open the stream if it is ours or its origin is allowed (RFC 6455, 10.2); programs send no Origin.

    Raises:
        ForeignOrigin: it is neither.
    """
    origin = headers.get("origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    if urlsplit(origin).netloc != headers.get("host"):
        raise ForeignOrigin()
