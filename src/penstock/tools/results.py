"""What goes into a tool and what comes out, checked against the tool's own schemas."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

from ..errors import Invalid, Problem, StepFailed

_SHOWN = 20  # problems
_LONG = 64 << 10  # characters of a result from which its check leaves the event loop


class Checker:
    """One compiled JSON Schema. One that is itself wrong checks nothing: that is the server's fault, not the call's."""

    def __init__(self, schema: dict[str, Any]) -> None:
        from jsonschema import SchemaError  # noqa: PLC0415  (imported by the first call)
        from jsonschema.validators import validator_for  # noqa: PLC0415
        from referencing import Registry  # noqa: PLC0415

        kind = validator_for(schema)
        try:
            kind.check_schema(schema)
            self._validator = kind(schema, registry=Registry())  # nothing is fetched to resolve a $ref
        except SchemaError:
            self._validator = None

    def _problems(self, value: Any, base: str) -> list[Problem]:
        if self._validator is None:
            return []
        from referencing.exceptions import Unresolvable  # noqa: PLC0415

        found: list[Problem] = []
        try:
            for error in self._validator.iter_errors(value):
                place = base + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.path)
                found.append(Problem("tool.schema", error.message[:300], place))
                if len(found) == _SHOWN:
                    break
        except Unresolvable:
            return []
        return found

    def arguments(self, arguments: dict[str, Any], where: str) -> None:
        """Raises Invalid `tool.bad_arguments`, naming each place that does not fit."""
        problems = self._problems(arguments, "/arguments")
        if problems:
            first = problems[0]
            message = f"{where} cannot take these arguments: {first.message} (at {first.pointer})"
            raise Invalid(message, code="tool.bad_arguments", problems=problems)

    async def result(self, result: Any, where: str) -> None:
        """Raises StepFailed `tool.bad_result` when a tool breaks its own promise."""
        if len(json.dumps(result)) > _LONG:
            problems = await asyncio.to_thread(self._problems, result, "")
        else:
            problems = self._problems(result, "")
        if problems:
            first = problems[0]
            message = f"{where} answered against its own schema: {first.message} (at {first.pointer or '/'})"
            raise StepFailed(message, code="tool.bad_result", retryable=False, detail=first.to_dict())


@functools.cache
def answer_adapter() -> Any:
    """Reads the answer to a call, which is either a result or a question to the user."""
    from typing import Annotated  # noqa: PLC0415

    import mcp_types as types  # noqa: PLC0415
    from pydantic import Discriminator, Tag, TypeAdapter  # noqa: PLC0415

    def which(value: Any) -> str:
        kind = value.get("resultType") if isinstance(value, dict) else getattr(value, "result_type", None)
        return "question" if kind == "input_required" else "result"

    return TypeAdapter[Any](
        Annotated[
            Annotated[types.CallToolResult, Tag("result")] | Annotated[types.InputRequiredResult, Tag("question")],
            Discriminator(which),
        ]
    )


def plain_result(answer: Any, where: str, structured: bool) -> Any:
    """A call's result as JSON: the structured content; else, where the tool has an output schema, its text read as
    JSON; else {"text", "content"?}, `content` holding the blocks that are no text. Raises StepFailed `tool.error` for an
    error result, `tool.needs_input` for a question.
    """
    if not hasattr(answer, "is_error"):
        message = f"{where} asks for input before it goes on, which a workflow step cannot give"
        raise StepFailed(message, code="tool.needs_input", retryable=False)
    text = "\n".join(block.text for block in answer.content if block.type == "text")
    if answer.is_error:
        named = (answer.meta or {}).get("penstock/code")
        detail: dict[str, Any] = {"tool_code": named} if isinstance(named, str) else {}
        if answer.structured_content is not None:
            detail["result"] = answer.structured_content
        message = f"{where}: {text[:4000] or 'the tool failed and did not say why'}"
        raise StepFailed(message, code="tool.error", retryable=False, detail=detail or None)
    if answer.structured_content is not None:
        return answer.structured_content
    if structured:
        try:
            return json.loads(text)
        except ValueError as error:
            message = f"{where} promises a structured result and answered with text that is no JSON"
            raise StepFailed(message, code="tool.bad_result", retryable=False) from error
    others = [b.model_dump(mode="json", by_alias=True, exclude_none=True) for b in answer.content if b.type != "text"]
    return {"text": text, "content": others} if others else {"text": text}
