"""Runs steps: takes work, builds its context, runs its kind under its time limit, and reports what happened.

An executor knows nothing of journals. It holds each piece of work as a task; while it holds it, it says so now and then
(`Alive`), and when it falls silent the engine sends the work to somebody else with the next delivery number. What it must not
do twice it asks to have kept (`StepContext.once`), and it goes on only when that is durable.

User code can fail in any way: whatever comes out of a kind becomes one piece of news. Secrets that a step asked for are
replaced in everything it reports.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from pydantic import ValidationError

from .engine import news
from .engine.events import SAID, Fact, SpendRefused
from .engine.scope import SPILLED
from .engine.state import LEASE
from .errors import Invalid, PenstockError, Refused, StepFailed, TimedOut, Unavailable
from .guardrails.forms import Known
from .ports import Artifacts, Bus, Clock, Done, Message, NodeKind, Vault, Wait, Work
from .spill import SPILL

OUTPUT = 32 * 1024 * 1024  # bytes of JSON an output may have at all
NOTES = 2_000  # lines of log a step may write
NOTE = 4_000  # characters of one line
SHORT = 0.25  # seconds after which a step is said to have started


class Reports(Protocol):
    """Where an executor's news goes: the control plane, by whatever way."""

    def tell(self, run_id: str, piece: news.News) -> None: ...

    async def advance(self, run_id: str, piece: news.News) -> Sequence[Fact]: ...

    def live(self, run_id: str, step_id: str, data: dict[str, Any]) -> None: ...


