"""An agent: a model that is asked, uses tools, is told what they answered, and is asked again until it gives its answer.

The loop is a fold over kept calls. Each request to the model is kept under its number (`model:3`), each tool call under its
place and the id the model gave it (`tool:3.1:call-1`), the moment it returns. After a crash or a retry the loop runs again
from its start over what was kept, makes no call twice, and goes on after the last one. Nothing else is remembered, and
nothing in the loop depends on time or chance.

Tools are called one after the other, so that at most one call is in flight when the process dies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..engine.events import BreakerMoved
from ..errors import PenstockError, Refused, StepFailed
from ..guardrails.guard import Guard
from ..models.port import FINAL, Asked, Call, Model, Reply, Request, Result, Results
from ..models.registry import Models
from ..ports import Done, StepContext
from ..tools.registry import Servers
from .agent_answer import Answer
from .agent_guard import Sent, look_over, shown_call
from .agent_rounds import Rounds
from .agent_spend import Reservation, estimate
from .agent_tools import Own, Published, Toolbox, ToolChoice, Within
from .function import Function

ID = 80  # characters of a call's id that go into its key
RESULT = 256 * 1024  # characters of a tool's result that fit in a conversation

Live = Callable[[dict[str, Any]], None]
Check = Callable[[Any], Awaitable[list[str]]]  # what is wrong with an answer that fits its schema; [] when nothing is


class AgentConfig(BaseModel):
    """`with` of an agent step: who is asked, what, with which tools, and what the answer must look like."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, description="provider:name, such as openai:gpt-5; the installation's by default.")
    role: str | None = Field(None, description="Who the model is to be.")
    goal: str | None = Field(None, description="What it is after.")
    backstory: str | None = Field(None, description="What it knows and how it works.")
    instructions: str = Field("", description="What it is to do now.")
    input: Any = Field(None, description="What it is to do it with; data is shown as JSON.")
    output: Any = Field(None, description="A JSON Schema of the answer; any text by default.")
    tools: list[ToolChoice] = Field([], description="What it may use.")
    max_turns: int = Field(10, ge=1, le=200, description="How often the model may be asked.")
    same_calls: int = Field(
        4, ge=0, le=20, description="How often the same tool call may be among the last 20; 0 for any number."
    )
    repairs: int = Field(2, ge=0, le=20, description="How often it may put an answer right that does not fit.")
    temperature: float | None = Field(None, ge=0, le=2, description="How freely it chooses its words.")
    max_tokens: int | None = Field(None, ge=1, le=10_000_000, description="The longest answer to one request.")
    request_seconds: float = Field(120.0, gt=0, le=86_400, description="How long one request may take.")
    tool_seconds: float | None = Field(120.0, gt=0, le=86_400, description="How long one tool call may take.")
    api_key_secret: str | None = Field(None, description="The secret that holds the key; the provider's by default.")
    base_url: str | None = Field(None, pattern=r"^https?://[^\s/]", description="Another address of the provider.")
    script: list[Any] | None = Field(None, description="What a `scripted:` model says, turn by turn; others ignore it.")

    @model_validator(mode="after")
    def _asks(self) -> AgentConfig:
        if not (self.instructions or self.goal or self.input is not None):
            raise ValueError("say what is to be done: instructions, a goal or an input")
        return self


class Agent:
    """The kind `agent`. Its output is the answer: a value of the declared schema, or {text} without one ({text, truncated:
    true} when `max_tokens` cut it off).

    Raises what models raise (see `models.port.Model`), and StepFailed, never retried: `agent.bad_answer` when the answer
    does not fit after all repairs, `agent.max_turns` when there is none yet, `agent.loop` when it makes the
    same call again and again. Invalid `agent.bad_schema`. Of tools:
    TimedOut `tool.timeout`, TooLarge `tool.result_too_large`, Unavailable. Refused `limit.…` before a request.
    """

    name: ClassVar[str] = "agent"
    Config: ClassVar[type[BaseModel]] = AgentConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, models: Models, servers: Servers, functions: Function, published: Published | None = None
    ) -> None:
        self._models, self._servers, self._functions, self._published = models, servers, functions, published

    @staticmethod
    def gives(config: Mapping[str, Any]) -> Any:
        """The JSON Schema of the output of an agent with this `with`, as written; True where it is not known."""
        text = {"type": "object", "properties": {"text": {"type": "string"}, "truncated": {"type": "boolean"}}}
        return text if config.get("output") is None else config["output"]

    async def run(self, step: StepContext, config: AgentConfig) -> Done:
        return Done(await self.answer(step, config))

    async def answer(
        self, step: StepContext, config: AgentConfig, check: Check | None = None, own: Iterable[Own] = ()
    ) -> Any:
        """The answer alone, for kinds that ask agents. `check` says what else is wrong with it: the model is told, as often as
        `check` likes within `max_turns`. `own` are tools of the kind that asks."""
        model = await self._models.model(
            config.model or ("scripted:" if config.script is not None else None),
            step.secret,
            base_url=config.base_url,
            key_name=config.api_key_secret,
            script=config.script,
            group=step.group,
            tell=step.note,
            moved=lambda subject, state: step.record(BreakerMoved(step.step_id, f"provider {subject}", state)),
        )
        answer = Answer(config.output)
        toolbox = Toolbox(self._servers, self._functions, config.tool_seconds, RESULT, self._published)
        for tool in own:
            toolbox.add(tool)
        await toolbox.fill(step, config.tools)
        return await _Talk(step, config, model, self._models, answer, toolbox, check).hold()

    async def aclose(self) -> None:
        await self._models.aclose()


