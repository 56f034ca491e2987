"""Every endpoint, out of the OpenAPI document."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from pathlib import Path
from typing import Any

from penstock.api.application import create_app
from penstock.app import Penstock, Settings

from .markdown import code, keys, prose, shape, table

COMMON = {"400", "401", "403", "404", "409", "413", "415", "422", "500", "503"}


@functools.cache
def described() -> tuple[dict[str, Any], Any]:
    """The OpenAPI document, and the registry of metrics, of an application over an empty data folder."""

    async def ask(folder: Path) -> tuple[dict[str, Any], Any]:
        async with Penstock(Settings(data=folder, journal="", artifacts=""), active=False) as penstock:
            app = create_app(penstock)
            return app.openapi(), list(app.state.metrics.collect())

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(ask(Path(folder)))


def write(of: str) -> str:
    """The endpoints of one tag; or, for `list`, all of them in a table; or, for `answers`, what comes back."""
    document = described()[0]
    if of == "list":
        return _list(document)
    if of == "answers":
        return _answers(document)
    parts: list[str] = []
    for path, method, operation in operations(document):
        if operation["tags"] == [of]:
            parts += _operation(path, method, operation, document)
    return "\n".join(parts)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method.upper(), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _list(document: dict[str, Any]) -> str:
    rows = [
        (f"[{code(f'{method} {path}')}](#{_slug(method, path)})", prose(operation.get("description", "")))
        for path, method, operation in operations(document)
    ]
    return table(("endpoint", "what it does"), rows)


def _slug(method: str, path: str) -> str:
    kept = "".join(c for c in f"{method} {path}".lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> list[str]:
    parts = [f"### {method} {path}", "", prose(operation.get("description", "")), ""]
    if given := operation.get("parameters"):
        rows = [_parameter(one, document) for one in given]
        parts += [table(("parameter", "where", "value", "meaning"), rows)]
    body = operation.get("requestBody", {}).get("content", {})
    if schema := body.get("application/json", {}).get("schema"):
        if "properties" in schema:
            parts += ["Body:", "", keys(schema, document)]
        else:
            parts += [f"Body: {prose(schema.get('description', 'an object'))} As {' or '.join(map(code, body))}.", ""]
    answers = [_answer(status, one) for status, one in operation["responses"].items() if status not in COMMON]
    parts += [table(("answer", "body"), answers)]
    return parts


def _parameter(one: dict[str, Any], document: dict[str, Any]) -> tuple[str, ...]:
    name = code(one["name"])
    return (
        f"**{name}**" if one.get("required") else name,
        one["in"],
        shape(one["schema"], document),
        prose(one.get("description") or one["schema"].get("description") or ""),
    )


def _answer(status: str, one: dict[str, Any]) -> tuple[str, str]:
    content = one.get("content", {})
    if not content:
        return status, prose(one["description"])
    media, schema = next(iter(content.items()))
    ref = schema.get("schema", {}).get("$ref", "")
    if media == "application/json":
        return status, _link(ref) if ref else "JSON"
    what = "a problem" if media == "application/problem+json" else code(media)
    return status, f"{what}: {prose(one['description'])}"


def _answers(document: dict[str, Any]) -> str:
    """Everything that an answer holds, by name."""
    parts = []
    for name, schema in sorted(document["components"]["schemas"].items()):
        if schema.get("type") == "object":
            parts += [f"### {name} (answer)", ""]
            parts += [prose(schema["description"]), ""] if "description" in schema else []
            rows = [
                (code(field), _linked(one, document), prose(one.get("description", "")))
                for field, one in schema.get("properties", {}).items()
            ]
            parts += [table(("field", "value", "meaning"), rows)] if rows else []
    return "\n".join(parts)


def _linked(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """What a field holds; another answer by its name."""
    if ref := schema.get("$ref"):
        return _link(ref)
    if ref := schema.get("items", {}).get("$ref") if isinstance(schema.get("items"), dict) else None:
        return f"list of {_link(ref)}"
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and "$ref" in more:
        return f"mapping of {_link(more['$ref'])}"
    refs = [one["$ref"] for one in schema.get("anyOf", ()) if "$ref" in one]
    nullable = any(one.get("type") == "null" for one in schema.get("anyOf", ()))
    return (_link(refs[0]) if refs else shape(schema, document)) + (" or null" if nullable else "")


def _link(ref: str) -> str:
    name = ref.rpartition("/")[2]
    return f"[{code(name)}](#{name.lower()}-answer)"
