"""What the API says about itself (OpenAPI): names of operations one can read, and the problem every call may end in."""

from collections import Counter
from collections.abc import Iterator
from typing import cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from shared_chassis.http.problem import MEDIA_TYPE, Problem

Document = dict[str, object]

_REFERENCE = "#/components/schemas/"


def describe(api: FastAPI) -> None:
    """Name every operation after its function, and document the problem details.

    Raises `ValueError` when two operations have one name: generated clients could not tell them apart.
    """
    for route in _routes(api):
        route.operation_id = route.name
        route.unique_id = route.name
    twice = [name for name, count in Counter(route.name for route in _routes(api)).items() if count > 1]
    if twice:
        raise ValueError(f"two operations of {api.title} have one name: {', '.join(twice)}")
    api.openapi = lambda: _document(api)  # type: ignore[method-assign]  # the framework's documented way


def _routes(api: FastAPI) -> Iterator[APIRoute]:
    return (route for route in api.routes if isinstance(route, APIRoute) and route.include_in_schema)


def _document(api: FastAPI) -> Document:
    if api.openapi_schema:
        return api.openapi_schema
    document = get_openapi(title=api.title, version=api.version, routes=api.routes)
    problem = Problem.model_json_schema(ref_template=_REFERENCE + "{model}")
    schemas = cast("Document", document.setdefault("components", {})).setdefault("schemas", {})
    schemas = cast("Document", schemas)  # JSON from here on: the framework types it as Any
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    answer = {
        "description": "Not done, and why (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_REFERENCE}Problem"}}},
    }
    for path in cast("dict[str, dict[str, Document]]", document["paths"]).values():
        for operation in path.values():
            responses = cast("Document", operation["responses"])
            responses.pop("422", None)
            if "If-None-Match" in str(operation.get("parameters")):
                responses["304"] = {"description": "The caller has this version already; there is no body."}
            responses["default"] = answer
    api.openapi_schema = document
    return document