class _Talk:
    """One conversation, from the first question to the answer."""

    def __init__(
        self,
        step: StepContext,
        config: AgentConfig,
        model: Model,
        models: Models,
        answer: Answer,
        toolbox: Toolbox,
        check: Check | None = None,
    ) -> None:
        self._step, self._config, self._model, self._models = step, config, model, models
        self._answer, self._toolbox, self._check = answer, toolbox, check
        self._said: list[Asked | Reply | Results] = [Asked(_question(config))]
        self._system = _system(config)
        self._live: Live = step.live
        about = {"role": config.role, "goal": config.goal, "model": model.name}
        self._guard = Guard.of(step, about)
        self._sent = Sent()
        self._rounds = Rounds(config.same_calls)

    async def hold(self) -> Any:
        repairs = self._config.repairs
        for turn in range(1, self._config.max_turns + 1):
            reply = await self._ask(turn)
            self._said.append(reply)
            final = any(call.name == FINAL for call in reply.calls)
            if reply.calls and not (final and self._answer.tool):
                self._said.append(Results(tuple([await self._use(turn, n, reply) for n in range(len(reply.calls))])))
                continue
            value, problems = self._read(reply)
            if problems:
                if repairs == 0:
                    message = f"the answer does not fit its schema after {self._config.repairs} repairs: {problems[0]}"
                    raise StepFailed(message, code="agent.bad_answer", retryable=False, detail={"problems": problems})
                repairs -= 1
            elif self._check is None or not (problems := await self._check(value)):
                return value
            self._said.append(_complaint(reply, problems))
        message = f"there is no answer after {self._config.max_turns} turns"
        raise StepFailed(message, code="agent.max_turns", retryable=False, detail={"turns": self._config.max_turns})

    def _read(self, reply: Reply) -> tuple[Any, list[str]]:
        if self._answer.tool is not None:
            return self._answer.read(reply)
        if not reply.text.strip():
            return None, ["the answer is empty"]
        return {"text": reply.text, "truncated": True} if reply.finish == "length" else {"text": reply.text}, []

    # ------------------------------------------------------------------------------------------------ asking the model

    async def _ask(self, turn: int) -> Reply:
        name = f"model:{turn}"
        over: dict[str, float | str] = {}

        async def call() -> dict[str, Any]:
            nonlocal over
            if self._guard is not None:
                await self._look_over(name, turn)
            request = self._request(turn)
            reserved = Reservation(self._step, self._models.prices, self._model.name, request)
            await reserved.take()
            try:
                reply = await self._answered(turn, reserved.request)
            except BaseException as error:
                reserved.give_back()
                if self._guard is not None and isinstance(error, PenstockError):
                    self._guard.cleaned("model.result", error)
                raise
            over = reserved.settle(reply.usage)
            cost = self._models.prices.cost(self._model.name, reply.usage)
            usd = None if cost is None else format(cost, "f")
            await self._step.note(_line(turn, self._model.name, reply, cost))
            mark = None
            if self._guard is not None:
                reply, mark = await look_over(self._guard, name, reply, self._model.name, usd)
            kept = {**reply.to_json(), "asked": self._model.name, "cost_usd": usd}
            return kept if mark is None else {**kept, "held": mark}

        kept = await self._step.once(name, call)
        if over:  # the answer is kept and paid for, whatever the limit says now
            await self._step.spend(**over)
        reply = Reply.from_json(kept)
        if self._guard is not None:
            self._guard.spent(reply.usage.total, kept.get("cost_usd"))
            if "held" in kept:
                shown = {"text": reply.text, "calls": [shown_call(one) for one in reply.calls]}
                await self._guard.passed("model.result", name, kept["held"], {"model": self._model.name}, shown)
        return reply

    def _request(self, turn: int) -> Request:
        tools = (*self._toolbox.specs, *((self._answer.tool,) if self._answer.tool else ()))
        return Request(
            tuple(self._said),
            self._system,
            tools,
            self._answer.tool is not None,
            self._config.max_tokens,
            self._config.temperature,
            self._config.request_seconds,
            f"{self._step.key}:model:{turn}",
        )

    async def _look_over(self, name: str, turn: int) -> None:
        """What is said for the first time, as policies let it be said."""
        assert self._guard is not None
        reserved = estimate(self._request(turn))
        cost = self._models.prices.cost(self._model.name, reserved)
        about = {
            "model": self._model.name,
            "turn": turn,
            "tokens": reserved.total,
            "usd": None if cost is None else format(cost, "f"),
        }
        self._system, self._said = await self._sent.look_over(self._guard, name, about, self._system, self._said)

    async def _answered(self, turn: int, request: Request) -> Reply:
        text = self._guard.live() if self._guard is not None else None
        if not self._step.watched or (self._guard is not None and text is None):
            return await self._model.request(request)
        async with aclosing(self._model.stream(request)) as stream:
            async for piece in stream:
                if isinstance(piece, Reply):
                    if text is not None and (rest := text.rest()):
                        self._live({"turn": turn, "text": rest})
                    return piece
                if piece.again:
                    text = self._guard.live() if self._guard is not None else None
                    self._live({"turn": turn, "again": True})
                elif shown := piece.text if text is None else text.more(piece.text):
                    self._live({"turn": turn, "text": shown})
        raise StepFailed("the model's stream ended without an answer", code="agent.no_answer")

    # ------------------------------------------------------------------------------------------------------ using tools

    async def _use(self, turn: int, number: int, reply: Reply) -> Result:
        call = reply.calls[number]
        self._rounds.check(call)
        # The reply is kept, so its calls have their places for ever. Ids alone may be double, empty, or of any length.
        name = f"tool:{turn}.{number + 1}:{call.id[:ID]}"
        about, touches = self._toolbox.about(call.name)

        async def made() -> dict[str, Any]:
            within: Any = Within(self._step, name)
            if self._guard is None:
                return await self._called(within, turn, call)
            try:
                given = await self._guard.before(
                    "tool.call", name, call.arguments, {**about, "arguments": call.arguments}, touches
                )
            except Refused as refused:
                return {"text": refused.message, "failed": True, "refused": True}
            kept = await self._called(within, turn, Call(call.id, call.name, given, call.written))
            try:
                more = {**about, "arguments": given, "text": kept["text"], "failed": kept["failed"]}
                text, mark = await self._guard.after("tool.result", name, kept["text"], more, touches)
            except Refused as refused:
                return {"text": refused.message, "failed": True}
            return {**kept, "text": text} if mark is None else {**kept, "text": text, "held": mark}

        kept = await self._step.once(name, made)
        if self._guard is not None:
            if not kept.get("refused"):
                self._guard.touched.update(touches)
            if "held" in kept:
                try:
                    await self._guard.passed("tool.result", name, kept["held"], about, kept["text"])
                except Refused as refused:
                    return Result(call.id, call.name, refused.message, True)
        return Result(call.id, call.name, kept["text"], kept["failed"])

    async def _called(self, within: Any, turn: int, call: Call) -> dict[str, Any]:
        try:
            result = await self._toolbox.call(within, call)
        except PenstockError as error:
            if self._guard is not None:
                self._guard.cleaned("tool.result", error)
            raise
        if self._guard is None:
            await self._step.note(
                f"turn {turn}: {call.name}" + (f" failed: {result.text[:200]}" if result.failed else "")
            )
        else:  # what it said was not looked at yet
            await self._step.note(f"turn {turn}: {call.name}" + (" failed" if result.failed else ""))
        return {"text": result.text, "failed": result.failed}


