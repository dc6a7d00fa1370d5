"""Errors as answers: RFC 9457 problem details for programs, a page for people."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from live.errors import (
    BadRequest,
    FieldError,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
)
from live.web.layout import Layout

PLAIN = {
    "extra_forbidden": "is not a field of this record",
    "missing": "is required",
    "string_too_short": "must not be empty",
}


def problem_json(problem: Problem) -> Response:
    """The error as `application/problem+json` (RFC 9457); `errors` points at each wrong field."""
    body: dict[str, Any] = {
        "type": "about:blank", "title": problem.title, "status": problem.status, "detail": problem.detail,
    }  # fmt: skip
    if problem.fields:
        body["errors"] = [{"pointer": field.pointer, "detail": field.detail} for field in problem.fields]
    headers = headers_of(problem)
    return Response(json.dumps(body), problem.status, headers, "application/problem+json")


def problem_page(problem: Problem, layout: Layout) -> Response:
    """The error as a page of the site."""
    html = layout.page("error.html", title=problem.title, status=problem.status, heading=problem.title,
                       detail=problem.detail)  # fmt: skip
    return HTMLResponse(html, problem.status, headers_of(problem))


def headers_of(problem: Problem) -> dict[str, str]:
    """What its answer has beside a body."""
    headers = {**problem.headers, "Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return headers


def invalid(error: ValidationError) -> Invalid:
    """What pydantic found wrong, as a problem that names each field."""
    fields = [FieldError(_pointer(item["loc"]), _sentence(item)) for item in error.errors(include_url=False)]
    return Invalid(f"{fields[0].pointer or 'The body'} {fields[0].detail}.", fields)


def _pointer(location: Iterable[int | str]) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


def _sentence(item: ErrorDetails) -> str:
    plain = PLAIN.get(item["type"])
    if plain:
        return plain
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[0].lower() + message[1:]


def as_problem(error: Exception) -> Problem:
    """Any exception as the problem it is to a client; what nobody foresaw is a bare 500 (the server logs it)."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        known: Mapping[int, type[Problem]] = {404: NotFound, 405: MethodNotAllowed}
        return known.get(error.status_code, BadRequest)()
    return InternalError()


def wants_page(connection: HTTPConnection) -> bool:
    """Whether a person asked: a browser that navigates, not a program at the API."""
    return not connection.url.path.startswith(("/api", "/stream")) and "text/html" in connection.headers.get(
        "accept", ""
    )
