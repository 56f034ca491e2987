"""A whole Penstock in virtual time, with everything going wrong that can, from one seed.

A *life* is: a random workflow, a few runs of it, and a control plane with an executor over ports that lose, double, delay and
reorder messages, refuse and forget commits, and kill the process before and after every call. Time is virtual: an hour takes
no time, and the same seed gives the same life, event by event. At its end the laws of DESIGN 6 are checked against the
journals and against a ledger of what was really done outside.

    result = live(seed=7)       # raises Broken, naming the seed and the law
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import random
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ..bus.embedded import EmbeddedBus
from ..control import Control, Start
from ..engine import events as ev
from ..engine import news
from ..engine.fold import apply, fold
from ..engine.state import TERMINAL, RunState
from ..engine.workflow import Workflow, parse
from ..errors import NotFound, PenstockError, StepFailed, Unavailable
from ..executor import Executor
from ..nodes.human import Human
from ..nodes.subflow import Subflow
from ..nodes.wait import WaitKind
from ..ports import Commit, Done, Message, StepContext, Work
from ..stores.catalog import RunList
from ..stores.journal_sqlite import SqliteJournal
from ..stores.sqlite import Sqlite, create_schema
from .documents import random_document

EPOCH = 1_700_000_000.0
PATIENCE = 50_000.0  # virtual seconds a life may take: far more than every retry, wait and lease in it together


class Broken(AssertionError):
    """A law did not hold. The message names the seed."""


# ------------------------------------------------------------------------------------------------ virtual time


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Where a loop would wait, time passes instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Broken("everything waits and nothing will ever happen")
            self.loop.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only when there is nothing to do."""

    def __init__(self) -> None:
        selector = _Selector()
        self.now = 0.0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now


