"""The tools of an agent: of MCP servers and of the host process, under names a model can use.

What a model can put right is told to it: a tool it made up, arguments that do not fit, a tool's own error. What it cannot
put right ends the step: a server that is gone, a call that does not come back, a result too large for any conversation.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..engine.workflow import Workflow
from ..errors import Invalid, NotFound, StepFailed, TimedOut, TooLarge
from ..models.port import FINAL, Call, Result, ToolSpec
from ..ports import Done, StepContext, Wait
from ..tools.registry import Servers
from ..tools.routing import Wanted
from .agent_answer import Shape
from .function import Function, FunctionConfig, lookup
from .tool_route import Router

Published = Callable[[str, str, int], Awaitable[tuple[int, Workflow]]]  # group, slug, number (0: the newest)

NAME = 64  # characters a name may have for every provider
DESCRIPTION = 1_024


class ToolChoice(BaseModel):
    """One thing an agent may use: a function of the host process, another workflow, or a tool of an MCP server."""

    model_config = ConfigDict(extra="forbid")

    server: str | None = Field(None, description="An MCP server by name; all its tools, unless `tool` names one.")
    tool: str | None = Field(None, description="A tool by name.")
    capabilities: list[str] = Field([], description="What the server must offer; the first one names the tool.")
    function: str | None = Field(None, description="A registered Python function.")
    workflow: str | None = Field(None, description="A published workflow by its slug; its inputs are the arguments.")
    version: int | None = Field(None, ge=1, description="Which version of the workflow; the newest by default.")
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The name the model sees.")
    description: str | None = Field(None, description="What the model is told about it.")
    parameters: dict[str, Any] | None = Field(None, description="A function's arguments, as a JSON Schema.")
    touches: list[Literal["private", "untrusted", "sends"]] = Field(
        [], description="What a function does: reads private data, sees untrusted text, sends something out."
    )

    @model_validator(mode="after")
    def _one(self) -> ToolChoice:
        of_server = bool(self.server or self.tool or self.capabilities)
        if (self.function is not None) + (self.workflow is not None) + of_server != 1:
            raise ValueError("name either a function, or a workflow, or a server, a tool or capabilities")
        if self.version is not None and self.workflow is None:
            raise ValueError("version is for workflows")
        if self.parameters is not None and self.function is None:
            raise ValueError("parameters are for functions; a server's tool has its own")
        if self.touches and self.function is None:
            raise ValueError("touches is for functions; what a server's tools do stands with the server")
        return self


@dataclass(frozen=True, slots=True)
class Own:
    """A tool of the kind that asks the agent. `call` is given the step as this call sees it, and arguments that fit."""

    spec: ToolSpec
    call: Callable[[StepContext, dict[str, Any]], Awaitable[Any]]


@dataclass(slots=True)
class _Tool:
    spec: ToolSpec
    call: Callable[[StepContext, dict[str, Any]], Awaitable[Any]]
    shape: Shape | None = None
    about: dict[str, Any] = field(default_factory=dict)
    touches: frozenset[str] = frozenset()


class Toolbox:
    """An agent's tools by the names its model knows. `seconds` limits a call (None: the server's own limit, and for
    functions none), `longest` is how many characters of a result fit in a conversation."""

    def __init__(
        self,
        servers: Servers,
        functions: Function,
        seconds: float | None,
        longest: int,
        published: Published | None = None,
    ) -> None:
        self._servers, self._functions, self._published = servers, functions, published
        self._seconds, self._longest = seconds, longest
        self._tools: dict[str, _Tool] = {}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self._tools.values())

    async def fill(self, step: StepContext, choices: list[ToolChoice]) -> None:
        """Find the tools. What servers say of theirs is kept, so that a step that goes on after a crash needs no server for
        what was asked already. Raises NotFound `tool.no_server`, `tool.unknown`; Invalid `function.unknown`,
        `agent.bad_tool`; Unavailable."""
        remote = [choice for choice in choices if choice.function is None and choice.workflow is None]
        listed = await step.once("tools", lambda: self._list(step.group, remote)) if remote else []
        for choice in choices:
            if choice.function is not None:
                self._add_function(choice, choice.function)
            elif choice.workflow is not None:
                await self._add_workflow(step, choice, choice.workflow)
        for found in listed:
            spec = ToolSpec(self._free(found["name"], found["server"]), found["description"], found["parameters"])
            about = {"tool": found["tool"], "server": found["server"]}
            call = self._remote(found["server"], found["tool"], found.get("wanted"))
            touches = self._servers.manifest(found["server"], found["tool"], step.group)
            self._tools[spec.name] = _Tool(spec, call, None, about, touches)

    async def _list(self, group: str, choices: list[ToolChoice]) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        await self._servers.fresh(group)
        for choice in choices:
            wanted = None
            if choice.server and not choice.tool and not choice.capabilities:
                server = self._servers.config(choice.server, group).name
                tools = await self._servers.tools(server, group)
            else:
                found, name = await self._servers.resolve(choice.capabilities, choice.server, choice.tool, group=group)
                server, tools = found.name, [await self._servers.tool(found.name, name, group)]
                if choice.server is None:
                    wanted = {"capabilities": choice.capabilities, "tool": choice.tool}
            for tool in tools:
                known = {"server": server, "tool": tool.name}
                if not any(known.items() <= other.items() for other in out):
                    described = choice.description or tool.description or tool.title
                    shown = {"name": choice.name or tool.name, "description": described[:DESCRIPTION]}
                    out.append({**known, **shown, "parameters": tool.input_schema, "wanted": wanted})
        return out

    def _add_function(self, choice: ToolChoice, function: str) -> None:
        entry = lookup(function)
        described = choice.description or inspect.getdoc(entry.call) or function
        parameters = choice.parameters or {"type": "object"}
        if parameters.get("type") != "object":
            message = f"the parameters of {function!r} have to be the JSON Schema of an object"
            raise Invalid(message, code="agent.bad_tool")
        spec = ToolSpec(self._free(choice.name or function, "function"), described[:DESCRIPTION], parameters)

        async def run(step: StepContext, arguments: dict[str, Any]) -> Any:
            asked = FunctionConfig(function=function, input=arguments)
            try:
                async with asyncio.timeout(self._seconds):
                    result = await self._functions.run(step, asked)
            except TimeoutError:
                message = f"the function {function!r} did not return within {self._seconds:g} s"
                raise TimedOut(message, code="tool.timeout") from None
            if isinstance(result, Wait):
                message = f"the function {function!r} wants to wait, which a tool cannot"
                raise StepFailed(message, code="agent.tool_waits", retryable=False)
            return result.output if isinstance(result, Done) else result

        shape = Shape(parameters, "agent.bad_tool", "/tools")
        about = {"tool": function, "function": function}
        self._tools[spec.name] = _Tool(spec, run, shape, about, frozenset(choice.touches))

    def about(self, name: str) -> tuple[dict[str, Any], frozenset[str]]:
        """What policies are told of a tool that the model calls by `name`: {tool, server or function}, and what it touches."""
        tool = self._tools.get(name)
        return ({"tool": name}, frozenset()) if tool is None else ({"tool": name, **tool.about}, tool.touches)

    def add(self, tool: Own) -> None:
        spec = ToolSpec(self._free(tool.spec.name, "crew"), tool.spec.description, tool.spec.parameters)
        self._tools[spec.name] = _Tool(spec, tool.call, Shape(spec.parameters, "agent.bad_tool", "/tools"))

    async def _add_workflow(self, step: StepContext, choice: ToolChoice, slug: str) -> None:
        """A workflow as a tool: a call is a run of it, whose outputs are the answer. The step waits for it as for any other run,
        so that both go on after a crash."""

        async def look_up() -> dict[str, Any]:
            if self._published is None:
                raise Invalid("workflows are no tools here: this process does not know them", code="agent.bad_tool")
            number, workflow = await self._published(step.group, slug, choice.version or 0)
            described = workflow.description or workflow.title or slug
            return {"version": number, "description": described, "parameters": workflow.inputs}

        found = await step.once(f"workflow:{slug}", look_up)
        described = (choice.description or found["description"])[:DESCRIPTION]
        spec = ToolSpec(self._free(choice.name or slug, "workflow"), described, found["parameters"])

        async def run(step: StepContext, arguments: dict[str, Any]) -> Any:
            child = {"workflow": slug, "version": found["version"], "inputs": arguments}
            ended = await step.wait_for("run", Wait(child=child))
            if ended["status"] != "completed":
                why = (ended["error"] or {}).get("message", ended["status"])
                raise StepFailed(f"run {ended['run']} {ended['status']}: {why}", code="subflow.failed")
            return ended["outputs"]

        about = {"tool": slug, "workflow": slug}
        self._tools[spec.name] = _Tool(spec, run, Shape(found["parameters"], "agent.bad_tool", "/tools"), about)

    def _remote(
        self, server: str, tool: str, wanted: dict[str, Any] | None
    ) -> Callable[[StepContext, dict[str, Any]], Awaitable[Any]]:
        """A tool of a server by name; or, where anything that fits is `wanted`, each call at the server that is best then."""

        async def run(step: StepContext, arguments: dict[str, Any]) -> Any:
            asked = Wanted((), tool, server)
            if wanted is not None:
                asked = Wanted(tuple(wanted["capabilities"]), wanted["tool"], patience=min(60.0, self._seconds or 60.0))
            router = Router(self._servers, step, asked)

            async def make(server: str, tool: str, insist: bool) -> Any:
                return await self._servers.call(
                    server,
                    tool,
                    arguments,
                    self._seconds,
                    key=step.key,
                    group=step.group,
                    met=router.met,
                    insist=insist,
                )

            if wanted is None:
                return await make(server, tool, True)
            return await router.follow(lambda route: make(route.server, route.tool, route.alone))

        return run

    def _free(self, name: str, owner: str) -> str:
        """A name every provider takes, and no other tool has."""
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:NAME] or "tool"
        if plain in self._tools or plain == FINAL:
            plain = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{owner}_{name}")[:NAME]
        stem, number = plain, 2
        while plain in self._tools or plain == FINAL:
            plain, number = f"{stem[: NAME - 3]}_{number}", number + 1
        return plain

    async def call(self, step: StepContext, call: Call) -> Result:
        """What came of a call. Raises what the model cannot put right."""
        tool = self._tools.get(call.name)
        if tool is None:
            there = ", ".join(self._tools) or "none"
            return Result(call.id, call.name, f"there is no tool {call.name!r}; there are: {there}", failed=True)
        if call.arguments is None:
            return Result(call.id, call.name, "the arguments are not a JSON object", failed=True)
        if tool.shape is not None and (problems := tool.shape.problems(call.arguments)):
            return Result(call.id, call.name, "the arguments do not fit: " + "; ".join(problems), failed=True)
        try:
            text = _text(await tool.call(step, call.arguments))
        except (Invalid, NotFound, StepFailed) as error:
            return Result(call.id, call.name, error.message[: self._longest], failed=True)
        if len(text) > self._longest:
            message = f"{call.name} answered with {len(text)} characters; at most {self._longest} fit in a conversation"
            raise TooLarge(message, code="tool.result_too_large")
        return Result(call.id, call.name, text)


def _text(result: Any) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, dict) and result.keys() == {"text"} and isinstance(result["text"], str):
        return result["text"]
    return orjson.dumps(result).decode()


class Within:
    """A step as one of its calls sees it: what the call keeps for itself stands under a name of its own, and its idempotency
    key is its own too. Everything else is the step's."""

    def __init__(self, step: StepContext, name: str) -> None:
        self._step, self._name = step, name
        self.key = f"{step.key}:{name}"

    async def once(self, key: str, call: Callable[[], Awaitable[Any]]) -> Any:
        return await self._step.once(f"{self._name}/{key}", call)

    async def wait_for(self, key: str, wait: Wait) -> Any:
        return await self._step.wait_for(f"{self._name}/{key}", wait)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)
