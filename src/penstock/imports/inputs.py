"""What a run is started with, against the input schema of its workflow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..engine.expr import escape
from ..engine.fields import named
from ..engine.tokens import INT_MAX, INT_MIN, suggestion
from ..engine.workflow import Workflow, input_defaults
from ..errors import Problem
from .schemas import errors

MAX_DEPTH = 64
RESERVED = "$spilled"
_COMPOSED = ("allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas")


def validate_inputs(workflow: Workflow, inputs: Any) -> tuple[dict[str, Any], list[Problem]]:
    """The inputs with defaults filled in, and what is wrong with them (pointers into the inputs; [] when they are right).

    Codes: inputs.type, unknown, missing, invalid, reserved_key, too_deep; and schema.* where the schema itself fails.
    """
    if not isinstance(inputs, dict):
        return {}, [Problem("inputs.type", f"inputs must be a mapping, not {named(inputs)}")]
    if problem := _unfit(inputs):
        return inputs, [problem]
    schema = workflow.inputs
    filled = input_defaults(schema, inputs)
    problems: list[Problem] = []
    whole: dict[str, Any] = {**schema, "schemas": workflow.schemas}
    whole.pop("$id", None)
    if "additionalProperties" not in schema and "unevaluatedProperties" not in schema:
        if schema.keys() & set(_COMPOSED):
            whole["unevaluatedProperties"] = False
        else:
            problems.extend(_unknown(schema.get("properties", {}), filled))
    for found in errors(whole, filled):
        code = found.code.replace("value.", "inputs.")
        name = found.pointer[1:].replace("/", ".") if found.code != "value.missing" else ""
        message = f"{name}: {found.message}" if name else found.message
        problems.append(Problem(code, message, found.pointer, found.hint))
    return filled, problems


def _unknown(known: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[Problem]:
    out = []
    for name in inputs:
        if name not in known:
            names = ", ".join(list(known)[:20])
            hint = suggestion(name, known) or (f"inputs are {names}" if known else "this workflow takes no inputs")
            message = f"there is no input {name[:80]!r}"
            out.append(Problem("inputs.unknown", message, f"/{escape(name)}", hint))
    return out


def _unfit(inputs: dict[str, Any]) -> Problem | None:
    """The first thing that no journal could hold: keys that are ours, values that are not JSON, nesting without end."""
    stack: list[tuple[Any, str, int]] = [(inputs, "", 1)]
    while stack:
        value, at, depth = stack.pop()
        if depth > MAX_DEPTH and isinstance(value, (dict, list)):
            return Problem("inputs.too_deep", f"inputs are nested over {MAX_DEPTH} levels", at)
        if isinstance(value, dict):
            for key, part in value.items():
                if not isinstance(key, str):
                    return Problem("inputs.type", f"keys are text, not {named(key)}", at)
                if key == RESERVED:
                    message = f"the key {RESERVED} is reserved for values kept elsewhere"
                    return Problem("inputs.reserved_key", message, f"{at}/{RESERVED}")
                if not _is_text(key):
                    return Problem("inputs.invalid", "a key holds half of a surrogate pair or a NUL character", at)
                stack.append((part, f"{at}/{escape(key)}", depth + 1))
        elif isinstance(value, list):
            stack.extend((part, f"{at}/{index}", depth + 1) for index, part in enumerate(value))
        elif isinstance(value, str):
            if not _is_text(value):
                return Problem("inputs.invalid", "the text holds half of a surrogate pair or a NUL character", at)
        elif isinstance(value, float):
            if not math.isfinite(value):
                return Problem("inputs.invalid", "a number must be finite", at)
        elif isinstance(value, int):
            if not INT_MIN <= value <= INT_MAX:
                return Problem("inputs.invalid", "a whole number must fit in 64 bits", at)
        elif value is not None:
            return Problem("inputs.type", f"{named(value)} is not a JSON value", at)
    return None


def _is_text(value: str) -> bool:
    if "\0" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