def _system(config: AgentConfig) -> str:
    lines = [f"You are {config.role}." if config.role else "", config.backstory or ""]
    lines.append(f"Your goal: {config.goal}" if config.goal else "")
    return "\n".join(line.strip() for line in lines if line.strip())


def _question(config: AgentConfig) -> str:
    parts = [config.instructions.strip()]
    if config.input is not None:
        parts.append(config.input if isinstance(config.input, str) else orjson.dumps(config.input).decode())
    return "\n\n".join(part for part in parts if part) or "Reach your goal."


def _complaint(reply: Reply, problems: list[str]) -> Asked | Results:
    """What is said to a model whose answer does not fit. Each of its calls must be answered, also those that were not made."""
    text = "This answer does not fit: " + "; ".join(problems) + ". Put it right."
    if not reply.calls:
        return Asked(text)
    results = [
        Result(call.id, call.name, text if call.name == FINAL else "not called: the answer came first", failed=True)
        for call in reply.calls
    ]
    return Results(tuple(results))


def _line(turn: int, model: str, reply: Reply, cost: Decimal | None) -> str:
    used = reply.usage
    cached = f" ({used.cached_tokens} cached)" if used.cached_tokens else ""
    price = "cost unknown" if cost is None else f"${cost.normalize():f}"
    script = "; a script, no model was asked" if model.startswith("scripted:") else ""
    return f"turn {turn}: {model}, {used.input_tokens}{cached} + {used.output_tokens} tokens, {price}{script}"
