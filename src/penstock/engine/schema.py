"""The JSON Schema of the document: what editors complete and check, and what the reference is made from.

It says the same as `workflow.parse` as far as a schema can; the rest (names that exist, cycles, what may have run before) is for
`parse` alone. A test holds the two together. Given the schemas of node kinds, `with` is described for each kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .document import COSTS, DIFFICULTIES, JOINS, LIMITS, ON_ERROR, ROUTES, WITHIN
from .fields import MAX_EDGES, MAX_NODES, NODE_NAME, SLUG

ID = "urn:penstock:workflow:1"

_WORDS = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"}
_DURATION = [{"type": "number", "exclusiveMinimum": 0}, _WORDS]
_WAIT = [{"type": "number", "minimum": 0}, _WORDS]
_SCHEMA = {"type": ["object", "boolean"]}


def _key(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, **schema}


def _duration(description: str) -> dict[str, Any]:
    return {"description": description, "oneOf": _DURATION}


def _expression(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "type": "string", "minLength": 1, "examples": [example]}


def _retry() -> dict[str, Any]:
    attempts = _key("How often the step is tried in all.", type="integer", minimum=1, maximum=100, default=1)
    wait = _key("Each wait is this many times the one before.", type="number", minimum=1, maximum=100, default=2)
    spread = _key(
        "The part of each wait that is random, so that steps that failed together do not all come back together.",
        type="number",
        minimum=0,
        maximum=1,
        default=0.1,
    )
    return _key(
        "What to do when the step fails with an error that may pass: a number of attempts, or the number with the waits.",
        oneOf=[
            {"type": "integer", "minimum": 1, "maximum": 100},
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "attempts": attempts,
                    "backoff": _key("The wait before the second attempt.", oneOf=_WAIT, default="1s"),
                    "factor": wait,
                    "max": _key("No wait is longer than this.", oneOf=_WAIT, default="1m"),
                    "jitter": spread,
                },
            },
        ],
    )


_RUN_LIMITS = (
    "What one run may spend. Asked before each step and each call; a run that reaches a limit fails and says which."
)


def _limits(names: tuple[str, ...], what: str) -> dict[str, Any]:
    count = {"type": ["integer", "null"], "minimum": 0}
    some = {"type": ["integer", "null"], "minimum": 1}
    money = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string"}, {"type": "null"}]}
    within = {
        "step": lambda: _limits(COSTS, "What each step may spend, in all its attempts."),
        "call": lambda: _limits(COSTS, "What each call of a model may cost, at most."),
    }
    known = {
        "tokens": _key("Tokens of all models together.", **count),
        "usd": _key("US dollars, exactly.", **money),
        "seconds": {"description": "Time from start to end.", "oneOf": [*_DURATION, {"type": "null"}]},
        "steps": _key("Steps, each item of a for_each counting as one.", **some),
        "parallel": _key("Steps in flight at the same time.", **some),
        "iterations": _key("Returns over edges that go back, and turns of agents.", **count),
    }
    properties = {name: within[name]() if name in within else known[name] for name in names}
    return _key(what, type="object", additionalProperties=False, properties=properties)


def _node() -> dict[str, Any]:
    join = {
        "description": "How many of the edges that lead here must be taken before the node starts: all that are not closed "
        "(a closed edge is one whose condition is false or whose source was skipped), the first, more than half, or a number.",
        "oneOf": [{"enum": list(JOINS)}, {"type": "integer", "minimum": 1}],
        "default": "all",
    }
    on_error = _key(
        "What a failure does when no attempt is left: fail ends the run; continue goes on along the edges without a "
        "condition, with no output; skip closes all edges from here; pause stops the run until a person resumes it.",
        enum=list(ON_ERROR),
        default="fail",
    )
    return {
        "type": "object",
        "required": ["kind"],
        "additionalProperties": False,
        "properties": {
            "kind": _key("What the node does, by the name of its kind.", type="string", minLength=1),
            "title": _key("A name for people.", type="string", maxLength=500),
            "with": _key(
                "The configuration of the node; its keys are those of the kind. A string may hold ${{ }}: one that is a "
                "single expression becomes its value with its type, others are text with the values put in.",
                type="object",
            ),
            "for_each": _expression(
                "A list. The node runs once for each element, which expressions in `with` read as item, and its place as "
                "index. The output is the list of outputs in the same order.",
                "${{ nodes.list.output.files }}",
            ),
            "parallel": _key(
                "With for_each: how many elements are in work at once.", type="integer", minimum=1, maximum=10_000
            ),
            "join": join,
            "retry": _retry(),
            "timeout": _duration("How long one attempt may take."),
            "route": _key(
                "Which edges are taken when the node ends: all whose condition is true, or only the first of them, in the order "
                "in which they are written; then one edge may be the default.",
                enum=list(ROUTES),
                default="all",
            ),
            "max_visits": _key(
                "How often the node may run when an edge goes back to it. Each cycle needs it.",
                type="integer",
                minimum=1,
                maximum=10_000,
                default=1,
            ),
            "on_error": on_error,
            "limits": _limits((*COSTS, "call"), "What each of its steps may spend, in all its attempts."),
        },
    }


def _edge() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["from", "to"],
        "additionalProperties": False,
        "properties": {
            "from": _key("The node it leaves.", type="string"),
            "to": _key("The node it leads to. A node on the path to `from` makes a loop.", type="string"),
            "when": _expression("The edge is taken only if this is true.", "${{ nodes.review.output.ok }}"),
            "default": _key(
                "Of a node with `route: first`: the edge is taken when no other is.", type="boolean", default=False
            ),
            "gate": _key(
                "A person must approve before the node it leads to begins: true, the question, or more about it.",
                oneOf=[{"const": True}, {"type": "string", "minLength": 1, "maxLength": 200}, _gate()],
            ),
            "checkpoint": _key(
                "The run stops here, to be looked at, until a person lets it go on.", type="boolean", default=False
            ),
        },
    }


def _gate() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "title": _key("The question, in one line.", type="string", maxLength=200),
            "message": _key("What the person should know to decide; Markdown, and ${{ }}.", type="string"),
            "comment": _key("Whether the decision must be explained.", enum=["optional", "required", "on_reject"]),
            "fields": _key("JSON Schema of further fields to fill in.", type="object"),
            "seconds": _key("How long to wait for an answer; for ever by default.", type="number", exclusiveMinimum=0),
            "on_timeout": _key("What stands when nobody answers in time.", enum=["fail", "approve", "reject"]),
        },
    }


def document_schema(kinds: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a workflow document. `kinds` maps the names of node kinds to the JSON Schema of their
    `with`; expressions may stand where any other type is asked for."""
    node = _node()
    definitions: dict[str, Any] = {}
    if kinds:
        node["properties"]["kind"] = {**node["properties"]["kind"], "enum": sorted(kinds)}
        node["allOf"] = [
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": {"properties": {"with": {"$ref": f"#/$defs/with_{name}"}}},
            }
            for name in sorted(kinds)
        ]
        for name in sorted(kinds):
            definitions[f"with_{name}"] = lenient(kinds[name], f"#/$defs/with_{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Penstock workflow",
        "type": "object",
        "required": ["penstock", "name", "nodes"],
        "additionalProperties": False,
        "properties": {
            "penstock": _key("The version of this format.", const=1),
            "name": _key(
                "The slug: lower-case letters, digits and dashes. It names the workflow in URLs and commands.",
                type="string",
                pattern=f"^{SLUG.pattern}$",
            ),
            "title": _key("A name for people.", type="string"),
            "description": _key("What it does and when to use it.", type="string"),
            "persona": _key("For whom it is made.", type="string", examples=["engineer"]),
            "tags": _key("Words to find it by.", type="array", items={"type": "string", "maxLength": 100}),
            "difficulty": _key("How much one must know to use it.", enum=list(DIFFICULTIES)),
            "minutes": _key("How long a run usually takes.", type="number", minimum=0, maximum=100_000),
            "inputs": _key(
                "A JSON Schema of what a run is started with. The start form is made from it; titles, descriptions, "
                "defaults and formats count. Inputs it does not name are refused, unless additionalProperties allows them.",
                type="object",
                required=["type"],
                properties={"type": {"const": "object"}},
            ),
            "limits": _limits((*LIMITS, *WITHIN), _RUN_LIMITS),
            "nodes": _key(
                "What may be done, by name. Names are letters, digits and _.",
                type="object",
                minProperties=1,
                maxProperties=MAX_NODES,
                propertyNames={"pattern": f"^{NODE_NAME.pattern}$"},
                additionalProperties={"$ref": "#/$defs/node"},
            ),
            "edges": _key(
                "What follows what. Nodes nothing leads to start at once.",
                type="array",
                maxItems=MAX_EDGES,
                items={"$ref": "#/$defs/edge"},
            ),
            "outputs": _key(
                "The result of the run, by name: expressions over any node. A skipped node's output is null.",
                type="object",
            ),
            "schemas": _key(
                "JSON Schemas by name, for {$ref: '#/schemas/Name'} in inputs and in `with`.",
                type="object",
                additionalProperties=_SCHEMA,
            ),
            "layout": _key("Where nodes stand on the canvas. No part of a version's identity.", type="object"),
        },
        "$defs": {"node": node, "edge": _edge(), **definitions},
    }


def lenient(schema: Any, root: str) -> Any:
    """A kind's schema as `with` may be written: wherever a value other than text is asked for, an expression may stand too.
    `root` is where the schema will lie, as its own references start there."""
    if isinstance(schema, list):
        return [lenient(part, root) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            out[key] = root + value[1:]
        elif key in ("properties", "$defs", "patternProperties") and isinstance(value, Mapping):
            out[key] = {name: _or_expression(lenient(part, root)) for name, part in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            out[key] = _or_expression(lenient(value, root))
        elif key in ("default", "enum", "const", "examples"):
            out[key] = value
        else:
            out[key] = lenient(value, root)
    return out


def _or_expression(schema: Any) -> Any:
    if not isinstance(schema, dict) or (schema.get("type") == "string" and not schema.keys() & {"pattern", "format"}):
        return schema
    about = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    return {**about, "anyOf": [schema, {"type": "string", "pattern": r"\$\{\{"}]}
