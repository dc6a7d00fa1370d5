"""The OpenAPI document tells the truth about the API."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from live import __version__
from live.routes import api_routes
from live.web.api import OPERATIONS
from live.web.operations import Operator
from tests.node import Node, eventually
from tests.web.samples import NOTICE, PROMO, STORY, UPDATE, new_slug

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


RESPONDING = {operation.respond.__name__ for operation in OPERATIONS if operation.respond}
"""Operations that change nothing in the journal."""


@pytest.fixture(scope="module")
def document(server: Node) -> dict[str, Any]:
    answer = httpx.get(f"{server.url}/api/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    described: dict[str, Any] = answer.json()
    return described


def described(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def errors(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What in the value does not fit a schema of the document."""
    whole = {**schema, "components": document["components"]}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    return [error.message for error in validator.iter_errors(value)]


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == __version__
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_lists_the_routes_of_the_api_and_no_others(document: dict[str, Any]) -> None:
    routes = api_routes(cast(Operator, None))
    routed = {
        (method, route.path)
        for route in routes
        if isinstance(route, Route) and route.path.startswith("/api/") and route.path != "/api/openapi.json"
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert {(method, path) for method, path, _ in described(document)} == routed
    assert routed == {(operation.method, operation.path) for operation in OPERATIONS}


def test_every_operation_has_a_name_of_its_own_and_a_summary(document: dict[str, Any]) -> None:
    operations = [operation for _, _, operation in described(document)]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["description"] for operation in operations)


def test_every_parameter_of_a_path_is_described(document: dict[str, Any]) -> None:
    for _, path, operation in described(document):
        named = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)


def test_changes_take_a_key_and_changes_of_what_is_there_an_etag(document: dict[str, Any]) -> None:
    for method, _, operation in described(document):
        headers = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
        wanted = {"POST": {"Idempotency-Key"}}.get(method, {"Idempotency-Key", "If-Match"})
        if operation["operationId"] in RESPONDING:
            wanted = set()
        assert headers == wanted


