"""Runs steps: takes work, builds its context, runs its kind under its time limit, and reports what happened.

An executor knows nothing of journals. It holds each piece of work as a task; while it holds it, it says so now and then
(`Alive`), and when it falls silent the engine sends the work to somebody else with the next delivery number. What it must not
do twice it asks to have kept (`StepContext.once`), and it goes on only when that is durable.

User code can fail in any way: whatever comes out of a kind becomes one piece of news. Secrets that a step asked for are
replaced in everything it reports.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import traceback
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from .delivery import SHORT, Delivery, Reports, Suspended, fit, whole
from .engine import news
from .engine.state import LEASE
from .errors import Invalid, PenstockError, StepFailed, TimedOut
from .ports import Artifacts, Bus, Clock, Done, Message, NodeKind, Vault, Wait, Work


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
        self._held: dict[tuple[str, str], Delivery] = {}
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
        context = Delivery(self, work)
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
            silent: dict[str, list[Delivery]] = {}
            for context in self._held.values():
                if now >= context.speak_at:
                    silent.setdefault(context.run_id, []).append(context)
            for run_id, held in silent.items():
                for context in held:
                    context.speak_at = now + max(LEASE, (now - context.taken_at) / 2) / 2
                self.reports.tell(run_id, news.Alive([(c.step_id, c.work.attempt, c.work.delivery) for c in held]))

    async def _run(self, context: Delivery) -> None:
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

    async def _outcome(self, context: Delivery, started: float) -> news.News:
        """Whatever the kind does, as one piece of news."""
        work = context.work
        try:
            kind = self.kinds.get(work.kind)
            if kind is None:
                raise Invalid(f"no node kind {work.kind!r} is known to this executor", code="kind.unknown")
            context.input = await whole(self.artifacts, work.input)
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
        except Suspended as suspended:
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

    def _failed(self, context: Delivery, failure: PenstockError, started: float) -> news.News:
        work, error = context.work, context.clean(failure.to_dict())
        return news.Failed(work.step_id, work.attempt, work.delivery, error, started, self.name, context.take_notes())

    async def _reported(self, context: Delivery, result: Any, started: float, resume: str | None = None) -> news.News:
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
        output = await fit(self.artifacts, context.clean(done.output))
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


def _configure(kind: NodeKind, given: Any) -> Any:
    try:
        return kind.Config.model_validate(given if given is not None else {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)
        places = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'with'}: {e['msg']}" for e in first[:5])
        raise Invalid(f"`with` of this {kind.name} step is not right: {places}", code="step.bad_config") from None
