"""What every API operation has in common: who may call it, how its body is read, how it is carried out once."""

import hashlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from live.errors import (
    BadQuery,
    BadRequest,
    BodyTooLarge,
    FieldError,
    Invalid,
    MalformedJSON,
    NotJSON,
    Problem,
    StaleVersion,
)
from live.journal import Appended, Change, Receipt, State, Stores
from live.model import Frozen, Identity, ListedNotice, Notice, Promo, Role, Story, Update, now
from live.web.auth import Doorkeeper
from live.web.limits import RequestRates
from live.web.problems import invalid
from live.web.tracing import Traces

Draft = TypeVar("Draft", bound=Frozen)
LONGEST_KEY = 255
ENTITY_TAG = re.compile(r'(?:W/)?"[^"\s]+"')
TRIES = 10
"""How often a change is decided again when somebody else's came between, and the editor named no version."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: everything its handler may use."""

    stores: Stores
    identity: Identity
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]
    if_match: frozenset[str] | None
    language: str
    """The site's, for what names none."""
    moment: datetime = field(default_factory=now)

    @property
    def state(self) -> State:
        """What the site is now."""
        return self.stores.state

    def draft(self, model: type[Draft], current: Frozen | None = None) -> Draft:
        """The body as a draft; over the current record's fields where the body is a patch.

        Raises:
            Invalid: a field does not fit; names each.
        """
        fields = self.body
        if current is not None:
            names = {info.alias or name: name for name, info in model.model_fields.items()}
            kept = {alias: getattr(current, name) for alias, name in names.items() if hasattr(current, name)}
            fields = kept | fields
        try:
            return model.model_validate(fields, by_alias=True, by_name=False)
        except ValidationError as error:
            raise invalid(error) from None

    def require_version(self, version: int) -> None:
        """Raises StaleVersion when the request has If-Match and it names another version (0: there is none)."""
        if self.if_match is None:
            return
        if version == 0 or not self.if_match & {"*", f'"{version}"'}:
            raise StaleVersion()