class Walk:
    """Requests whose every answer must be one that the document describes."""

    def __init__(self, client: httpx.Client, document: dict[str, Any]) -> None:
        self._client = client
        self._document = document
        self.seen: set[tuple[str, str]] = set()

    def __call__(
        self, method: str, path: str, template: str, body: Any = None, status: int = 200, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._client.request(method, path, json=body, headers=named)
        assert answer.status_code == status, answer.text
        operation = self._document["paths"][template][method.lower()]
        if answer.is_success:
            self.seen.add((method, template))
            if body is not None:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                assert errors(self._document, schema, body) == []
        self._check(operation["responses"], answer)
        return answer

    def _check(self, responses: dict[str, Any], answer: httpx.Response) -> None:
        assert str(answer.status_code) in responses, f"{answer.request.method} {answer.url.path} {answer.status_code}"
        content = responses[str(answer.status_code)].get("content")
        if content is None:
            assert answer.content == b""
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        body = answer.json() if media_type.endswith("json") else answer.text
        assert errors(self._document, content[media_type]["schema"], body) == []


@pytest.fixture
def walk(admin: httpx.Client, document: dict[str, Any]) -> Walk:
    return Walk(admin, document)


STORIES, STORY_AT = "/api/stories", "/api/stories/{slug}"
UPDATES, UPDATE_AT = "/api/stories/{slug}/updates", "/api/stories/{slug}/updates/{id}"


def test_every_answer_fits_its_schema(walk: Walk) -> None:
    slug = new_slug()
    story = f"/api/stories/{slug}"
    walk("POST", STORIES, STORIES, {**STORY, "slug": slug}, 201)
    walk("POST", STORIES, STORIES, {"headline": "A", "body": "B", "sections": ["World"]}, 201)
    answer = walk("POST", f"{story}/updates", UPDATES, UPDATE, 201)
    posted, cursor = answer.json(), answer.headers["Live-Cursor"]
    bare = walk("POST", f"{story}/updates", UPDATES, {"body": "Only this."}, 201).json()
    update, other = (f"{story}/updates/{record['id']}" for record in (posted, bare))
    walk("GET", update, UPDATE_AT)
    walk("PATCH", update, UPDATE_AT, {"correction": "It said ten."})
    walk("PATCH", update, UPDATE_AT, {"image": None, "headline": None})
    walk("DELETE", other, UPDATE_AT, {"reason": "Misread."})
    walk("GET", other, UPDATE_AT)
    walk("PATCH", story, STORY_AT, {"urgency": 2, "notice": None})
    walk("GET", story, STORY_AT)
    walk("GET", STORIES, STORIES)
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    walk("PUT", "/api/notice", "/api/notice", {**NOTICE, "expires": soon})
    walk("GET", "/api/notice", "/api/notice")
    walk("DELETE", "/api/notice", "/api/notice", status=204)
    walk("PUT", "/api/promo", "/api/promo", PROMO)
    walk("GET", "/api/promo", "/api/promo")
    walk("DELETE", "/api/promo", "/api/promo", status=204)
    walk("POST", "/api/preview", "/api/preview", {"kind": "update", "story": slug, "draft": UPDATE})
    for address, template in ((story, STORY_AT), (update, UPDATE_AT)):
        walk("PUT", f"{address}/editing", f"{template}/editing", {})
        walk("DELETE", f"{address}/editing", f"{template}/editing", status=204)
    draft = f"/api/stories/{new_slug()}"
    walk("POST", STORIES, STORIES, {**STORY, "slug": draft.rpartition("/")[2], "pubStatus": "withheld"}, 201)
    walk("DELETE", draft, STORY_AT, status=204)
    of_the_newsroom(walk)
    of_the_readers(walk, cursor)
    assert walk.seen == {(operation.method, operation.path) for operation in OPERATIONS}


def of_the_newsroom(walk: Walk) -> None:
    first, second = (walk("POST", "/api/notices", "/api/notices", NOTICE, 201).json()["id"] for _ in range(2))
    walk("GET", "/api/notices", "/api/notices")
    walk("POST", f"/api/notices/{first}/activate", "/api/notices/{id}/activate")
    walk("DELETE", f"/api/notices/{second}", "/api/notices/{id}", status=204)
    walk("DELETE", "/api/notice", "/api/notice", status=204)
    token = walk("POST", "/api/tokens", "/api/tokens", {"name": "Ada", "role": "reporter"}, 201).json()["id"]
    walk("GET", "/api/tokens", "/api/tokens")
    walk("DELETE", f"/api/tokens/{token}", "/api/tokens/{id}", status=204)
    for ending in ("", ".jsonl", ".csv"):
        walk("GET", f"/api/audit{ending}", f"/api/audit{ending}")


def of_the_readers(walk: Walk, cursor: str) -> None:
    walk("GET", "/api/readers", "/api/readers")
    eventually(lambda: walk("GET", f"/api/receipts/{cursor}", "/api/receipts/{cursor}"))


def test_every_refusal_fits_its_schema(walk: Walk, reporter: httpx.Client, document: dict[str, Any]) -> None:
    slug = new_slug()
    story = f"/api/stories/{slug}"
    walk("POST", STORIES, STORIES, {**STORY, "slug": slug}, 201)
    update = f"{story}/updates/{walk('POST', f'{story}/updates', UPDATES, UPDATE, 201).json()['id']}"
    walk("POST", STORIES, STORIES, {**STORY, "slug": slug}, 409)
    walk("POST", STORIES, STORIES, {}, 422)
    walk("POST", STORIES, STORIES, status=415)
    walk("GET", f"{story}-no", STORY_AT, status=404)
    walk("PATCH", story, STORY_AT, {"urgency": 2}, 412, If_Match='"9"')
    walk("PATCH", story, STORY_AT, {"urgency": 2}, 400, If_Match="9")
    walk("POST", f"{story}/updates", UPDATES, {"body": 1}, 422)
    walk("DELETE", update, UPDATE_AT, {"reason": "Misread."})
    walk("DELETE", update, UPDATE_AT, {"reason": "Misread."}, 409)
    walk("PUT", "/api/notice", "/api/notice", {**NOTICE, "expires": "2020-01-01T00:00:00Z"}, 409)
    walk("DELETE", "/api/notice", "/api/notice", status=404)
    drafts = Walk(reporter, document)
    drafts("POST", STORIES, STORIES, {**STORY, "slug": new_slug()}, 403)
    drafts("PUT", "/api/promo", "/api/promo", PROMO, 403)


@pytest.mark.parametrize(("path", "body"), [("/api/notice", NOTICE), ("/api/promo", PROMO)])
def test_a_reused_key_is_described_for_operations_without_a_body(walk: Walk, path: str, body: dict[str, str]) -> None:
    key = new_slug()
    walk("PUT", path, path, body, Idempotency_Key=key)
    try:
        walk("DELETE", path, path, status=422, Idempotency_Key=key)
    finally:
        walk("DELETE", path, path, status=204)


@pytest.mark.parametrize(
    ("path", "method", "bad"),
    [
        ("/api/stories", "post", {"headline": "A"}),
        ("/api/stories", "post", {**STORY, "colour": "red"}),
        ("/api/stories", "post", {**STORY, "urgency": 10}),
        ("/api/stories", "post", {**STORY, "slug": "Not A Slug"}),
        ("/api/stories", "post", {**STORY, "pubStatus": "published"}),
        ("/api/stories", "post", {**STORY, "by": [{}]}),
        ("/api/stories/{slug}", "patch", {"slug": "another"}),
        ("/api/stories/{slug}/updates", "post", {**UPDATE, "keyEvent": "yes"}),
        ("/api/notice", "put", {**NOTICE, "expires": "tomorrow"}),
        ("/api/notice", "put", {**NOTICE, "urgency": 4}),
        ("/api/promo", "put", {"text": "A"}),
    ],
)
def test_the_document_refuses_what_does_not_fit(
    document: dict[str, Any], path: str, method: str, bad: dict[str, Any]
) -> None:
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    assert errors(document, schema, bad) != []


def test_a_patch_may_leave_every_field_out(document: dict[str, Any]) -> None:
    for method, _, operation in described(document):
        if method == "PATCH":
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert errors(document, schema, {}) == []
