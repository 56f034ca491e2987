"""Our own format: a text, or JSON data, into a workflow, with everything that is wrong with it said at once.

Three stages, each run as far as the one before left ground to stand on: the text (`text`), the document
(`engine.workflow.parse`), and what only the outside knows: JSON Schema, and the node kinds that are installed. What a run
is started with is checked here too, by the workflow's input schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from ..engine.edges import GATE_KEYS, gate_of
from ..engine.expr import escape
from ..engine.fields import Position, nowhere
from ..engine.tokens import suggestion
from ..engine.workflow import Workflow, parse
from ..errors import Invalid, Problem
from ..ports import NodeKind
from .conditions import check_conditions
from .inputs import validate_inputs
from .schemas import check_schemas
from .text import read_text

__all__ = ["accept", "check", "read", "validate_inputs"]

Kinds = Mapping[str, NodeKind]
_OPEN = "${{"
KNOWN = frozenset({*GATE_KEYS, "choices"})  # what else is written in a gate is named as an unknown key


def read(data: bytes | str, kinds: Kinds | None = None, filename: str = "") -> Workflow:
    """The workflow in a YAML or JSON text; a name that ends in .json makes it JSON only.

    Raises Invalid, code `workflow.invalid`, with every problem found, in the order of the text, each with line and column.
    """
    source = read_text(data, filename)
    return accept(source.data, kinds, source.position, source.problems)


def accept(
    document: Any, kinds: Kinds | None = None, position: Position = nowhere, problems: Iterable[Problem] = ()
) -> Workflow:
    """The workflow in JSON data. `problems` are those found already. Raises as `read` does."""
    found = list(problems)
    workflow = None
    try:
        workflow = parse(document, position)
    except Invalid as error:
        found.extend(error.problems)
    if isinstance(document, dict) and not any(p.code in ("document.too_deep", "document.too_large") for p in found):
        found.extend(_placed(check_schemas(document), position))
        if kinds is not None:
            of_kinds = _placed(_check_nodes(document, kinds), position)
            literal = tuple(p.pointer for p in of_kinds if p.code == "node.literal_expression")
            # What stands in code or a template of its own is one mistake, however little it looks like an expression.
            found = [p for p in found if not (p.code.startswith("expr.") and p.pointer.startswith(literal))]
            found.extend(of_kinds)
    if workflow is not None and kinds is not None:
        found.extend(_placed(check_conditions(workflow, kinds), position))
    if any(problem.severity == "error" for problem in found) or workflow is None:
        found.sort(key=lambda p: (p.severity != "error", p.line or 0, p.column or 0))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Invalid(f"the workflow is not right: {found[0].message}{more}", code="workflow.invalid", problems=found)
    workflow.warnings = (*workflow.warnings, *found)
    return workflow


def check(workflow: Workflow, kinds: Kinds) -> list[Problem]:
    """What is wrong with a workflow here: its schemas, its kinds and their configuration. Raises nothing."""
    return [
        *check_schemas(workflow.document),
        *_check_nodes(workflow.document, kinds),
        *check_conditions(workflow, kinds),
    ]


def _placed(problems: Iterable[Problem], position: Position) -> list[Problem]:
    out = []
    for p in problems:
        line, column = position(p.pointer) or (None, None)
        out.append(Problem(p.code, p.message, p.pointer, p.hint, line, column, p.severity))
    return out


# ------------------------------------------------------------------------------------------------------ node kinds


def _check_nodes(document: Mapping[str, Any], kinds: Kinds) -> list[Problem]:
    nodes = document.get("nodes")
    problems: list[Problem] = []
    for name, node in nodes.items() if isinstance(nodes, dict) else ():
        if not isinstance(node, dict) or not isinstance(node.get("kind"), str) or not node["kind"]:
            continue
        at = f"/nodes/{escape(name)}"
        kind = kinds.get(node["kind"])
        if kind is None:
            hint = suggestion(node["kind"], kinds) or f"known are {', '.join(sorted(kinds))}"
            message = f"there is no kind of node {node['kind'][:80]!r}"
            problems.append(Problem("kind.unknown", message, f"{at}/kind", hint))
        elif isinstance(node.get("with", {}), dict):
            problems.extend(_check_config(kind, node.get("with", {}), f"{at}/with"))
    return [*problems, *_check_gates(document, kinds)]


def _check_gates(document: Mapping[str, Any], kinds: Kinds) -> Iterable[Problem]:
    """The questions on edges, against the configuration of the kind `human`, which they become."""
    edges = document.get("edges")
    for index, edge in enumerate(edges if isinstance(edges, list) else ()):
        config = gate_of(edge) if isinstance(edge, dict) and isinstance(edge.get("gate"), dict) else None
        if config is None or (kind := kinds.get("human")) is None:
            continue
        for problem in _check_config(kind, {key: value for key, value in config.items() if key in KNOWN}, ""):
            at = f"/edges/{index}/gate{problem.pointer}"
            yield Problem(problem.code, problem.message, at, problem.hint, severity=problem.severity)


def _check_config(kind: NodeKind, config: dict[str, Any], at: str) -> Iterable[Problem]:
    """A node's `with` against its kind's Config. What an expression will give is not known, so nothing is said about it."""
    places = dict(_expressions(config, ""))
    for key in kind.literal:
        inside = f"/{escape(key)}"
        if any(place == inside or place.startswith(inside + "/") for place in places):
            message = f"{key} of a {kind.name} node is taken as it stands, so ${{{{ }}}} in it is never evaluated"
            hint = "hand values over under another key, or write $${{ for a literal ${{"
            yield Problem("node.literal_expression", message, at + inside, hint)
    try:
        kind.Config.model_validate(config)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            problem = _config_problem(kind, config, one, places)
            if problem is not None:
                yield Problem(
                    problem.code, problem.message, at + problem.pointer, problem.hint, severity=problem.severity
                )


def _config_problem(
    kind: NodeKind, config: dict[str, Any], error: Mapping[str, Any], places: Mapping[str, bool]
) -> Problem | None:
    pointer, value, skipped = _locate(config, error["loc"], error["type"])
    message = f"{error['msg'].removeprefix('Value error, ')}"
    if error["type"] == "extra_forbidden":
        key = str(error["loc"][-1])
        known = [f.alias or n for n, f in kind.Config.model_fields.items()] if len(error["loc"]) == 1 else []
        hint = suggestion(key, known) or (f"known are {', '.join(known)}" if known else None)
        return Problem("document.unknown_key", f"a {kind.name} node has no {key[:80]!r} there", pointer, hint)
    inside = [whole for place, whole in places.items() if place.startswith(pointer + "/")]
    if pointer in places or (skipped and inside):
        return None
    if error["type"] == "missing":
        return Problem("document.missing", f"{error['loc'][-1]} is missing", pointer.rpartition("/")[0])
    if error["type"] in ("value_error", "assertion_error") and any(inside):
        # Said about several values of which some are not known yet: likely, not certain.
        return Problem("node.config", message, pointer, severity="warning")
    name = f"{pointer[1:].replace('/', '.')}: " if pointer else ""
    return Problem("node.config", f"{name}{message}{_of(value)}", pointer)


def _of(value: Any) -> str:
    return f", not {value!r}"[:60] if isinstance(value, (str, int, float)) else ""


def _locate(config: Any, loc: tuple[Any, ...], kind: str) -> tuple[str, Any, bool]:
    """The JSON pointer of a pydantic location, the value there, and whether the location names branches of a union, which
    are no part of the data."""
    pointer, skipped = "", False
    value: Any = config
    for at, part in enumerate(loc):
        in_map = isinstance(value, dict) and part in value
        if in_map or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
        elif at == len(loc) - 1 and kind == "missing":
            value = None
        else:
            skipped = True
            continue
        pointer += f"/{escape(part)}"
    return pointer, value, skipped


def _expressions(value: Any, at: str) -> Iterable[tuple[str, bool]]:
    """The pointer of each string that holds an expression, and whether it is nothing else, so that its type is not known."""
    stack = [(value, at)]
    while stack:
        value, at = stack.pop()
        if isinstance(value, dict):
            stack.extend((part, f"{at}/{escape(key)}") for key, part in value.items())
        elif isinstance(value, list):
            stack.extend((part, f"{at}/{index}") for index, part in enumerate(value))
        elif isinstance(value, str) and _OPEN in value.replace("$" + _OPEN, ""):
            stripped = value.strip()
            yield at, stripped.startswith(_OPEN) and stripped.endswith("}}")
