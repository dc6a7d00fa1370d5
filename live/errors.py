"""Every error Live raises on purpose, in one tree; a class's docstring is its message.

    LiveError
    ├── SettingsError            a setting is wrong; told on the command line
    ├── ServerUnusable           Redis or Valkey is missing, too old or would not start
    └── Problem                  answered over HTTP as RFC 9457 problem details
        ├── BadRequest           400
        │   ├── MalformedJSON
        │   ├── MalformedCursor
        │   ├── UnknownTopic
        │   └── BadQuery
        ├── NotAuthenticated     401
        ├── NotPermitted         403
        │   └── ForeignOrigin
        ├── NotFound             404
        ├── MethodNotAllowed     405
        ├── Conflict             409
        │   ├── SlugTaken
        │   ├── AlreadyRetracted
        │   └── NotAllowedNow
        ├── Gone                 410
        ├── StaleVersion         412
        ├── BodyTooLarge         413
        ├── NotJSON              415
        ├── Invalid              422
        │   └── KeyReused
        ├── TooManyRequests      429
        │   └── TooManyFromAddress
        ├── InternalError        500
        ├── UnknownFormat        501
        └── Unavailable          503
            ├── TooManyStreams
            └── SignOnAway
CursorLost is apart: no fault of anybody's, it tells a resuming reader to start afresh.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class LiveError(Exception):
    """Something went wrong."""

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        super().__init__(self.detail)


class SettingsError(LiveError):
    """A setting is wrong."""


class ServerUnusable(LiveError):
    """The Redis or Valkey server cannot be used."""


class CursorLost(LiveError):
    """The cursor's entry is not in the retained log."""


class FieldError(NamedTuple):
    """What is wrong with one field; `pointer` is an RFC 6901 JSON Pointer into the body."""

    pointer: str
    detail: str


class Problem(LiveError):
    """The request could not be carried out."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Error"
    headers: ClassVar[dict[str, str]] = {}
    wait: ClassVar[int | None] = None
    """Seconds after which to try again, unless an instance knows better."""

    def __init__(
        self, detail: str | None = None, fields: Sequence[FieldError] = (), *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.fields = tuple(fields)
        self.retry_after = self.wait if retry_after is None else retry_after


class BadRequest(Problem):
    """The request is malformed."""

    status = 400
    title = "Bad request"


class MalformedJSON(BadRequest):
    """The body is not valid JSON."""

    title = "Malformed JSON"


class MalformedCursor(BadRequest):
    """A cursor looks like 1700000000000-0: use the id of the last message you received, or leave it out."""

    title = "Malformed cursor"


class UnknownTopic(BadRequest):
    """A topic is one of: front, breaking, section/<name>, story/<slug>."""

    title = "Unknown topic"


class BadQuery(BadRequest):
    """The query string has a parameter or value that is not understood."""

    title = "Bad query"


class SignOnStale(BadRequest):
    """This sign-in was begun too long ago, or in another browser; begin again."""

    title = "Sign-in out of date"


class NotAuthenticated(Problem):
    """Send a valid token as 'Authorization: Bearer <token>'; 'live token create' makes one."""

    status = 401
    title = "Not authenticated"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="live"'}


class SignInFirst(NotAuthenticated):
    """Sign in at /desk/sign-in first; a person is sent there. `target` is the page that was asked for."""

    def __init__(self, target: str = "/desk") -> None:
        super().__init__("Sign in at /desk/sign-in first.")
        self.target = target


class NotPermitted(Problem):
    """Your token's role does not allow this."""

    status = 403
    title = "Not permitted"


class ForeignOrigin(NotPermitted):
    """Pages of this origin may not open the stream; the operator can add it to LIVE_ALLOWED_ORIGINS."""

    title = "Foreign origin"


class CrossSite(NotPermitted):
    """This request did not prove that it comes from a page of the desk; load that page again and repeat it."""

    title = "Not from the desk"


class SignOnRefused(NotPermitted):
    """The newsroom's sign-on did not let you in."""

    title = "Sign-in refused"


class NotFound(Problem):
    """There is nothing at this address."""

    status = 404
    title = "Not found"


class MethodNotAllowed(Problem):
    """This address does not take that method; the Allow header lists those it takes."""

    status = 405
    title = "Method not allowed"


class Conflict(Problem):
    """The request conflicts with what is there."""

    status = 409
    title = "Conflict"


class SlugTaken(Conflict):
    """A story with this slug exists already; choose another slug, or PATCH that story."""

    title = "Slug taken"


class AlreadyRetracted(Conflict):
    """This update was retracted; a retraction is final. Post a new update instead."""

    title = "Already retracted"


class NotAllowedNow(Conflict):
    """This change is not possible in the record's present state."""

    title = "Not possible now"


class Gone(Problem):
    """This story was withdrawn."""

    status = 410
    title = "Withdrawn"


class StaleVersion(Problem):
    """It changed since you read it: fetch it again, then repeat your change with its new ETag."""

    status = 412
    title = "Stale version"


class BodyTooLarge(Problem):
    """The request body is larger than this server takes."""

    status = 413
    title = "Body too large"


class NotJSON(Problem):
    """Send the body as JSON, with 'Content-Type: application/json'."""

    status = 415
    title = "Not JSON"


class Invalid(Problem):
    """The body does not fit; see 'errors' for each field."""

    status = 422
    title = "Invalid"


class KeyReused(Invalid):
    """This Idempotency-Key was used for a different request; use a new key for a new request."""

    title = "Idempotency key reused"


class TooManyRequests(Problem):
    """Your token sends more requests than this server takes; go on after 'Retry-After' seconds."""

    status = 429
    title = "Too many requests"
    wait = 1


class TooManyFromAddress(TooManyRequests):
    """Too many streams are open from your network's address; close some, or try again later."""

    title = "Too many streams"
    wait = 10


class InternalError(Problem):
    """Something failed on our side; the server's log has the details."""

    title = "Internal error"


class UnknownFormat(Problem):
    """This format is not offered; ask for 'json'."""

    status = 501
    title = "Format not offered"


class Unavailable(Problem):
    """The journal cannot be reached just now; nothing was lost. Send the same request again shortly."""

    status = 503
    title = "Temporarily unavailable"
    wait = 2


class TooManyStreams(Unavailable):
    """This server has as many readers as it can take just now; try again shortly."""


class SignOnAway(Unavailable):
    """The newsroom's sign-on cannot be reached just now, or answers wrongly; try again, or sign in with a token."""
