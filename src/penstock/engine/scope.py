"""What an expression may read: inputs, outputs and the run, bound by name. Values that lie in the artifact store are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .expr import Expression, Template
from .state import RunState

SPILLED = "$spilled"  # {"$spilled": digest, "size": n} stands for a value in the artifact store


class Needed(Exception):
    """Values that must be fetched from the artifact store before this can be decided."""

    def __init__(self, digests: set[str]) -> None:
        super().__init__(f"{len(digests)} values needed")
        self.digests = digests


def whole(value: Any, values: Mapping[str, Any]) -> Any:
    """`value`, or what its pointer points to; lists are looked into one level deep, for the outputs of `for_each`."""
    if type(value) is dict:
        if SPILLED in value:
            return _fetched(value[SPILLED], values)
    elif type(value) is list:
        missing = {v[SPILLED] for v in value if type(v) is dict and SPILLED in v and v[SPILLED] not in values}
        if missing:
            raise Needed(missing)
        if any(type(v) is dict and SPILLED in v for v in value):
            return [_fetched(v[SPILLED], values) if type(v) is dict and SPILLED in v else v for v in value]
    return value


def _fetched(digest: str, values: Mapping[str, Any]) -> Any:
    if digest not in values:
        raise Needed({digest})
    return values[digest]


def scope_of(
    reader: Expression | Template, state: RunState, values: Mapping[str, Any], this: tuple[str, Any] | None = None
) -> dict[str, Any]:
    """The names an expression reads, bound. `this` is (node, output) of the step that is just ending."""
    scope: dict[str, Any] = {}
    if reader.refs:
        nodes = scope["nodes"] = {}
        missing: set[str] = set()
        for name in reader.refs:
            there = state.nodes[name]
            try:
                output = this[1] if this is not None and this[0] == name else there.output
                status = "completed" if this is not None and this[0] == name else there.status
                nodes[name] = {"output": whole(output, values), "status": status, "errors": there.errors or []}
            except Needed as needed:
                missing |= needed.digests
        if missing:
            raise Needed(missing)
    if "inputs" in reader.roots:
        scope["inputs"] = whole(state.inputs, values)
    if "run" in reader.roots:
        scope["run"] = {
            "id": state.run_id,
            "workflow": state.workflow.name,
            "version": state.version,
            "mode": state.mode,
            "actor": state.actor,
            "group": state.group,
            "started_at": state.started_at,
        }
    return scope


def evaluate(
    reader: Expression | Template, state: RunState, values: Mapping[str, Any], this: tuple[str, Any] | None = None
) -> Any:
    if not reader.roots:
        return reader.evaluate({})
    return reader.evaluate(scope_of(reader, state, values, this))
