"""A crew: agents who do tasks, one after the other, each told what came of the ones before.

A task is one conversation with one agent, so the crew is a loop round the kind `agent`: what is kept, spent, limited and
refused in a conversation is what it is there. The crew adds the names (see `crew_step`), what each agent is told, what the
answers must be (see `crew_guard`), and the handing on of work, which is a tool whose call is another conversation.

Tasks never go on side by side, also where they could: then two calls of one step would be in flight when a process dies, and
both would be made again.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from ..errors import PenstockError
from ..models.port import ToolSpec
from ..ports import Done, StepContext
from .agent import Agent, AgentConfig
from .agent_tools import Own
from .crew_config import CrewConfig, Member, Task
from .crew_guard import Guard, as_text, plain
from .crew_step import Part, Story
from .function import Function

MANAGER = "manager"
HAND_ON = "delegate_work"
BOSS = Member.model_validate(
    {
        "role": "the manager of a crew",
        "goal": "Have each task done as well as the crew can do it.",
        "backstory": "You know what the others are good at. You hand work to them, telling each all it needs to know, since "
        "they see nothing of this conversation; you look at what they bring, and you answer for the result.",
    }
)


class Crew:
    """Agents who do tasks, one after the other, each told what came of the ones before. The output is {text, tasks}, or {value,
    tasks} where the last task declares an output schema. `tasks` holds the output of each by its name: a value of its schema, or
    text.

    Raises what `agent` raises, and StepFailed, never retried: `crew.guardrail` when a result does not pass after all repairs,
    `crew.bad_guardrail` when a function answers what cannot be understood.
    """

    name: ClassVar[str] = "crew"
    Config: ClassVar[type[BaseModel]] = CrewConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, agent: Agent, functions: Function) -> None:
        self._agent, self._functions = agent, functions

    @staticmethod
    def gives(config: Mapping[str, Any]) -> Any:
        """The JSON Schema of the output of a crew with this `with`, as written; True where it is not known."""
        tasks = config.get("tasks")
        if not isinstance(tasks, list) or not tasks or not all(isinstance(one, dict) for one in tasks):
            return True
        of = {one.get("name"): {"type": "string"} if one.get("output") is None else one["output"] for one in tasks}
        last = "text" if tasks[-1].get("output") is None else "value"
        outputs = {"type": "object", "properties": of}
        return {"type": "object", "properties": {last: of[tasks[-1].get("name")], "tasks": outputs}}

    async def run(self, step: StepContext, config: CrewConfig) -> Done:
        return Done(await _Crew(self._agent, self._functions, step, config).work())


class _Crew:
    """One crew at its work."""

    def __init__(self, agent: Agent, functions: Function, step: StepContext, config: CrewConfig) -> None:
        self._agent, self._functions, self._step, self._config = agent, functions, step, config
        self._story = Story(step)
        self._outputs: dict[str, Any] = {}
        self._texts: dict[str, str] = {}

    async def work(self) -> dict[str, Any]:
        for task in self._config.tasks:
            answer = await self._do(task)
            self._outputs[task.name], self._texts[task.name] = plain(answer, task), as_text(answer, task)
            if task.file is not None:
                mime = mimetypes.guess_type(task.file)[0] or "text/plain"
                await self._step.save(task.file, self._texts[task.name].encode(), mime)
        self._story.write()
        last = self._config.tasks[-1]
        key = "text" if last.output is None else "value"
        return {key: self._outputs[last.name], "tasks": self._outputs}

    async def _do(self, task: Task) -> Any:
        managed = self._config.process == "hierarchical"
        name = MANAGER if managed or task.agent is None else task.agent
        member = (self._config.manager or BOSS) if managed else self._config.agents[name]
        part = Part(self._step, f"task:{task.name}", task.name, name, self._story)
        others = [task.agent] if managed and task.agent else [one for one in self._config.agents if one != name]
        own = [self._handing_on(part, others)] if (managed or member.delegates) and others else []
        asked = AgentConfig(
            **self._about(member),
            **self._who(member),
            tools=member.tools if task.tools is None else task.tools,
            instructions=self._told(task, others if managed else []),
            output=task.output,
            max_turns=task.max_turns or member.max_turns,
            repairs=self._config.repairs,
            script=task.script or member.script,
        )
        guard = Guard(self._agent, self._functions, part, task, self._about(member))
        check = guard.check if task.guardrail or task.review else None
        return await self._talk(part, asked, check, own)

    async def _talk(self, part: Part, asked: AgentConfig, check: Any, own: list[Own]) -> Any:
        part.moved("started")
        try:
            answer = await self._agent.answer(part, asked, check, own)  # type: ignore[arg-type] - a step, as far as it is asked
        except PenstockError:
            part.moved("failed")
            self._story.write()
            raise
        part.moved("completed")
        return answer

    # --------------------------------------------------------------------------------------------- what agents are told

    def _about(self, member: Member) -> dict[str, Any]:
        """How the member's model is asked. An address and its key belong together, so the crew's are taken together."""
        own_place = member.base_url is not None or member.api_key_secret is not None
        place = member if own_place else self._config
        return {
            "model": member.model or self._config.model,
            "base_url": place.base_url,
            "api_key_secret": place.api_key_secret,
            "request_seconds": member.request_seconds,
        }

    @staticmethod
    def _who(member: Member) -> dict[str, Any]:
        names = ("role", "goal", "backstory", "temperature", "max_tokens", "tool_seconds")
        return {name: getattr(member, name) for name in names}

    def _told(self, task: Task, members: list[str]) -> str:
        parts = [task.description.strip()]
        if task.expected_output:
            parts.append(f"What the result should be: {task.expected_output.strip()}")
        if task.markdown:
            parts.append("Write the result in Markdown.")
        if members:
            lines = [f"- {name}: {self._config.agents[name].role}" for name in members]
            parts.append("Who can be handed work:\n" + "\n".join(lines))
        given = [name for name in self._texts if task.context is None or name in task.context]
        if given:
            parts.append("What came of earlier tasks:")
            parts += [f"## {name}\n\n{self._texts[name]}" for name in given]
        return "\n\n".join(parts)

    # ------------------------------------------------------------------------------------------------- handing work on

    def _handing_on(self, part: Part, others: list[str]) -> Own:
        """The tool by which `part` hands work to one of `others`. What is handed on is not handed on again."""
        parameters = {
            "type": "object",
            "required": ["coworker", "task"],
            "properties": {
                "coworker": {"enum": others, "description": "Who is to do it."},
                "task": {"type": "string", "description": "What is to be done, and what the result should be."},
                "context": {"type": "string", "description": "Everything that must be known to do it."},
            },
            "additionalProperties": False,
        }
        about = "Hand work to somebody in the crew, or ask them something. They know only what is written here."

        async def call(step: StepContext, arguments: dict[str, Any]) -> str:
            return await self._hand_on(part, step, **arguments)

        return Own(ToolSpec(HAND_ON, about, parameters), call)

    async def _hand_on(self, part: Part, step: StepContext, coworker: str, task: str, context: str = "") -> str:
        name = step.key.removeprefix(part.key + ":")
        if part.before(name, HAND_ON) >= self._config.max_delegations:
            return f"work was handed on {self._config.max_delegations} times, which is all there is: answer with what you have"
        member = self._config.agents[coworker]
        inner = Part(step, "", f"{part.task}/{name}", coworker, self._story, part.task)
        instructions = f"{task}\n\nWhat you need to know:\n{context}" if context.strip() else task
        asked = AgentConfig(
            **self._about(member),
            **self._who(member),
            tools=member.tools,
            instructions=instructions,
            max_turns=member.max_turns,
            script=member.script,
        )
        answer = await self._talk(inner, asked, None, [])
        self._story.write()  # before this call is kept as a whole, and never made again
        return answer["text"]
