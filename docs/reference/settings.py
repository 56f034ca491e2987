"""Settings, and the metrics a process shows."""

from __future__ import annotations

from pydantic_core import PydanticUndefined

from penstock.app import Settings

from . import api
from .markdown import code, prose, shape, table


def write(_: str) -> str:
    schema = Settings.model_json_schema()["properties"]
    rows = []
    for name, one in Settings.model_fields.items():
        value = one.default
        default = "`~/.penstock`" if name == "data" else "" if value in ("", PydanticUndefined) else code(str(value))
        rows.append((code(f"PENSTOCK_{name.upper()}"), shape(schema[name]), default, prose(one.description or "")))
    return table(("variable", "value", "default", "meaning"), rows)


def write_metrics(_: str) -> str:
    suffix = {"counter": "_total", "histogram": "_bucket, _sum, _count"}
    rows = []
    for family in api.described()[1]:
        name = f"{family.name}{suffix['counter']}" if family.type == "counter" else family.name
        rows.append((code(name), family.type, prose(family.documentation)))
    return table(("metric", "type", "meaning"), rows)