Decide = Callable[[Call], Awaitable[Change]]
Respond = Callable[[Call], Awaitable[Frozen | dict[str, Any] | Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address. Exactly one of `decide` (a change, for the journal) and `respond` is there.

    `body` is the model of the request's body, `answer` that of the response's, `query` names its parameters;
    `problems` are those of its own, beside the ones that any operation may answer with.
    """

    method: str
    path: str
    summary: str
    role: Role
    decide: Decide | None = None
    respond: Respond | None = None
    body: type[Frozen] | None = None
    answer: type[Frozen] | None = None
    status: int = 200
    media_type: str = "application/json"
    query: tuple[str, ...] = ()
    problems: tuple[type[Problem], ...] = ()


def require_known(request: Request, names: tuple[str, ...]) -> None:
    """Raises BadQuery when there is a parameter with another name: a mistyped filter must not find everything."""
    for name in request.query_params:
        if name not in names:
            known = f"it takes {', '.join(names)}" if names else "it takes none"
            raise BadQuery(f"There is no parameter '{name[:40]}'; {known}.")


class Operator:
    """Carries out operations against the journal.

    Args:
        stores: the site's.
        doorkeeper: recognises who calls.
        max_body: the largest request body, in bytes.
        rates: says who asks too often.
        language: the site's, a BCP 47 tag.
        traces: where spans go, if they are wanted.
    """

    def __init__(
        self,
        stores: Stores,
        doorkeeper: Doorkeeper,
        max_body: int,
        rates: RequestRates,
        language: str,
        traces: Traces | None = None,
    ) -> None:
        self._stores = stores
        self._doorkeeper = doorkeeper
        self._max_body = max_body
        self._rates = rates
        self._language = language
        self._traces = traces

    async def perform(self, operation: Operation, request: Request) -> Response:
        """The answer to one request. Raises Problem."""
        identity = await self._doorkeeper.require(request, operation.role)
        self._rates.take(identity.id)
        require_known(request, operation.query)
        raw = await read_body(request, self._max_body)
        body = parse_body(request, raw) if operation.body else {}
        call = Call(
            self._stores, identity, request.path_params, request.query_params, body, if_match(request), self._language
        )
        if operation.respond:
            answer = await operation.respond(call)
            return answer if isinstance(answer, Response) else answer_of(answer, operation.status)
        assert operation.decide
        receipt = _receipt(request, identity, raw)
        if "idempotency-key" in request.headers and (first := await self._stores.journal.recall(receipt)) is not None:
            return restored(first)
        if self._traces is None:
            return await self._change(operation, operation.decide, call, receipt)
        with self._traces.post(operation.method, operation.path, request.headers.get("traceparent", "")) as span:
            response = await self._change(operation, operation.decide, call, receipt)
            span.set_attribute("http.response.status_code", response.status_code)
            span.set_attribute("live.cursor", response.headers.get("live-cursor", ""))
            return response

    async def _change(self, operation: Operation, decide: Decide, call: Call, receipt: Receipt) -> Response:
        for attempt in range(TRIES):
            try:
                change = await decide(call)
            except Problem:  # perhaps because the same request, sent before, came in between
                first = await self._stores.journal.recall(receipt)
                if first is None:
                    raise
                return restored(first)
            answer = prepared(change.record, operation.status)
            try:
                with self._traces.append() if self._traces else nullcontext("") as trace:
                    receipt = receipt._replace(answer=answer)
                    appended = await self._stores.journal.append(change, receipt, call.identity, trace)
            except StaleVersion:
                if call.if_match is not None or attempt == TRIES - 1:
                    raise
                continue
            return restored(appended if appended.repeated else appended._replace(answer=answer))
        raise AssertionError("the loop returns or raises")


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: it has more than `limit` bytes; no more than that is ever held.
    """
    problem = BodyTooLarge(f"The body may have at most {limit} bytes (LIVE_MAX_BODY_BYTES).")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise problem
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise problem
    return bytes(body)


def parse_body(request: Request, raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises NotJSON, MalformedJSON or Invalid."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise NotJSON()
    try:
        body = from_json(raw)
    except ValueError as error:
        raise MalformedJSON(f"The body is not valid JSON: {error}.") from None
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.", [FieldError("", "must be a JSON object")])
    return body


def if_match(request: Request) -> frozenset[str] | None:
    """The entity tags of If-Match (RFC 9110, 13.1.1), None without the header; a weak one never matches."""
    header = request.headers.get("if-match")
    if header is None:
        return None
    tags = frozenset(tag.strip() for tag in header.split(","))
    if not all(tag == "*" or ENTITY_TAG.fullmatch(tag) for tag in tags):
        raise BadRequest('If-Match takes the ETag of the record as it was sent, in quotes: If-Match: "3".')
    return tags


def _receipt(request: Request, identity: Identity, raw: bytes) -> Receipt:
    """Names the request. Without a key of the editor's it gets one of its own, so that our own retries are safe."""
    key = request.headers.get("idempotency-key")
    if key is None:
        key = secrets.token_hex(16)
    elif not (1 <= len(key) <= LONGEST_KEY and key.isprintable()):
        raise BadRequest(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable characters.")
    named = hashlib.sha256(f"{identity.id}\0{key}".encode()).hexdigest()[:40]
    parts = (request.method, request.url.path, request.headers.get("if-match", ""))
    return Receipt(named, hashlib.sha256("\0".join(parts).encode() + b"\0" + raw).hexdigest())


def prepared(record: Frozen | None, status: int) -> str:
    """An answer as it is kept with the receipt."""
    headers: dict[str, str] = {}
    match record:
        case Story(slug=slug):
            headers["Location"] = f"/api/stories/{slug}"
        case Update(story=slug, id=update_id):
            headers["Location"] = f"/api/stories/{slug}/updates/{update_id}"
    if isinstance(record, Story | Update | Notice | ListedNotice | Promo):
        headers["ETag"] = f'"{record.version}"'
    body = record.model_dump_json(by_alias=True, exclude_none=True) if record else ""
    return json.dumps({"status": status if record else HTTPStatus.NO_CONTENT, "headers": headers, "body": body})


def restored(appended: Appended) -> Response:
    """The response to a change, from the answer that `prepared` made."""
    response = _response(appended.answer)
    response.headers["Live-Cursor"] = str(appended.cursor)
    if appended.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _response(answer: str) -> Response:
    kept = json.loads(answer)
    headers = kept["headers"] | {"Cache-Control": "no-store"}
    return Response(kept["body"] or None, kept["status"], headers, "application/json" if kept["body"] else None)


def answer_of(record: Frozen | dict[str, Any], status: int) -> Response:
    """What a read found, as a response."""
    if isinstance(record, Frozen):
        return _response(prepared(record, status))
    headers = {"Cache-Control": "no-store"}
    if "version" in record:
        headers["ETag"] = f'"{record["version"]}"'
    return Response(json.dumps(record), status, headers, "application/json")
