"""Conditions of edges, against what the nodes they read say they give.

A kind may tell the JSON Schema of its output (`gives`), such as an agent whose answer has one. A condition that reads a field
which that schema does not have cannot be computed when the time comes, so it is named before. What a schema leaves open,
or says in a way that would have to be solved, is not judged; nor is what stands in `has(…)`, which asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.evaluate import path_of
from ..engine.functions import FUNCTIONS
from ..engine.syntax import Tree, parse
from ..engine.tokens import suggestion
from ..engine.workflow import Workflow
from ..errors import Problem
from ..ports import NodeKind

OPEN = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "not", "patternProperties"})
SCALARS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def check_conditions(workflow: Workflow, kinds: Mapping[str, NodeKind]) -> Iterator[Problem]:
    """Conditions on fields that are not there: `edge.unknown_field`, with the nearest that is."""
    schemas: dict[str, Any] = {}
    for edge in workflow.edges:
        if edge.when is None:
            continue
        for path in _paths(parse(edge.when.source, FUNCTIONS)):
            if len(path) < 4 or path[0] != "nodes" or path[2] != "output":
                continue
            name = str(path[1])
            if name not in schemas:
                schemas[name] = _given(workflow, name, kinds)
            missing = _missing(schemas[name], path[3:])
            if missing is not None:
                where, hint = missing
                message = (
                    f"{name} gives no {'.'.join(map(str, path[3 : 3 + where]))} (in ${{{{ {edge.when.source} }}}})"
                )
                yield Problem("edge.unknown_field", message, edge.when.pointer, hint)


def _given(workflow: Workflow, name: str, kinds: Mapping[str, NodeKind]) -> Any:
    node = workflow.nodes.get(name)
    gives = getattr(kinds.get(node.kind), "gives", None) if node is not None else None
    if node is None or gives is None or node.for_each is not None or not isinstance(node.config.value, dict):
        return True
    return gives(node.config.value)


def _paths(tree: Tree) -> Iterator[tuple[str | int, ...]]:
    """Every path that an expression follows for certain, the longest of each."""
    if tree.op == "has":
        return
    path = path_of(tree)
    if path is not None:
        yield path[0]
        return
    for kid in tree.kids:
        yield from _paths(kid)


def _missing(schema: Any, path: tuple[str | int, ...]) -> tuple[int, str | None] | None:
    """How many keys of the path lead to what is not there, and what may be meant; None when all may be there."""
    for at, key in enumerate(path, 1):
        if not isinstance(schema, dict) or schema.keys() & OPEN:
            return None
        kind = schema.get("type")
        if isinstance(kind, str) and kind in SCALARS:
            return at, f"it is {SCALARS[kind]}, which has no parts"
        if isinstance(key, int):
            schema = schema.get("items") if kind == "array" else None
            continue
        properties = schema.get("properties")
        if kind not in (None, "object") or not isinstance(properties, dict):
            return None
        if key in properties:
            schema = properties[key]
        elif schema.get("additionalProperties", False) is False:
            return at, suggestion(key, properties) or (
                f"it has {', '.join(list(properties)[:20])}" if properties else None
            )
        else:
            schema = schema["additionalProperties"]
    return None
