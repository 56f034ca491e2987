"""The answer of an agent, held to the schema that was declared for it.

A model gives a structured answer by calling one more tool, whose arguments are the answer: every provider with tools can do
that. A model that writes the answer as JSON text instead is understood too. What does not fit is told to the model in its
own terms, so that it can put it right.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from ..errors import Invalid, Problem
from ..models.port import FINAL, Reply, ToolSpec

SHOWN = 5  # problems told at once
FENCE = re.compile(r"^```[a-z]*\n(.*)\n```$", re.DOTALL)


class Shape:
    """A JSON Schema (2020-12 unless it says otherwise), compiled. Raises Invalid with `code` when it is no schema."""

    def __init__(self, schema: Any, code: str, pointer: str) -> None:
        from jsonschema import SchemaError  # noqa: PLC0415 - only agents with a schema need it
        from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        self._code, self._pointer = code, pointer
        try:
            kind = validator_for(schema, default=Draft202012Validator)
            kind.check_schema(schema)
        except (SchemaError, TypeError) as error:
            raise self._wrong(str(getattr(error, "message", error))) from None
        self._validator = kind(schema, registry=Registry())  # nothing is fetched to resolve a $ref

    def _wrong(self, why: str) -> Invalid:
        message = f"this is no JSON Schema: {why[:300]}"
        return Invalid(message, code=self._code, problems=[Problem(self._code, message, self._pointer)])

    def problems(self, value: Any) -> list[str]:
        """What is wrong with `value`, each with its place; [] when it fits."""
        from referencing.exceptions import Unresolvable  # noqa: PLC0415

        found: list[str] = []
        try:
            for error in self._validator.iter_errors(value):
                place = "/".join(str(part) for part in error.absolute_path)
                found.append(f"{place}: {error.message[:300]}" if place else error.message[:300])
                if len(found) == SHOWN:
                    break
        except (Unresolvable, RecursionError) as error:
            raise self._wrong(str(error) or type(error).__name__) from None
        return found


class Answer:
    """What an agent has to answer: a value of `schema`, or any text when there is none."""

    def __init__(self, schema: Any) -> None:
        self.tool: ToolSpec | None = None
        if schema is None:
            return
        self._shape = Shape(schema, "agent.bad_schema", "/output")
        self._wrapped = not (isinstance(schema, dict) and schema.get("type") == "object")
        parameters = schema
        if self._wrapped:
            inner = dict(schema) if isinstance(schema, dict) else schema
            lifted = {
                key: inner.pop(key) for key in ("$defs", "definitions") if isinstance(inner, dict) and key in inner
            }
            parameters = {"type": "object", "properties": {"value": inner}, "required": ["value"], **lifted}
        self.tool = ToolSpec(FINAL, "Give the final answer.", parameters, self._wrapped)

    def read(self, reply: Reply) -> tuple[Any, list[str]]:
        """(answer, []) or (None, what is wrong with it) of a reply that means to be final."""
        call = next((call for call in reply.calls if call.name == FINAL), None)
        if call is not None:
            if call.arguments is None:
                return None, ["the arguments are not a JSON object"]
            if self._wrapped and call.arguments.keys() != {"value"}:
                return None, ["the answer has to stand under `value`, and nothing beside it"]
            value = call.arguments["value"] if self._wrapped else call.arguments
        else:
            text = reply.text.strip()
            fenced = FENCE.match(text)
            try:
                value = orjson.loads(fenced.group(1) if fenced else text)
            except orjson.JSONDecodeError:
                return None, [f"answer by calling the tool {FINAL}"]
        problems = self._shape.problems(value)
        return (None, problems) if problems else (value, [])
