"""The OpenAPI document: what FastAPI finds, made exact.

Bodies are read by ourselves, so routes say which model they take; every operation may answer with a problem, in its own
media type; the one way in is a bearer token.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from . import models
from .problems import MEDIA_TYPE

_REF = "#/components/schemas/{model}"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
_MEANING = {
    "400": "The request is malformed",
    "401": "The token is missing or wrong",
    "403": "Refused",
    "404": "There is no such thing",
    "405": "Not possible here",
    "406": "Not to be had in this form",
    "409": "It clashes with what is there",
    "412": "Changed meanwhile",
    "413": "Too large",
    "415": "This media type is not read",
    "416": "There is no such part",
    "422": "Not right",
    "428": "A precondition is needed",
    "500": "Something went wrong here",
    "503": "Try again",
    "504": "Timed out",
}
_ALWAYS = ("400", "401", "403", "404", "409", "422", "500", "503")
_WITH_BODY = ("413", "415")
_NESTED: dict[str, Any] = {}  # models within the bodies that routes take


def takes(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """`openapi_extra` of a route that reads a JSON body by itself."""
    schema = model.model_json_schema(ref_template=_REF)
    _NESTED.update(schema.pop("$defs", {}))
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def takes_document(required: bool = True) -> dict[str, Any]:
    """The same for a workflow's document: an object, as JSON or YAML."""
    schema = {"type": "object", "description": "A workflow's document; see the document reference."}
    media = {"application/json": {"schema": schema}, "application/yaml": {"schema": {"type": "string"}}}
    return {"requestBody": {"required": required, "content": media}}


def also(*statuses: int, **media: str) -> dict[int | str, dict[str, Any]]:
    """`responses` for further statuses that carry no JSON of their own."""
    return {status: {"description": "Not modified" if status == 304 else _MEANING[str(status)]} for status in statuses}


def content(media: str, description: str) -> dict[str, Any]:
    """A response with content of its own, such as a file."""
    return {"description": description, "content": {media: {}}}


def messages(description: str) -> dict[str, Any]:
    """A response of server-sent events."""
    text = {"type": "string"}
    schema = {"type": "object", "properties": {"id": text, "event": text, "data": text}, "required": ["event", "data"]}
    return {"description": description, "content": {"text/event-stream": {"schema": schema}}}


def install(app: FastAPI) -> None:
    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update({name: schema for name, schema in _NESTED.items() if name not in schemas})
    problem = models.Problem.model_json_schema(ref_template=_REF)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _finish(path, operation)
    return document


def _finish(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if path in ("/healthz", "/readyz", "/.well-known/jwks.json"):
        operation["security"] = []
        return
    wanted = [*_ALWAYS, *(_WITH_BODY if "requestBody" in operation else ())]
    for status in dict.fromkeys([*wanted, *(s for s in responses if s >= "400")]):
        responses[status] = {"description": _MEANING[status], "content": _PROBLEM}
    operation["responses"] = dict(sorted(responses.items()))