def run_virtual(main: Coroutine[Any, Any, Any]) -> Any:
    """Run `main` in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


# --------------------------------------------------------------------------------------------------- the world


@dataclass(slots=True)
class Faults:
    """How likely each fault is, per call."""

    crash: float = 0.0  # the process dies before or after a journal call
    refuse: float = 0.0  # the store fails, before or after it has written
    stale: float = 0.0  # a commit is told that it came too late
    lose: float = 0.0
    double: float = 0.0
    late: float = 0.0
    delay: float = 2.0  # seconds, at most

    @classmethod
    def of(cls, rng: random.Random) -> Faults:
        scale = rng.choice((0.0, 0.02, 0.1, 0.3))
        return cls(
            crash=rng.random() * scale * 0.25,
            refuse=rng.random() * scale,
            stale=rng.random() * scale,
            lose=rng.random() * scale,
            double=rng.random() * scale,
            late=rng.random() * scale * 2,
            delay=rng.choice((0.01, 1.0, 40.0)),
        )


@dataclass(slots=True)
class World:
    """What outlives a process: the database, the time, and what was really done outside."""

    rng: random.Random
    faults: Faults
    journal: SqliteJournal
    runs: RunList
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)  # (step key, call) -> times made
    kept: set[tuple[str, str]] = field(default_factory=set)  # those that are durable
    too_late: list[str] = field(default_factory=list)  # calls made after they were kept
    too_early: list[str] = field(default_factory=list)  # steps run before they were durable
    deaths: int = 0
    died: asyncio.Event = field(default_factory=asyncio.Event)
    objects: dict[str, bytes] = field(default_factory=dict)

    def clock(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def chance(self, likely: float) -> bool:
        return likely > 0 and self.rng.random() < likely

    def durable(self, commit: Commit) -> None:
        """Remember what a commit has made durable."""
        for event in commit.events:
            fact = event.fact
            if type(fact) is ev.StepKept:
                self.kept.add((f"{commit.run_id}:{fact.step}", fact.key))

    async def die(self) -> None:
        """The process is gone: whoever called never hears back."""
        self.deaths += 1
        self.died.set()
        await asyncio.Future()


class FaultyJournal:
    """A journal that now and then fails, lies about being late, or takes the process with it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._real = world.journal

    async def _call(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        world = self._world
        if world.chance(world.faults.late):
            await asyncio.sleep(world.rng.random() * 0.1)
        if world.chance(world.faults.crash):
            await world.die()
        if world.chance(world.faults.refuse / 2):
            raise Unavailable("the disk is tired", code="journal.unavailable")
        result = await work()
        if world.chance(world.faults.crash):
            await world.die()
        if world.chance(world.faults.refuse / 2):
            raise Unavailable("the line went dead after the commit", code="journal.unavailable")
        return result

    async def create(self, commit: Commit) -> bool:
        return await self._call(lambda: self._real.create(commit))

    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        world = self._world
        stale = [world.chance(world.faults.stale) for _ in commits]
        written = [c for c, late in zip(commits, stale, strict=True) if not late]

        async def work() -> list[bool]:
            results = await self._real.commit(written)
            for commit, done in zip(written, results, strict=True):
                if done:
                    world.durable(commit)
            return results

        results = iter(await self._call(work))
        return [False if late else next(results) for late in stale]

    async def read(self, run_id: str, after: int = 0, limit: int | None = None) -> list[ev.Event]:
        return await self._call(lambda: self._real.read(run_id, after, limit))

    async def due(self, now: float, limit: int = 100, queued: bool = False) -> list[str]:
        return await self._call(lambda: self._real.due(now, limit, queued))

    async def outbox(self, limit: int = 100) -> list[tuple[str, int]]:
        return await self._call(lambda: self._real.outbox(limit))

    async def sent(self, messages: Sequence[tuple[str, int]]) -> None:
        await self._call(lambda: self._real.sent(messages))


class FaultyBus(EmbeddedBus):
    """A bus that loses, doubles, delays and so reorders. `durable`, so that the outbox is used."""

    durable = True

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._later: set[asyncio.Task[None]] = set()

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            for copy in _copies(self._world, message):
                if self._world.chance(self._world.faults.late):
                    _later(self._later, self._world, lambda copy=copy: EmbeddedBus.publish(self, [copy]))
                else:
                    await super().publish([copy])


class FaultyReports:
    """News that is lost, doubled and late on its way to the control plane."""

    def __init__(self, world: World, control: Control) -> None:
        self._world = world
        self._control = control
        self._later: set[asyncio.Task[None]] = set()

    def tell(self, run_id: str, piece: news.News) -> None:
        for copy in _copies(self._world, piece):
            if self._world.chance(self._world.faults.late):
                _later(self._later, self._world, lambda copy=copy: self._tell(run_id, copy))
            else:
                self._control.tell(run_id, copy)

    async def _tell(self, run_id: str, piece: news.News) -> None:
        self._control.tell(run_id, piece)

    async def advance(self, run_id: str, piece: news.News) -> Sequence[ev.Fact]:
        if self._world.chance(self._world.faults.lose):
            raise Unavailable("no answer", code="journal.unavailable")
        return await self._control.advance(run_id, piece)

    def live(self, run_id: str, step_id: str, data: dict[str, Any]) -> None:
        self._control.live(run_id, step_id, data)

    def watched(self, run_id: str) -> bool:
        return self._control.watched(run_id)


def _copies(world: World, one: Any) -> list[Any]:
    if world.chance(world.faults.lose):
        return []
    return [one, one] if world.chance(world.faults.double) else [one]


def _later(tasks: set[asyncio.Task[None]], world: World, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def wait() -> None:
        await asyncio.sleep(world.rng.random() * world.faults.delay)
        await do()

    task = asyncio.create_task(wait())
    tasks.add(task)
    task.add_done_callback(tasks.discard)


class Objects:
    """Artifacts in a dictionary: no thread, so the same seed is the same life."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    async def put(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._objects[digest] = data
        return digest

    async def get(self, digest: str, start: int = 0, end: int | None = None) -> bytes:
        return self._objects[digest][start:end]

    async def size(self, digest: str) -> int:
        return len(self._objects[digest])


class _NoVault:
    async def put(self, group: str, name: str, value: str) -> None: ...

    async def get(self, group: str, name: str) -> str:
        raise NotFound(name, code="secret.not_found")

    async def names(self, group: str) -> list[str]:
        return []

    async def delete(self, group: str, name: str) -> None: ...

    async def rotate(self) -> int:
        return 0


class ActConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    calls: int = 0  # expensive calls, each through `once`
    fails: int = 0  # attempts that fail, retryably
    fatal: bool = False
    seconds: float = 0.0
    hangs: int = 0  # attempts that never end by themselves
    size: int = 0  # characters of output
    tokens: int = 0
    choose: list[str] | None = None
    value: Any = None


class Act:
    """The kind of step that lives are made of: it does what it is told, and the ledger knows."""

    name: ClassVar[str] = "act"
    Config: ClassVar[type[BaseModel]] = ActConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, step: StepContext, config: ActConfig) -> Done:
        await self._check_durable(step.work)  # type: ignore[attr-defined]
        for number in range(config.calls):
            call = f"call-{number}"
            if config.tokens:
                await step.spend(tokens=config.tokens)
            got = await step.once(call, lambda call=call: self._call(step.key, call))
            if got["key"] != step.key:
                raise Broken(f"{step.key} was given what was kept for {got['key']}")
        if step.attempt <= config.hangs:
            await asyncio.Future()
        if config.seconds:
            await asyncio.sleep(config.seconds)
        if config.fatal:
            raise StepFailed("told to fail", code="act.fatal", retryable=False)
        if step.attempt <= config.fails:
            raise StepFailed("told to fail for now", code="act.again")
        await step.note(f"attempt {step.attempt}")
        return Done(
            {"value": config.value, "text": "x" * config.size}, take=tuple(config.choose) if config.choose else None
        )

    async def _check_durable(self, work: Work) -> None:
        for event in reversed(await self._world.journal.read(work.run_id)):
            fact = event.fact
            if type(fact) is ev.StepScheduled and fact.step == work.step_id:
                if (fact.attempt, fact.delivery) >= (work.attempt, work.delivery):
                    return
                break
        self._world.too_early.append(f"{work.key} {work.attempt}.{work.delivery}")

    async def _call(self, key: str, call: str) -> dict[str, str]:
        world = self._world
        if (key, call) in world.kept:
            world.too_late.append(f"{key} {call}")
        world.calls[key, call] += 1
        await asyncio.sleep(world.rng.random())
        return {"key": key, "call": call}


# -------------------------------------------------------------------------------------------------------- lives


@dataclass(slots=True)
class Life:
    """How a life went: the journals by run, and how often the process died."""

    seed: int
    journals: dict[str, list[ev.Event]]
    workflows: dict[str, Workflow]
    deaths: int
    statuses: Counter[str]


def live(seed: int, faults: Faults | None = None, check: bool = True) -> Life:
    """One life from `seed`. Raises Broken."""
    surprises = _Surprises()
    log = logging.getLogger("penstock.control")
    log.addHandler(surprises)
    log.propagate = False
    try:
        life = run_virtual(_live(seed, faults, check))
        if surprises.errors:
            raise Broken(f"an error nobody meant: {surprises.errors[0]!r}")
        return life
    except Broken as broken:
        raise Broken(f"seed {seed}: {broken}") from None
    finally:
        log.propagate = True
        log.removeHandler(surprises)


class _Surprises(logging.Handler):
    """Errors that control logs and that are not the faults of this world."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, PenstockError):
            self.errors.append(error)


async def _live(seed: int, faults: Faults | None, check: bool) -> Life:
    rng = random.Random(seed)
    database = Sqlite(":memory:")
    await database.write(create_schema)
    clock = lambda: EPOCH + asyncio.get_running_loop().time()  # noqa: E731
    world = World(rng, faults or Faults.of(rng), SqliteJournal(database), RunList(database, clock))
    child, parent = (parse(random_document(rng, name)) for name in ("child", "parent"))
    workflows = {w.name: w for w in (child, parent)}
    starts = [
        Start(parent, 1, {"go": rng.random() < 0.5, "list": list(range(rng.randrange(5)))}, run_id=f"run-{n}")
        for n in range(rng.randint(1, 2))
    ]
    cancels = {s.run_id for s in starts if rng.random() < 0.1}
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _process(world, workflows, starts, cancels):
                pass
    except TimeoutError:
        rows = [f"{row.run_id} {row.status}" for row in (await world.runs.list(None, limit=200)).items]
        raise Broken(f"not every run ended in {PATIENCE:g} virtual seconds: {', '.join(rows)}") from None
    rows = (await world.runs.list(None, limit=200)).items
    journals = {row.run_id: await world.journal.read(row.run_id) for row in rows}
    life = Life(seed, journals, workflows, world.deaths, Counter(row.status for row in rows))
    if check:
        for row in rows:
            check_journal(row.run_id, workflows[row.workflow], journals[row.run_id])
            if row.status != journals[row.run_id][-1].kind.removeprefix("run."):
                raise Broken(
                    f"the run list says {row.status} of {row.run_id}, its journal {journals[row.run_id][-1].kind}"
                )
        check_calls(world, journals)
    await database.close()
    return life


async def _process(world: World, workflows: dict[str, Workflow], starts: list[Start], cancels: set[Any]) -> bool:
    """One process, from its start to its death (False) or to the end of all runs (True)."""
    world.died.clear()
    before = asyncio.all_tasks()
    main = asyncio.create_task(_incarnation(world, workflows, starts, cancels))
    death = asyncio.create_task(world.died.wait())
    await asyncio.wait([main, death], return_when=asyncio.FIRST_COMPLETED)
    done = main.done()
    death.cancel()
    for task in asyncio.all_tasks() - before - {main}:
        task.cancel()
    if not done:
        main.cancel()
    await asyncio.sleep(0)
    for _ in range(3):
        for task in asyncio.all_tasks() - before:
            task.cancel()
        await asyncio.sleep(0)
    if done:
        main.result()
    return done


async def _incarnation(world: World, workflows: dict[str, Workflow], starts: list[Start], cancels: set[Any]) -> None:
    ids = (f"run-x{world.rng.getrandbits(40):010x}" for _ in iter(int, 1))

    async def versions(group: str, slug: str, number: int) -> tuple[int, Workflow]:
        return 1, workflows[slug]

    journal, bus = FaultyJournal(world), FaultyBus(world)
    artifacts = Objects(world.objects)
    control = Control(journal, world.runs, bus, artifacts, versions, world.clock, lambda: next(ids), running=2)
    act = Act(world)
    kinds = {"act": act, "human": Human(world.clock), "wait": WaitKind(world.clock), "subflow": Subflow()}
    executor = Executor(
        bus, FaultyReports(world, control), kinds, artifacts, _NoVault(), world.clock, f"e{world.deaths}", places=50
    )
    executor.begin()
    await _insist(control.recover)
    sweeping = asyncio.create_task(control.run())
    person = asyncio.create_task(_person(world, control))
    for start in starts:
        with contextlib.suppress(NotFound):
            await world.runs.row(start.run_id or "")
            continue
        await _insist(lambda start=start: control.start(start))
    for run_id in sorted(cancels):
        await asyncio.sleep(world.rng.random() * 20)
        with contextlib.suppress(PenstockError):
            await control.cancel(run_id, "someone")
            cancels.discard(run_id)
    while True:
        page = await world.runs.list(None, limit=200)
        if len(page.items) >= len(starts) and all(row.status in TERMINAL for row in page.items):
            break
        await asyncio.sleep(5)
    sweeping.cancel()
    person.cancel()
    await executor.close()
    await control.close()


async def _person(world: World, control: Control) -> None:
    """Somebody who answers questions and resumes what is paused, after a while, sometimes twice."""
    while True:
        await asyncio.sleep(7)
        for row in (await world.runs.list(None, limit=200)).items:
            with contextlib.suppress(PenstockError):
                if row.status == "paused":
                    state = await control.state(row.run_id)
                    edits = {s.id: {"value": "fixed"} for s in state.steps.values() if s.status == "paused"}
                    await control.resume(row.run_id, "someone", edits)
                for ask in row.asks or ():
                    if row.status not in TERMINAL and world.chance(0.5):
                        await control.answer(row.run_id, ask["step"], "approve", "someone")


async def _insist(do: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    while True:
        try:
            return await do()
        except Unavailable:
            await asyncio.sleep(0.5)


# --------------------------------------------------------------------------------------------------------- laws


def check_journal(run_id: str, workflow: Workflow, events: Sequence[ev.Event]) -> RunState:
    """The laws that one journal must obey. Raises Broken; returns the folded state."""
    ended = [e for e in events if e.kind in ("run.completed", "run.failed", "run.cancelled")]
    if [e.seq for e in events] != list(range(1, len(events) + 1)):
        raise Broken(f"{run_id}: the seqs have a gap or a double")
    if len(ended) != 1 or ended[0] is not events[-1]:
        raise Broken(f"{run_id}: it ended {len(ended)} times, and its last event is {events[-1].kind}")
    completed = Counter(e.fact.step for e in events if type(e.fact) is ev.StepCompleted)
    if doubled := [step for step, times in completed.items() if times > 1]:
        raise Broken(f"{run_id}: completed more than once: {doubled}")
    kept = Counter((e.fact.step, e.fact.key) for e in events if type(e.fact) is ev.StepKept)
    if doubled := [key for key, times in kept.items() if times > 1]:
        raise Broken(f"{run_id}: kept more than once: {doubled}")
    if any(later.at < earlier.at for earlier, later in itertools.pairwise(events)):
        raise Broken(f"{run_id}: time goes backwards")
    routers = {name for name, node in workflow.nodes.items() if node.route == "first"}
    state = RunState(run_id, workflow)
    for event in events:
        name = getattr(event.fact, "node", None) or getattr(event.fact, "step", "").partition("#")[0]
        if name in routers and len(getattr(event.fact, "taken", None) or ()) > 1:
            raise Broken(f"{run_id}: at {event.seq} the router {name} goes more than one way")
        apply(state, event)
        check_limits(state, event)
    again = fold(run_id, workflow, [ev.event_from_dict(ev.event_dict(e)) for e in events])
    if again.status != state.status or again.outputs != state.outputs or again.steps != state.steps:
        raise Broken(f"{run_id}: the journal does not fold the same after being written and read")
    return state


def check_limits(state: RunState, event: ev.Event) -> None:
    """No limit is passed at any seq. Raises Broken."""
    limits = state.limits
    used = {
        "tokens": state.tokens,
        "usd": state.usd,
        "steps": state.steps_used,
        "parallel": state.in_flight,
        "iterations": state.iterations,
    }
    for name, amount in used.items():
        limit = getattr(limits, name)
        if limit is not None and amount > limit:
            raise Broken(f"{state.run_id}: at {event.seq} {amount} {name} are used of {limit}")


def check_calls(world: World, journals: dict[str, list[ev.Event]]) -> None:
    """What was really done, against what the journals say. Raises Broken."""
    if world.too_early:
        raise Broken(f"work was done before it was durable: {world.too_early[:3]}")
    if world.too_late:
        raise Broken(f"calls were made again after they had been kept: {world.too_late[:3]}")
    for run_id, events in journals.items():
        for event in events:
            fact = event.fact
            if type(fact) is ev.StepKept:
                made = world.calls[f"{run_id}:{fact.step}", fact.key]
                if made == 0:
                    raise Broken(f"{run_id}: {fact.step} {fact.key} is kept but was never made")
                if made > 1 and not fact.repeated and not _sent_again(events, fact.step):
                    raise Broken(
                        f"{run_id}: {fact.step} {fact.key} was made {made} times, and the journal does not say so"
                    )


def _sent_again(events: Sequence[ev.Event], step: str) -> bool:
    """A later attempt or delivery of the step: the journal shows that its calls may have been made before."""
    return any(
        type(e.fact) is ev.StepScheduled and e.fact.step == step and (e.fact.delivery > 1 or e.fact.attempt > 1)
        for e in events
    )
