"""What an answer must be besides fitting its schema: conditions, functions, a judge, and a person who looks at it.

Each is asked in turn about each answer, and what it finds goes back to the agent. What costs something or may change its mind
is kept, under the number of the answer and the place of the guardrail, so that a step that goes on after a crash hears the same.
"""

from __future__ import annotations

from typing import Any

import orjson

from ..engine.expr import compile_expression
from ..errors import StepFailed
from ..ports import Done, Wait
from .agent import Agent, AgentConfig
from .agent_tools import Within
from .crew_config import READS, Guardrail, Task
from .crew_step import Part
from .function import Function, FunctionConfig

SHOWN = 16_000  # characters of an answer that a person is shown
REVIEWS = 20  # answers to one task that a person may send back
VERDICT = {
    "type": "object",
    "required": ["ok"],
    "properties": {"ok": {"type": "boolean"}, "why": {"type": "string"}},
    "additionalProperties": False,
}


class Guard:
    """The guardrails of one task. `about` is how the agent's model is asked, for those that a model judges."""

    def __init__(self, agent: Agent, functions: Function, part: Part, task: Task, about: dict[str, Any]) -> None:
        self._agent, self._functions, self._part, self._task, self._about = agent, functions, part, task, about
        self._answers = 0
        self._complaints = [0] * len(task.guardrail)

    async def check(self, answer: Any) -> list[str]:
        """What is wrong with an answer, [] when nothing is. Raises StepFailed `crew.guardrail` when it was put right as often as
        the guardrail allows; what functions and models raise."""
        self._answers += 1
        output, text = plain(answer, self._task), as_text(answer, self._task)
        for place, guardrail in enumerate(self._task.guardrail):
            wrong = await self._ask(guardrail, f"guardrail:{self._answers}.{place + 1}", output, text)
            if wrong is None:
                continue
            wrong = guardrail.message or wrong
            if self._complaints[place] >= guardrail.repairs:
                message = f"task {self._task.name}: the result is not right after {guardrail.repairs} repairs: {wrong}"
                raise StepFailed(message, code="crew.guardrail", retryable=False, detail={"task": self._task.name})
            self._complaints[place] += 1
            await self._part.note(f"guardrail: {wrong}")
            return [wrong]
        return await self._review(text) if self._task.review else []

    async def _ask(self, guardrail: Guardrail, key: str, output: Any, text: str) -> str | None:
        if guardrail.check is not None:
            condition = compile_expression(guardrail.check, "", READS)
            return (
                None if condition.test({"output": output, "text": text}) else f"it is not true that {guardrail.check}"
            )
        if guardrail.function is not None:
            return await self._part.once(key, lambda: self._call(guardrail, output, text))
        asked = AgentConfig(
            **self._about,
            role="a reviewer who judges whether a result is what was asked for",
            instructions=f"What was asked for:\n{self._task.description}\n\nIt must be so: {guardrail.judge}\n\n"
            f"The result:\n{text}\n\nIs it? If not, say what must be changed.",
            output=VERDICT,
        )
        verdict = await self._agent.answer(Within(self._part, key), asked)  # type: ignore[arg-type] - a step, as far as it is asked
        return None if verdict["ok"] else verdict.get("why") or f"it is not so: {guardrail.judge}"

    async def _call(self, guardrail: Guardrail, output: Any, text: str) -> str | None:
        given = {"task": self._task.name, "output": output, "text": text}
        result = await self._functions.run(self._part, FunctionConfig(function=str(guardrail.function), input=given))  # type: ignore[arg-type]
        if isinstance(result, Done):
            result = result.output
        if isinstance(result, list | tuple) and len(result) == 2 and isinstance(result[0], bool):
            result = True if result[0] else str(result[1])
        if result is None or result is True:
            return None
        if result is False or isinstance(result, str):
            return result or f"{guardrail.function} does not accept it"
        message = f"the guardrail {guardrail.function!r} returns true, false, a text, or [bool, text]"
        raise StepFailed(message, code="crew.bad_guardrail", retryable=False)

    async def _review(self, text: str) -> list[str]:
        """A person's word on the answer. Sent back too often, the task fails."""
        ask = {
            "title": f"Is this right? {self._task.name}"[:200],
            "message": text if len(text) <= SHOWN else text[:SHOWN] + " …",
            "choices": ["approve", "revise"],
            "comment": "optional",
            "on_timeout": "fail",
        }
        answer = await self._part.wait_for(f"review:{self._answers}", Wait(ask=ask))
        if answer["decision"] == "approve":
            return []
        if self._answers > REVIEWS:
            message = f"task {self._task.name}: a person sent the result back {REVIEWS} times"
            raise StepFailed(message, code="crew.guardrail", retryable=False, detail={"task": self._task.name})
        return [answer.get("comment") or "a person is not content with it"]


def plain(answer: Any, task: Task) -> Any:
    """An agent's answer as the output of a task: a value of its schema, or text."""
    return answer if task.output is not None else answer["text"]


def as_text(answer: Any, task: Task) -> str:
    """An agent's answer as others are told of it."""
    value = plain(answer, task)
    if isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
