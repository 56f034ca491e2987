"""The few shapes that generated parts are made of, and JSON Schema in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
PLAIN = {"text", "whole number", "number", "true or false"}
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"


def cell(text: str) -> str:
    """Text for a table: one line, and no bar that would end the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(' --- ' for _ in heads)}|"]
    lines += [f"| {' | '.join(cell(one) for one in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    return f"`{text}`"


def shown(value: Any) -> str:
    """A value as JSON."""
    return code(json.dumps(value, ensure_ascii=False))


def prose(text: str) -> str:
    """A docstring's text: `<` must not begin a tag."""
    return " ".join(text.split()).replace("<", "&lt;")


def shape(schema: Any, root: Schema | None = None) -> str:
    """What a value must be, in words."""
    if schema is True or not isinstance(schema, Mapping):
        return "any value"
    if "$ref" in schema and root is not None:
        return shape(_follow(schema["$ref"], root), root)
    if "const" in schema:
        return shown(schema["const"])
    if "enum" in schema:
        return _or([shown(value) for value in schema["enum"]])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            if any(part.get("pattern") == DURATION for part in schema[key]):
                return "duration"
            parts = list(dict.fromkeys(shape(part, root) for part in schema[key] if part.get("type") != "null"))
            if set(parts) >= PLAIN:
                parts = ["plain value", *(part for part in parts if part not in PLAIN)]
            return _or(parts)
    kind = schema.get("type")
    if isinstance(kind, list):
        wanted = [one for one in kind if one != "null"]
        return _or([shape({**schema, "type": one}, root) for one in wanted])
    return _typed(kind, schema, root)


def _typed(kind: Any, schema: Schema, root: Schema | None) -> str:
    match kind:
        case "string":
            return "date and time" if schema.get("format") == "date-time" else "text"
        case "boolean":
            return "true or false"
        case "integer" | "number":
            return ("whole number" if kind == "integer" else "number") + _range(schema)
        case "array":
            items = schema.get("items", True)
            inner = _several(shape(items, root))
            return "list" if inner == "any value" else f"list of {inner}"
        case "object":
            inner = schema.get("additionalProperties")
            if isinstance(inner, Mapping) and inner and "properties" not in schema:
                return f"mapping of {_several(shape(inner, root))}"
            return "mapping"
        case _:
            return "any value"


def _several(one: str) -> str:
    """What there are many of."""
    plural = {"mapping": "mappings", "list": "lists", "whole number": "whole numbers", "number": "numbers"}
    return plural.get(one, one)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above = schema.get("exclusiveMinimum")
    if above is not None:
        return f" above {_count(above)}" + (f", at most {_count(high)}" if high is not None else "")
    if low is not None and high is not None:
        return f" {_count(low)} to {_count(high)}"
    if low is not None:
        return f", at least {_count(low)}"
    return f", at most {_count(high)}" if high is not None else ""


def _count(value: float) -> str:
    return f"{int(value):,}".replace(",", " ") if value == int(value) else f"{value:g}"


def _or(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _follow(ref: str, root: Schema) -> Any:
    found: Any = root
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


def keys(schema: Schema, root: Schema | None = None, heads: tuple[str, str] = ("key", "value")) -> str:
    """A table of an object's properties. Needed ones are set in bold."""
    root = root or schema
    needed = schema.get("required", ())
    rows = []
    for name, one in schema.get("properties", {}).items():
        about = one.get("description") or ""
        if "default" in one and one["default"] not in (None, "", [], {}):
            about = f"{about} Default: {shown(one['default'])}."
        rows.append((f"**{code(name)}**" if name in needed else code(name), shape(one, root), about.strip()))
    return table((*heads, "meaning"), rows)
