"""One delivery of one step, as its kind sees it (ports.StepContext), and what becomes of what it says.

Whatever must not be lost or done twice is asked of the control plane, and waited for; what is only of interest is told, and
goes on its way. Everything passes through `clean` first: no secret that this step has seen leaves it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import orjson

from .engine import news
from .engine.events import SAID, Fact, SpendRefused
from .engine.scope import SPILLED
from .engine.state import LEASE
from .errors import Invalid, Refused, Unavailable
from .guardrails.forms import Known
from .ports import Artifacts, Clock, Vault, Wait, Work
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

    def watched(self, run_id: str) -> bool: ...


class Host(Protocol):
    """The executor that runs it."""

    reports: Reports
    artifacts: Artifacts
    vault: Vault
    clock: Clock
    name: str

    def new_claim(self) -> str: ...


class Suspended(BaseException):
    """The step ends here until what it waits for is kept under `key`. No kind may take it for an error of its own."""

    def __init__(self, wait: Wait, key: str) -> None:
        super().__init__(key)
        self.wait, self.key = wait, key


class Delivery:
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

    def __init__(self, executor: Host, work: Work) -> None:
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
            return await whole(self._executor.artifacts, kept[key])
        locks = self._locks = self._locks if self._locks is not None else {}
        async with locks.setdefault(key, asyncio.Lock()):
            if key in kept:
                return await whole(self._executor.artifacts, kept[key])
            await self._claim_it()
            value = self.clean(await call())
            fitted = await fit(self._executor.artifacts, value)
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

    @property
    def watched(self) -> bool:
        return self._executor.reports.watched(self.run_id)

    def live(self, data: dict[str, Any]) -> None:
        shown = data if self._secrets is None else self._secrets.clean_live(data)
        if shown is not None:
            self._executor.reports.live(self.run_id, self.step_id, shown)

    async def wait_for(self, key: str, wait: Wait) -> Any:
        if key not in self.work.kept:
            raise Suspended(wait, key)
        value = await whole(self._executor.artifacts, self.work.kept[key])
        if wait.child is not None:
            value = {**value, "outputs": await whole(self._executor.artifacts, value.get("outputs"))}
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


async def fit(artifacts: Artifacts, output: Any) -> Any:
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
    return {SPILLED: await artifacts.put(data), "size": len(data)}


async def whole(artifacts: Artifacts, value: Any) -> Any:
    """A value, fetched where it is a pointer."""
    if type(value) is dict and SPILLED in value:
        return orjson.loads(await artifacts.get(value[SPILLED]))
    return value
