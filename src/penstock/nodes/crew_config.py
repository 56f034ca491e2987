"""What a crew is: who is in it, what there is to do, and in which way.

The words are those of CrewAI, so that its documents are read without loss: agents with a role, a goal and a backstory; tasks
with a description and an expected output; a process that is sequential, or hierarchical with a manager who hands work on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ..engine.expr import ExpressionError, compile_expression
from .agent_tools import ToolChoice

READS = frozenset({"output", "text"})  # what the condition of a guardrail may read
NAME = r"^[A-Za-z0-9_-]{1,64}$"
Name = Annotated[str, Field(pattern=NAME)]


class Member(BaseModel):
    """An agent of a crew."""

    model_config = ConfigDict(extra="forbid")

    role: str = Field(min_length=1, description="Who it is.")
    goal: str | None = Field(None, description="What it is after.")
    backstory: str | None = Field(None, description="What it knows and how it works.")
    model: str | None = Field(None, description="provider:name; the crew's by default.")
    tools: list[ToolChoice] = Field([], description="What it may use.")
    delegates: bool = Field(False, description="Whether it may hand work to the others.")
    max_turns: int = Field(25, ge=1, le=200, description="How often its model may be asked in one task.")
    temperature: float | None = Field(None, ge=0, le=2, description="How freely it chooses its words.")
    max_tokens: int | None = Field(None, ge=1, le=10_000_000, description="The longest answer to one request.")
    request_seconds: float = Field(120.0, gt=0, le=86_400, description="How long one request may take.")
    tool_seconds: float | None = Field(120.0, gt=0, le=86_400, description="How long one tool call may take.")
    api_key_secret: str | None = Field(None, description="The secret that holds the key; the crew's by default.")
    base_url: str | None = Field(
        None, pattern=r"^https?://[^\s/]", description="Another address; the crew's by default."
    )
    script: list[Any] | None = Field(None, description="What a `scripted:` model says for it, turn by turn.")


class Guardrail(BaseModel):
    """What an answer must be besides fitting its schema. An answer that is not is told to the agent, which puts it right."""

    model_config = ConfigDict(extra="forbid")

    check: str | None = Field(
        None, description="A condition over `output` and `text`, in CEL without ${{ }}, that is true of a good answer."
    )
    judge: str | None = Field(None, description="What a good answer is, in words; the agent's model judges.")
    function: str | None = Field(
        None,
        description="A registered function of {task, output, text}: true, or what is wrong as text, or [false, what is wrong].",
    )
    message: str | None = Field(None, description="What the agent is told; by default what was found.")
    repairs: int = Field(3, ge=0, le=20, description="How often the agent may put its answer right.")

    @model_validator(mode="after")
    def _one(self) -> Guardrail:
        if sum(one is not None for one in (self.check, self.judge, self.function)) != 1:
            raise ValueError("a guardrail is one of check, judge and function")
        if self.check is not None:
            try:
                compile_expression(self.check, "", READS)
            except ExpressionError as error:
                raise ValueError(error.message) from None
        return self


def _guardrails(value: Any) -> Any:
    """A condition alone stands for a guardrail, and one guardrail for a list of one."""
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    return [{"check": one} if isinstance(one, str) else one for one in given]


def _file(value: str | None) -> str | None:
    """Said before anything is paid for; what an expression gives is looked at when it is known."""
    parts = value.split("/") if value is not None and "${{" not in value else ["x"]
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("an artifact has a plain relative name, such as report.md")
    return value


class Task(BaseModel):
    """Something for a crew to do."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Its name; its output is `tasks.NAME` of the crew's.")
    description: str = Field(min_length=1, description="What is to be done.")
    expected_output: str | None = Field(None, description="What the result should be.")
    agent: Name | None = Field(
        None, description="Who does it. A manager hands it to this one alone; without it, to whom it likes."
    )
    context: list[Name] | None = Field(
        None, description="Earlier tasks whose outputs it is given: all of them by default, none with []."
    )
    tools: list[ToolChoice] | None = Field(None, description="What may be used for it, instead of the agent's tools.")
    output: Any = Field(None, description="A JSON Schema of the result; any text by default.")
    guardrail: Annotated[list[Guardrail], BeforeValidator(_guardrails, str | Guardrail | list[str | Guardrail])] = (
        Field([], description="What the result must be: a condition, a guardrail, or a list of them.")
    )
    review: bool = Field(
        False, description="Whether a person looks at the result, and may send it back with a comment."
    )
    markdown: bool = Field(False, description="Whether the result is to be Markdown.")
    file: Annotated[str | None, AfterValidator(_file)] = Field(
        None, description="An artifact that the result is written to, such as report.md."
    )
    max_turns: int | None = Field(
        None, ge=1, le=200, description="How often the model may be asked; by default the agent's."
    )
    script: list[Any] | None = Field(None, description="What a `scripted:` model says in it, turn by turn.")


class CrewConfig(BaseModel):
    """`with` of a crew step: agents, tasks, and the process."""

    model_config = ConfigDict(extra="forbid")

    process: Literal["sequential", "hierarchical"] = Field(
        "sequential", description="Each task by its agent, or all by a manager who hands them on."
    )
    agents: dict[Name, Member] = Field(min_length=1, max_length=100, description="Who is in it, by name.")
    tasks: list[Task] = Field(min_length=1, max_length=200, description="What there is to do, in this order.")
    manager: Member | None = Field(None, description="With `hierarchical`: the manager; one of ours by default.")
    max_delegations: int = Field(10, ge=1, le=200, description="How often work may be handed on in one task.")
    model: str | None = Field(
        None, description="provider:name of agents that name none; the installation's by default."
    )
    api_key_secret: str | None = Field(None, description="The secret that holds the key; the provider's by default.")
    base_url: str | None = Field(None, pattern=r"^https?://[^\s/]", description="Another address of the provider.")
    repairs: int = Field(
        2, ge=0, le=20, description="How often an answer that does not fit its schema may be put right."
    )

    @model_validator(mode="after")
    def _bound(self) -> CrewConfig:
        earlier: list[str] = []
        for task in self.tasks:
            if task.name in earlier:
                raise ValueError(f"there are two tasks {task.name!r}")
            if task.agent is not None and task.agent not in self.agents:
                raise ValueError(f"task {task.name!r}: there is no agent {task.agent!r} in the crew")
            if task.agent is None and self.process == "sequential":
                raise ValueError(f"task {task.name!r} has no agent, which only a hierarchical process allows")
            for name in task.context or ():
                if name not in earlier:
                    raise ValueError(f"task {task.name!r}: no task {name!r} comes before it")
            earlier.append(task.name)
        if self.manager is not None and self.process == "sequential":
            raise ValueError("a manager is for the hierarchical process")
        return self
