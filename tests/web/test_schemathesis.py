"""Requests made from the OpenAPI document, good and bad: no error of ours, no answer that it does not tell."""

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from live.web.api import OPERATIONS
from live.web.openapi import document
from tests.conftest import editor_of, make_token, new_site
from tests.node import Node
from tests.web.samples import create, post

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OF_BAD_ONES = [negative_data_rejection, unsupported_method]


BAD = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429]
"""What a bad request may be answered with; which of several faults is told first is left open."""
CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": BAD}}})
schema = schemathesis.openapi.from_dict(document(OPERATIONS), config=CONFIG)


@pytest.fixture(scope="module")
def node(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A server of its own, since much is posted to it."""
    node = Node({"redis_url": valkey, "site": new_site(), "data_dir": tmp_path_factory.mktemp("data")})
    yield node
    node.stop()


@pytest.fixture(scope="module")
def editor(node: Node, valkey: str) -> Iterator[httpx.Client]:
    with editor_of(node, make_token(valkey, node.site, "admin")) as editor:
        yield editor


@pytest.fixture(scope="module")
def update(editor: httpx.Client) -> dict[str, str]:
    """The path parameters of an update that is there."""
    slug = str(create(editor)["slug"])
    return {"slug": slug, "id": str(post(editor, slug)["id"])}


@schema.parametrize()
@hypothesis.settings(max_examples=12, derandomize=True)
def test_answers_are_as_the_document_tells(case: Case[Any], node: Node, editor: httpx.Client) -> None:
    case.call_and_validate(
        base_url=node.url, headers={"Authorization": editor.headers["Authorization"]}, checks=[*CHECKS, *OF_BAD_ONES]
    )
    assert "Traceback" not in node.output


@schema.include(path_regex=r"\{slug\}").parametrize()
@hypothesis.settings(max_examples=15, derandomize=True)
def test_answers_about_what_is_there_are_too(
    case: Case[Any], node: Node, editor: httpx.Client, update: dict[str, str]
) -> None:
    case.path_parameters = update
    case.call_and_validate(base_url=node.url, headers={"Authorization": editor.headers["Authorization"]}, checks=CHECKS)
    assert "Traceback" not in node.output
