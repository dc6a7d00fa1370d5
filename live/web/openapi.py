"""The OpenAPI 3.1 document, made from the operations and models that the server itself runs on."""

import re
from copy import deepcopy
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

import live
from live.errors import (
    BadRequest,
    BodyTooLarge,
    Invalid,
    KeyReused,
    NotAuthenticated,
    NotJSON,
    NotPermitted,
    Problem,
    TooManyRequests,
    Unavailable,
)
from live.model import Frozen
from live.web.operations import Operation

ALWAYS: tuple[type[Problem], ...] = (
    BadRequest,
    NotAuthenticated,
    NotPermitted,
    BodyTooLarge,
    TooManyRequests,
    Unavailable,
)
WITH_BODY: tuple[type[Problem], ...] = (NotJSON, Invalid)
CHANGING: tuple[type[Problem], ...] = (KeyReused,)
PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The description of the API as a JSON-ready object."""
    models: list[tuple[type[Frozen], JsonSchemaMode]] = []
    for operation in operations:
        models += [(operation.body, "validation")] if operation.body else []
        models += [(operation.answer, "serialization")] if operation.answer else []
    references, definitions = models_json_schema(
        list(dict.fromkeys(models)), by_alias=True, ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = definitions["$defs"] | {"Problem": PROBLEM_SCHEMA}
    paths: dict[str, Any] = {}
    for operation in operations:
        described = _described(operation, references, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Live: the editors' API", "version": live.__version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation, references: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": (operation.decide or operation.respond).__name__,  # type: ignore[union-attr]
        "summary": operation.summary,
        "description": f"Role: {operation.role} or higher.",
        "parameters": _parameters(operation),
        "responses": _responses(operation, references),
    }
    if operation.body:
        schema = references[operation.body, "validation"]
        if operation.method == "PATCH":
            schema = _patch_of(schema, schemas)
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": text} for name in operation.query]
    if operation.decide:
        key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
        about = "A repetition with the same key and body gets the first answer, and changes nothing; kept for 24 h."
        parameters.append({"name": "Idempotency-Key", "in": "header", "description": about, "schema": key})
    if operation.decide and operation.method != "POST":
        tag = {"type": "string", "pattern": '^(\\*|"[0-9]+")$'}
        about = "The ETag of the version that the change is for; 412 if it is not the present one."
        parameters.append({"name": "If-Match", "in": "header", "description": about, "schema": tag})
    return parameters


def _responses(operation: Operation, references: Any) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done; durable as configured." if operation.decide else "Found."}
    if operation.answer:
        good["content"] = {"application/json": {"schema": references[operation.answer, "serialization"]}}
    elif operation.media_type != "application/json":
        good["content"] = {operation.media_type: {"schema": {"type": "string"}}}
    responses = {str(operation.status): good}
    general = (*ALWAYS, *(WITH_BODY if operation.body else ()), *(CHANGING if operation.decide else ()))
    for problem in (*general, *operation.problems):
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        status = str(problem.status)
        text = (problem.__doc__ or problem.title).strip()
        if status in responses:
            text = f"{responses[status]['description']} Or: {text}"
        responses[status] = {"description": text, "content": content}
    return responses


def _patch_of(reference: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a patch: every field may be left out, and one that is left out stays as it is."""
    patch: dict[str, Any] = deepcopy(schemas[reference["$ref"].rpartition("/")[2]])
    patch.pop("required", None)
    for field in patch["properties"].values():
        field.pop("default", None)
    return patch
