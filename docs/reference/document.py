"""Every key of a workflow's document, out of its JSON Schema."""

from __future__ import annotations

from typing import Any

from penstock.engine.workflow import document_schema

from .markdown import keys

PARTS = ("top", "node", "retry", "edge", "limits")


def write(of: str) -> str:
    """The table of one part of the document: top, node, retry, edge or limits."""
    schema = document_schema()
    node, edge = schema["$defs"]["node"], schema["$defs"]["edge"]
    parts: dict[str, Any] = {
        "top": schema,
        "node": node,
        "retry": node["properties"]["retry"]["oneOf"][1],
        "edge": edge,
        "limits": schema["properties"]["limits"],
    }
    return keys(parts[of], schema)