class Executor:
    def __init__(
        self,
        bus: Bus,
        reports: Reports,
        kinds: Mapping[str, NodeKind],
        artifacts: Artifacts,
        vault: Vault,
        clock: Clock = time.time,
        name: str = "",
        places: int = 1_024,
    ) -> None:
        self.kinds = kinds
        self.reports = reports
        self.artifacts = artifacts
        self.vault = vault
        self.clock = clock
        self.name = name
        self._bus = bus
        self._places = asyncio.Semaphore(places)
        self._held: dict[tuple[str, str], _Context] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._closed = False
        self._claims = itertools.count(1)

    def new_claim(self) -> str:
        """A name nobody else has, given that no two executors have the same name."""
        return f"{self.name}/{next(self._claims)}"

    @property
    def held(self) -> int:
        """Steps that are here now."""
        return len(self._held)

    # ------------------------------------------------------------------------------------------------- running

    def begin(self) -> None:
        """Take work from now on."""
        self._loops = [
            asyncio.create_task(self._take("task-requests")),
            asyncio.create_task(self._take("plan-requests")),
            asyncio.create_task(self._take_orders()),
            asyncio.create_task(self._beat()),
        ]

    async def close(self, grace: float = 0.0) -> None:
        """Take no more work; give what runs `grace` seconds to end, then stop it. What is stopped is sent again later."""
        self._closed = True
        for task in self._loops:
            task.cancel()
        running = [c.task for c in self._held.values() if c.task is not None]
        if running and grace > 0:
            await asyncio.wait(running, timeout=grace)
        for context in list(self._held.values()):
            if context.task is not None:
                context.task.cancel()
        await asyncio.gather(*self._loops, *running, return_exceptions=True)

    async def _take(self, topic: str) -> None:
        async for batch in self._bus.consume(topic, "executors"):
            for message in batch:
                await self._places.acquire()
                self._hold(message.value)

    def _hold(self, work: Work) -> None:
        known = self._held.get((work.run_id, work.step_id))
        if known is not None:
            if (known.work.attempt, known.work.delivery) >= (work.attempt, work.delivery):
                self._places.release()  # the same message twice, or an old one late
                return
            known.superseded = True
            if known.task is not None:
                known.task.cancel()
        context = _Context(self, work)
        self._held[(work.run_id, work.step_id)] = context
        context.task = asyncio.create_task(self._run(context))

    async def _take_orders(self) -> None:
        """Stop steps as soon as their run no longer wants them."""
        async for batch in self._bus.consume("state-updates", f"executor-{self.name or id(self)}"):
            for message in batch:
                self._obey(message)

    def _obey(self, message: Message) -> None:
        for step in message.value.get("stop", ()):
            context = self._held.get((message.key, step))
            if context is not None and context.task is not None:
                context.stopped = True
                context.task.cancel()

    async def _beat(self) -> None:
        """Say which steps are still held, half a lease before anybody would wonder."""
        while True:
            await asyncio.sleep(LEASE / 6)
            now = self.clock()
            silent: dict[str, list[_Context]] = {}
            for context in self._held.values():
                if now >= context.speak_at:
                    silent.setdefault(context.run_id, []).append(context)
            for run_id, held in silent.items():
                for context in held:
                    context.speak_at = now + max(LEASE, (now - context.taken_at) / 2) / 2
                self.reports.tell(run_id, news.Alive([(c.step_id, c.work.attempt, c.work.delivery) for c in held]))

    async def _run(self, context: _Context) -> None:
        work = context.work
        started = self.clock()
        short = asyncio.get_running_loop().call_later(SHORT, context.say_started, started)
        report: news.News | None
        try:
            report = await self._outcome(context, started)
        except asyncio.CancelledError:
            report = None
            if context.stopped:
                report = news.Stopped(work.step_id, work.attempt, work.delivery, context.take_notes())
            elif not context.superseded and not self._closed:
                failure = StepFailed("the step's own code cancelled it", code="step.cancelled_itself")
                report = self._failed(context, failure, started)
        finally:
            short.cancel()
            self._places.release()
            if self._held.get((work.run_id, work.step_id)) is context:
                del self._held[(work.run_id, work.step_id)]
        if report is not None and not context.superseded:
            self.reports.tell(work.run_id, report)

    async def _outcome(self, context: _Context, started: float) -> news.News:
        """Whatever the kind does, as one piece of news."""
        work = context.work
        try:
            kind = self.kinds.get(work.kind)
            if kind is None:
                raise Invalid(f"no node kind {work.kind!r} is known to this executor", code="kind.unknown")
            context.input = await self._whole(work.input)
            config = _configure(kind, context.input)
            if work.timeout is None:
                result = await kind.run(context, config)
            else:
                context.deadline = started + work.timeout
                async with asyncio.timeout(work.timeout) as limit:
                    result = await kind.run(context, config)
                if limit.expired():
                    raise TimeoutError
            return await self._reported(context, result, started)
        except _Suspended as suspended:
            return await self._reported(context, suspended.wait, started, suspended.key)
        except TimeoutError as error:
            if work.timeout is not None and self.clock() - started >= work.timeout * 0.99:
                failure: PenstockError = TimedOut(f"the step took more than {work.timeout:g} s", code="step.timeout")
            else:
                failure = TimedOut(f"timed out: {error}", code="step.timed_out")
        except PenstockError as error:
            failure = error
        except Exception as error:
            failure = PenstockError(f"{type(error).__name__}: {error}", code="step.crashed")
            for line in traceback.format_exception(error, limit=-4):
                await context.note(line.rstrip())
        return self._failed(context, failure, started)

    def _failed(self, context: _Context, failure: PenstockError, started: float) -> news.News:
        work, error = context.work, context.clean(failure.to_dict())
        return news.Failed(work.step_id, work.attempt, work.delivery, error, started, self.name, context.take_notes())

    async def _reported(self, context: _Context, result: Any, started: float, resume: str | None = None) -> news.News:
        work = context.work
        if isinstance(result, Wait):
            return news.Waiting(
                work.step_id,
                work.attempt,
                work.delivery,
                result.until,
                context.clean(result.output),
                context.clean(result.ask),
                context.clean(result.child),
                context.artifacts or None,
                context.take_notes(),
                resume,
            )
        done = result if isinstance(result, Done) else Done(result)
        output = await self._fit(context.clean(done.output))
        return news.Completed(
            work.step_id,
            work.attempt,
            work.delivery,
            output,
            done.take,
            started,
            self.name,
            context.artifacts or None,
            context.take_notes(),
        )

    async def _fit(self, output: Any) -> Any:
        """The output as the journal may hold it: itself, or a pointer. Raises Invalid when it is not JSON."""
        if output is None or output is True or output is False:
            return output
        try:
            data = orjson.dumps(output)
        except (TypeError, ValueError) as error:
            raise Invalid(f"the step's result is not JSON: {error}", code="step.not_json") from None
        if len(data) <= SPILL:
            if b'"$spilled"' in data:
                raise Invalid(f"the key {SPILLED} is reserved", code="step.reserved_key")
            return orjson.loads(data) if type(output) not in (dict, list, str, int, float) else output
        if len(data) > OUTPUT:
            raise Invalid(
                f"the step's result is {len(data)} bytes of JSON; at most {OUTPUT} go on, larger ones are artifacts",
                code="step.output_too_large",
            )
        return {SPILLED: await self.artifacts.put(data), "size": len(data)}

    async def _whole(self, value: Any) -> Any:
        if type(value) is dict and SPILLED in value:
            return orjson.loads(await self.artifacts.get(value[SPILLED]))
        return value


def _configure(kind: NodeKind, given: Any) -> Any:
    try:
        return kind.Config.model_validate(given if given is not None else {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)
        places = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'with'}: {e['msg']}" for e in first[:5])
        raise Invalid(f"`with` of this {kind.name} step is not right: {places}", code="step.bad_config") from None


class _Suspended(BaseException):
    """The step ends here until what it waits for is kept under `key`. No kind may take it for an error of its own."""

    def __init__(self, wait: Wait, key: str) -> None:
        super().__init__(key)
        self.wait, self.key = wait, key


class _Context:
    """The StepContext of one delivery of one step; see ports.StepContext."""

    __slots__ = (
        "_claimed",
        "_executor",
        "_lines",
        "_locks",
        "_secrets",
        "_told",
        "artifacts",
        "attempt",
        "claim",
        "deadline",
        "group",
        "input",
        "key",
        "limits",
        "policies",
        "run",
        "run_id",
        "speak_at",
        "step_id",
        "stopped",
        "superseded",
        "taken_at",
        "task",
        "work",
    )

    def __init__(self, executor: Executor, work: Work) -> None:
        self._executor = executor
        self.work = work
        self.run_id, self.step_id, self.group = work.run_id, work.step_id, work.group
        self.attempt, self.key, self.input = work.attempt, work.key, work.input
        self.policies, self.limits, self.run = work.policies, work.limits, work.run
        self.deadline: float | None = None
        self.artifacts: list[dict[str, Any]] = []
        self.task: asyncio.Task[None] | None = None
        self.stopped = self.superseded = False
        self.taken_at = executor.clock()
        self.claim = executor.new_claim()
        self._claimed = False
        self.speak_at = self.taken_at + LEASE / 2
        self._lines: list[list[Any]] = []
        self._told = 0
        self._secrets: Known | None = None
        self._locks: dict[str, asyncio.Lock] | None = None

    # ------------------------------------------------------------------------------------------ for node kinds

    async def once(self, key: str, call: Callable[[], Awaitable[Any]]) -> Any:
        kept = self.work.kept
        if key in kept:
            return await self._executor._whole(kept[key])
        locks = self._locks = self._locks if self._locks is not None else {}
        async with locks.setdefault(key, asyncio.Lock()):
            if key in kept:
                return await self._executor._whole(kept[key])
            await self._claim_it()
            value = self.clean(await call())
            fitted = await self._executor._fit(value)
            facts = await self._ask(
                news.Kept(self.step_id, self.attempt, self.work.delivery, key, fitted, self.work.again)
            )
            if not facts:
                raise self._unwanted()
            kept[key] = fitted
            return value

    async def spend(self, **cost: float | str) -> str:
        self._told += 1
        key = f"{self.attempt}.{self.work.delivery}.{self._told}"
        facts = await self._ask(news.Spend(self.step_id, self.attempt, self.work.delivery, key, dict(cost)))
        if not facts:
            raise self._unwanted()
        for fact in facts:
            if isinstance(fact, SpendRefused):
                whose = f"this {fact.level} has" + (f" for the {fact.per}" if fact.per else "")
                if fact.asked == "unknown":
                    message = f"what this costs is not known, and {whose} a limit of usd: give the model a price, or limit tokens"
                    detail = {"limit": "usd", "level": fact.level, "asked": "unknown", "left": fact.left}
                    raise Refused(message, code="limit.unknown_price", detail=detail)
                raise Refused(
                    f"the limit of {fact.limit} that {whose} is reached: {fact.asked} asked for, {fact.left} left",
                    code=f"limit.{fact.limit}",
                    detail={"limit": fact.limit, "level": fact.level, "asked": fact.asked, "left": fact.left},
                )
        return key

    def settle(self, key: str, **cost: float | str) -> None:
        self._tell(news.Spent(self.step_id, self.attempt, self.work.delivery, key, dict(cost)))

    def record(self, fact: Fact) -> None:
        self._tell(news.Said(self.step_id, self.attempt, self.work.delivery, [self._cleaned(fact)]))

    def live(self, data: dict[str, Any]) -> None:
        shown = data if self._secrets is None else self._secrets.clean_live(data)
        if shown is not None:
            self._executor.reports.live(self.run_id, self.step_id, shown)

    async def wait_for(self, key: str, wait: Wait) -> Any:
        if key not in self.work.kept:
            raise _Suspended(wait, key)
        value = await self._executor._whole(self.work.kept[key])
        if wait.child is not None:
            value = {**value, "outputs": await self._executor._whole(value.get("outputs"))}
        return value

    async def secret(self, name: str) -> str:
        value = await self._executor.vault.get(self.group, name)
        if self._secrets is None:
            self._secrets = Known()
        self._secrets.add(value)
        return value

    async def note(self, text: str) -> None:
        if len(self._lines) < NOTES:
            line = text if len(text) <= NOTE else text[:NOTE] + " …"
            self._lines.append([round(self._executor.clock(), 3), self.clean(line)])
            if len(self._lines) == NOTES:
                self._lines.append([self._executor.clock(), f"(no more than {NOTES} lines of a step are kept)"])

    async def save(self, name: str, data: bytes, mime: str = "application/octet-stream") -> dict[str, Any]:
        check_artifact_name(name)
        if self._secrets is not None:
            data = self._secrets.clean_bytes(data)
        digest = await self._executor.artifacts.put(data)
        handle = {"artifact": digest, "name": name, "size": len(data), "mime": mime}
        self.artifacts = [a for a in self.artifacts if a["name"] != name] + [handle]
        return handle

    # --------------------------------------------------------------------------------------- for the executor

    async def _claim_it(self) -> None:
        """Before the first expensive call: make sure that this is the only copy of the message that goes on."""
        if self._claimed:
            return
        work = self.work
        claim = news.Started(work.step_id, work.attempt, work.delivery, self.taken_at, self._executor.name, self.claim)
        if not await self._ask(claim):
            raise self._unwanted()
        self._claimed = True

    def _tell(self, piece: news.News) -> None:
        self._executor.reports.tell(self.run_id, piece)

    def _cleaned(self, fact: Fact) -> Fact:
        if self._secrets is not None:
            for one in dataclasses.fields(fact):
                setattr(fact, one.name, self.clean(getattr(fact, one.name)))
        if getattr(fact, "step", self.step_id) != self.step_id or type(fact) not in SAID:
            raise ValueError(f"{type(fact).__name__} of {getattr(fact, 'step', None)} is not for {self.step_id} to say")
        return fact

    def _unwanted(self) -> asyncio.CancelledError:
        self.superseded = True
        return asyncio.CancelledError("somebody else has this step, or nobody wants it any more")

    async def _ask(self, piece: news.News) -> Sequence[Fact]:
        """News whose outcome matters: tried again while the journal cannot be written."""
        wait = 0.1
        while True:
            try:
                return await self._executor.reports.advance(self.run_id, piece)
            except Unavailable:
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)

    def say_started(self, started: float) -> None:
        self._executor.reports.tell(
            self.run_id,
            news.Started(self.step_id, self.attempt, self.work.delivery, started, self._executor.name, self.claim),
        )
        asyncio.get_running_loop().call_later(SHORT, self.say_notes)

    def say_notes(self) -> None:
        """What a long step has written so far, every quarter of a second while there is any."""
        if self.task is None or self.task.done():
            return
        if self._lines and self._lines[-1] is not None:
            lines, self._lines = self._lines, []
            self._executor.reports.tell(self.run_id, news.Noted(self.step_id, self.attempt, self.work.delivery, lines))
        asyncio.get_running_loop().call_later(SHORT, self.say_notes)

    def take_notes(self) -> list[list[Any]] | None:
        lines, self._lines = self._lines, []
        return lines or None

    def clean(self, value: Any) -> Any:
        """`value` without the secrets this step has seen."""
        return self._secrets.clean(value) if self._secrets is not None else value


def check_artifact_name(name: str) -> None:
    """Raises Invalid, code `artifact.bad_name`, for what is not a plain relative file name."""
    parts = name.split("/")
    bad = not name or len(name) > 255 or "\\" in name or "\0" in name or any(p in ("", ".", "..") for p in parts)
    if bad or not name.isprintable():
        raise Invalid(f"{name!r} is not a name for an artifact: use a plain relative one", code="artifact.bad_name")
