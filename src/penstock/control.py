"""The shell round the engine: the only code that writes journals.

Each live run has a mailbox. News is put into it with `tell` (or `advance`, which also waits); the pump takes every mailbox
that has news, asks the engine what follows, and commits all of it in one transaction, guarded by each journal's head. While
a commit is under way, news gathers: so the busier it gets, the larger the groups. After the commit, and only then, its
effects happen: work is published, watchers are told, children begin, parents hear of their end.

Everything here can be lost at any moment and is put right by asking again. A state is a cache of the journal: when a commit
finds that the journal has moved on, or fails, the state is thrown away, the journal is read, and the same news is taken in
again; news that has become stale says nothing. A run nobody speaks of is asked again when its wake-up comes (`sweep`), and
what was in flight when a process died is sent again at the next start (`recover`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .engine import events as ev
from .engine import guard, news
from .engine.asks import asked_at, check_answer
from .engine.decide import next_wake, settle
from .engine.fold import apply
from .engine.news import News
from .engine.state import IN_FLIGHT, RunState, Step
from .engine.workflow import Workflow
from .errors import Conflict, Invalid, NotFound, PenstockError, Unavailable
from .ports import Artifacts, Bus, Charge, Clock, Commit, Journal, Message, RunRow, Runs, Work
from .purse import Purse
from .spill import Values, is_big, spills

log = logging.getLogger("penstock.control")

POLL = 1.0  # seconds between looks at what is due; within a process timers are exact
CACHED = 2_000  # idle runs whose state is kept in memory
RECOUNT = 30  # sweeps between two looks at what other processes have done with our runs
RUNNING = 512  # runs in progress at once in one process; the others wait as `queued`, in the journal alone
DEPTH = 10  # sub-workflows within sub-workflows

T = TypeVar("T")
Watcher = Callable[[list[ev.Event], RunState], None]
Listener = Callable[[str, dict[str, Any]], None]
Versions = Callable[[str, str, int], Awaitable[tuple[int, Workflow]]]  # group, slug, number (0: the newest)


@dataclass(slots=True, eq=False)
class _Mailbox:
    run_id: str
    state: RunState | None = None
    row: RunRow | None = None
    news: list[tuple[News, asyncio.Future[Sequence[ev.Fact]] | None]] = field(default_factory=list)
    busy: bool = False
    ask: bool = False  # look again even without news
    failures: int = 0
    timer: asyncio.TimerHandle | None = None
    timer_at: float = float("inf")


@dataclass(slots=True, eq=False)
class _Turn:
    """What one mailbox wants committed, and who hears of it."""

    mailbox: _Mailbox
    head: int
    news: list[tuple[News, asyncio.Future[Sequence[ev.Fact]] | None]]
    events: list[ev.Event]
    heard: list[Sequence[ev.Fact]]


@dataclass(slots=True)
class Start:
    """What a run is started with. `run_id` is given where starting twice must be starting once."""

    workflow: Workflow
    version: int
    inputs: Any
    mode: str = "full_run"
    limits: dict[str, Any] | None = None
    group: str = "default"
    actor: str = "local"
    parent: dict[str, Any] | None = None
    depth: int = 0
    tree: dict[str, Any] | None = None
    trace: str | None = None
    problems: list[dict[str, Any]] | None = None
    report: dict[str, Any] | None = None
    run_id: str | None = None


class Control:
    def __init__(
        self,
        journal: Journal,
        runs: Runs,
        bus: Bus,
        artifacts: Artifacts,
        versions: Versions,
        clock: Clock,
        new_id: Callable[[], str],
        running: int = RUNNING,
        shared: bool = False,
        purse: Purse | None = None,
        policies: Callable[[str], Sequence[dict[str, Any]]] = lambda group: (),
        inputs: Callable[[RunState, Workflow, Any], Awaitable[Any]] | None = None,
    ) -> None:
        """`shared`: other processes write the same journal, so what is cached may be old. `purse` knows the limits that runs
        share; `policies` those of a group, which go with its work; `inputs` are those of a run that another one begins
        (parent, workflow, inputs), as they may be journalled, or it raises."""
        self.journal = journal
        self.runs = runs
        self.bus = bus
        self.artifacts = artifacts
        self.clock = clock
        self._versions = versions
        self._new_id = new_id
        self._places = running
        self._shared = shared
        self._purse = purse
        self._policies = policies
        self._inputs = inputs
        self._listeners: dict[str, list[Listener]] = {}
        self._running: set[str] = set()
        self._queued = True  # there may be runs waiting for a place
        self._boxes: OrderedDict[str, _Mailbox] = OrderedDict()
        self._ready: dict[_Mailbox, None] = {}
        self._pumping = False
        self._watchers: dict[str, list[Watcher]] = {}
        self._everything: list[Watcher] = []
        self._values = Values(artifacts)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    # --------------------------------------------------------------------------------------------- for callers

    async def start(self, start: Start) -> str:
        """Create a run and, where there is room, begin it. Returns its id once it is durable; a caller that goes away before
        that does not stop it half way."""
        return await asyncio.shield(self._spawn(self._start(start)))

    async def _start(self, start: Start) -> str:
        run_id = start.run_id or self._new_id()
        now = self.clock()
        inputs = start.inputs
        if is_big(inputs):
            inputs = await self._values.put(inputs)
        created = ev.RunCreated(
            workflow=start.workflow.name,
            version=start.version,
            fingerprint=start.workflow.fingerprint,
            inputs=inputs,
            group=start.group,
            actor=start.actor,
            mode=start.mode,
            limits=start.limits,
            parent=start.parent,
            depth=start.depth,
            tree=start.tree,
            trace=start.trace,
        )
        state = RunState(run_id, start.workflow)
        first: list[News] = [news.Created(created), news.Checked(start.problems or [], start.report)]
        if self._has_place():
            self._running.add(run_id)
            first.append(news.Admitted())
        else:
            self._queued = True
        box = _Mailbox(run_id, state, busy=True)
        turn = _Turn(box, 0, [(n, None) for n in first], [], [])
        await self._settle_slowly(turn, now)
        try:
            made = await self.journal.create(self._commit_of(turn))
        except BaseException:
            self._running.discard(run_id)
            raise
        if not made:
            if run_id not in self._boxes:  # else it is the one that was begun before, and goes on
                self._running.discard(run_id)
            return run_id
        if state.status != "queued" and not state.terminal:
            self._boxes[run_id] = box
        await self._committed([turn])
        return run_id

    def tell(self, run_id: str, piece: News) -> None:
        """News for a run; taken in soon, and again after a failure of the store."""
        self._put_news(run_id, piece, None)

    async def advance(self, run_id: str, piece: News) -> Sequence[ev.Fact]:
        """News for a run; returns, once they are durable, the facts it led to. None means that it was not news.
        Raises NotFound, or Unavailable when the store fails or (code `control.closed`) no more turns are taken."""
        future: asyncio.Future[Sequence[ev.Fact]] = asyncio.get_running_loop().create_future()
        self._put_news(run_id, piece, future)
        return await future

    async def cancel(self, run_id: str, actor: str, reason: str | None = None) -> None:
        """Raises Conflict, code `run.ended`, when it is over already."""
        if not await self.advance(run_id, news.CancelRequested(actor, reason)):
            raise Conflict(f"run {run_id} is over or ending already", code="run.ended")

    async def pause(self, run_id: str, actor: str) -> None:
        if not await self.advance(run_id, news.PauseRequested(actor)):
            raise Conflict(f"run {run_id} is not running", code="run.not_running")

    async def resume(self, run_id: str, actor: str, edits: dict[str, Any] | None = None) -> None:
        """Go on after a pause; `edits` replaces step inputs. Raises Conflict, code `run.not_paused`."""
        if edits:
            state = await self.state(run_id)
            if unknown := [name for name in edits if name not in state.steps]:
                raise Invalid(f"no such open step: {', '.join(unknown)}", code="run.unknown_step")
        if not await self.advance(run_id, news.ResumeRequested(actor, edits)):
            raise Conflict(f"run {run_id} is not paused", code="run.not_paused")

    async def answer(
        self, run_id: str, step: str, decision: str, actor: str, comment: str | None = None, fields: Any = None
    ) -> None:
        """A person's answer to a `human` step. Raises NotFound (no such question), Invalid (not one of the choices, or the
        comment is missing), Conflict (code `approval.decided`)."""
        ask = asked_at(await self.state(run_id), step)
        if ask is None:
            was_asked = any(e.kind == "step.waiting" and e.fact.step == step for e in await self.journal.read(run_id))
            # Asked for again, later than the journal was read: what was a question there and is none here is decided.
            ask = asked_at(await self.state(run_id), step)
            if ask is None and was_asked:
                raise Conflict("this question has been decided already", code="approval.decided")
            if ask is None:
                raise NotFound(f"run {run_id} asks nothing at {step}", code="approval.not_found")
        check_answer(ask, decision, comment)
        answer = {"decision": decision, "comment": comment, "fields": fields, "by": actor, "timed_out": False}
        if not await self.advance(run_id, news.Answered(step, answer, actor)):
            raise Conflict("this question has been decided already", code="approval.decided")

    async def fork(
        self, run_id: str, at: int, actor: str, edits: dict[str, Any] | None = None, fork_id: str | None = None
    ) -> str:
        """A new run with the first `at` events of this one, going on by itself from there with `edits` to step inputs.
        `fork_id` is given where forking twice must be forking once. Raises NotFound; Invalid (code `fork.bad_seq`) where
        there is nothing to go on from."""
        return await asyncio.shield(self._spawn(self._fork(run_id, at, actor, edits, fork_id)))

    async def _fork(self, run_id: str, at: int, actor: str, edits: dict[str, Any] | None, fork_id: str | None) -> str:
        history = await self.journal.read(run_id, 0, at)
        if not history:
            raise NotFound(f"no run {run_id}", code="run.not_found")
        created = history[0].fact
        _, workflow = await self._versions(created.group, created.workflow, created.version)
        fork_id = fork_id or self._new_id()
        state = RunState(fork_id, workflow)
        mine = replace(created, parent=None, actor=actor)
        history = [ev.Event(history[0].seq, history[0].at, mine), *history[1:]]
        for event in history:
            apply(state, event)
        if len(history) < at or state.terminal or state.started_at is None:
            raise Invalid(
                f"run {run_id} cannot be forked at {at}: choose an event after its start and before its end",
                code="fork.bad_seq",
            )
        if unknown := [name for name in edits or {} if name not in state.steps]:
            open_steps = ", ".join(state.steps) or "none"
            raise Invalid(
                f"at {at} these steps are not open: {', '.join(unknown)} (open: {open_steps})", code="fork.bad_edit"
            )
        state.charges.clear()  # what was spent before was spent by the other run
        box = _Mailbox(fork_id, state, busy=True)
        forked = news.Forked(ev.RunForked(run_id, at, actor, edits or None))
        turn = _Turn(box, 0, [(forked, None)], [], [])
        self._running.add(fork_id)
        await self._settle_slowly(turn, self.clock())
        said = list(turn.events)
        turn.events = [*history, *said]
        commit = self._commit_of(turn)
        commit.row.created_at = (
            state.updated_at
        )  # in the list a fork stands where it was made, not where its history began
        if not await self.journal.create(commit):
            if fork_id not in self._boxes:
                self._running.discard(fork_id)
            return fork_id
        turn.events = said
        self._boxes[fork_id] = box
        await self._committed([turn])
        return fork_id

    async def state(self, run_id: str) -> RunState:
        """The state as it is now; to be read, not kept. Raises NotFound."""
        box = self._boxes.get(run_id)
        if box is not None and box.state is not None and not box.busy:
            state = box.state
            if not self._shared or (await self.runs.row(run_id)).head == state.head:
                return state
        return await self._load(run_id)

    def watch(self, run_id: str | None, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` after each commit of this run (None: of any run). Returns what ends it."""
        watchers = self._everything if run_id is None else self._watchers.setdefault(run_id, [])
        watchers.append(watcher)

        def stop() -> None:
            watchers.remove(watcher)
            if run_id is not None and not watchers:
                self._watchers.pop(run_id, None)

        return stop

    def live(self, run_id: str, step_id: str, data: dict[str, Any]) -> None:
        """Something of the moment, from a step: passed on to those who listen now, and forgotten."""
        for listener in self._listeners.get(run_id, ()):
            listener(step_id, data)

    def watched(self, run_id: str) -> bool:
        """Whether anyone listens to what steps of this run say for the moment."""
        return run_id in self._listeners

    def listen(self, run_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener(step, data)` with what steps of this run say for the moment. Returns what ends it."""
        listeners = self._listeners.setdefault(run_id, [])
        listeners.append(listener)

        def stop() -> None:
            listeners.remove(listener)
            if not listeners and self._listeners.get(run_id) is listeners:
                del self._listeners[run_id]

        return stop

    async def wait(self, run_id: str, until: Callable[[RunState], bool] | None = None) -> RunState:
        """The state in which the run ended, or in which `until` held. Raises NotFound."""
        reached: asyncio.Future[RunState] = asyncio.get_running_loop().create_future()

        def watcher(events: list[ev.Event], state: RunState) -> None:
            if (state.terminal or (until is not None and until(state))) and not reached.done():
                reached.set_result(state)

        stop = self.watch(run_id, watcher)
        try:
            state = await self.state(run_id)
            if state.terminal or (until is not None and until(state)):
                return state
            while True:  # another process may be the one that ends it: then only the journal says so
                done, _ = await asyncio.wait([reached], timeout=POLL)
                if done:
                    return reached.result()
                if (await self.runs.row(run_id)).status in ("completed", "failed", "cancelled"):
                    return await self._load(run_id)
        finally:
            stop()

    # -------------------------------------------------------------------------------------------- housekeeping

    async def recover(self) -> int:
        """At the start of the only process there is: whatever was in flight is with nobody. Returns how many runs that were."""
        found, cursor = 0, None
        while True:
            page = await self.runs.list(None, cursor=cursor, limit=500, status="running")
            for row in page.items:
                found += 1
                self._running.add(row.run_id)
                self.tell(row.run_id, news.Released("restart"))
            cursor = page.cursor
            if cursor is None:
                return found

    async def sweep(self) -> None:
        """Ask again every run whose wake-up has come, re-send what a crash kept from the bus, and let queued runs in."""
        now = self.clock()
        for run_id in await self.journal.due(now, 200):
            box = self._box(run_id)
            if not box.busy:
                self._make_ready(box, ask=True)
        stranded = await self.journal.outbox(200)
        for run_id, _ in stranded:
            state = await self.state(run_id)
            await self.bus.publish(self._work_of(state, [s for s in state.steps.values() if s.status == "scheduled"]))
        await self.journal.sent(stranded)
        await self._admit()

    async def run(self) -> None:
        """Sweep for ever."""
        for turn in itertools.count(1):
            if self._closed:
                return
            try:
                await self.sweep()
                if self._shared and turn % RECOUNT == 0:
                    await self._recount()
            except PenstockError as error:
                log.warning("sweep failed: %s", error.message)
            except Exception:
                log.exception("sweep failed")
            await asyncio.sleep(POLL)

    async def close(self) -> None:
        """Stop taking turns; what is being committed is finished. Callers whose news no turn will take get Unavailable, code
        `control.closed`."""
        self._closed = True
        for box in self._boxes.values():
            if box.timer is not None:
                box.timer.cancel()
            if box not in self._ready:
                self._refuse(box)
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _admit(self) -> None:
        while self._queued and self._has_place() and not self._closed:
            places = self._places - len(self._running)
            waiting = await self.journal.due(self.clock(), places, queued=True)
            fresh = [run_id for run_id in waiting if run_id not in self._running]
            if len(waiting) < places:
                self._queued = False
            for run_id in fresh:
                self._running.add(run_id)
                self._spawn(self._admit_one(run_id))
            if not fresh:
                return

    async def _admit_one(self, run_id: str) -> None:
        if not await self.advance(run_id, news.Admitted()):  # another process was faster, or it has been cancelled
            self._running.discard(run_id)

    async def _recount(self) -> None:
        """Places of runs that another process has ended or put to wait are free again, and runs it left queued are seen."""
        self._queued = True
        for run_id in list(self._running):
            box = self._boxes.get(run_id)
            if box is not None and box.busy:
                continue
            if (await self.runs.row(run_id)).status != "running":
                self._running.discard(run_id)
                if box is not None and not box.busy:
                    self._forget(box)

    def _has_place(self) -> bool:
        return len(self._running) < self._places

    # --------------------------------------------------------------------------------------------------- turns

    def _put_news(self, run_id: str, piece: News, future: asyncio.Future[Sequence[ev.Fact]] | None) -> None:
        if self._closed:
            if future is not None:
                future.set_exception(_closed())
            return
        box = self._box(run_id)
        box.news.append((piece, future))
        if not box.busy:
            self._make_ready(box)

    def _box(self, run_id: str) -> _Mailbox:
        box = self._boxes.get(run_id)
        if box is None:
            box = self._boxes[run_id] = _Mailbox(run_id)
        return box

    def _make_ready(self, box: _Mailbox, ask: bool = False) -> None:
        box.ask = box.ask or ask
        if self._closed and not self._pumping:
            self._refuse(box)
            return
        self._ready[box] = None
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _refuse(self, box: _Mailbox) -> None:
        """No turn will take the news of this mailbox: its callers are told so."""
        refused, box.news = box.news, []
        for _, future in refused:
            if future is not None and not future.done():
                future.set_exception(_closed())

    def _pump(self) -> None:
        """Take a turn with every mailbox that is ready, and commit them together."""
        self._pumping = False
        ready, self._ready = self._ready, {}
        now = self.clock()
        turns: list[_Turn] = []
        for box in ready:
            box.busy = True
            turn = self._begin(box)
            if box.state is None or (turn.news == [] and _waits_for_child(box.state)) or self._shares(turn):
                self._spawn(self._turn_slowly(turn))
                continue
            try:
                if self._settle(turn, now) or any(spills(e.fact) for e in turn.events):
                    self._spawn(self._turn_slowly(turn))
                    continue
            except Exception as error:
                self._broken(turn, error)
                continue
            turns.append(turn)
        if turns:
            self._spawn(self._commit(turns))

    def _shares(self, turn: _Turn) -> bool:
        """Whether money is asked for that other runs spend too: then what they have left of it must be looked up."""
        return self._purse is not None and any(type(piece) is news.Spend for piece, _ in turn.news)

    def _begin(self, box: _Mailbox) -> _Turn:
        heard, box.news, box.ask = box.news, [], False
        return _Turn(box, box.state.head if box.state else 0, heard, [], [])

    def _settle(self, turn: _Turn, now: float) -> set[str]:
        """Ask the engine; returns the values it needs to go on, if any."""
        state = turn.mailbox.state
        assert state is not None
        settled = settle(state, [n for n, _ in turn.news[len(turn.heard) :]], now, self._values.known)
        turn.events += settled.events
        turn.heard += settled.heard
        return settled.needs

    async def _settle_slowly(self, turn: _Turn, now: float) -> None:
        """Settle, fetching what is needed and storing what is too big for the journal."""
        while needs := self._settle(turn, now):
            await self._values.fetch(needs)
        state = turn.mailbox.state
        assert state is not None
        for event in turn.events:
            if spills(event.fact):
                await self._values.spill(state, event.fact)

    async def _turn_slowly(self, turn: _Turn) -> None:
        box = turn.mailbox
        try:
            if box.state is None:
                box.state = await self._load(box.run_id)
                turn.head = box.state.head
            if _waits_for_child(box.state):
                turn.news += [(n, None) for n in await self._children_of(box.state)]
            if self._purse is not None and self._shares(turn):
                rooms = await self._purse.rooms(box.state)
                for piece, _ in turn.news:
                    if type(piece) is news.Spend:
                        piece.rooms = rooms
            await self._settle_slowly(turn, self.clock())
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._broken(turn, error)
            return
        await self._commit([turn])

    async def _commit(self, turns: list[_Turn]) -> None:
        """Make the turns durable and carry out their effects; those that came too late are taken again."""
        writing = [t for t in turns if t.events or t.mailbox.row is None or self._wake_moved(t) or self._doubtful(t)]
        commits = [self._commit_of(turn) for turn in writing]
        try:
            results = await self.journal.commit(commits) if commits else []
        except Exception as error:
            for turn in turns:
                self._broken(turn, error)
            return
        late = {id(turn) for turn, ok in zip(writing, results, strict=True) if not ok}
        for turn in turns:
            if id(turn) in late:
                self._take_again(turn)
        await self._committed([t for t in turns if id(t) not in late])

    def _doubtful(self, turn: _Turn) -> bool:
        """Whether something was no news to a state that may be old: a commit without events says whether it is."""
        return self._shared and not all(turn.heard)

    def _wake_moved(self, turn: _Turn) -> bool:
        return turn.mailbox.timer_at != _wake(turn)

    def _commit_of(self, turn: _Turn) -> Commit:
        box, state = turn.mailbox, turn.mailbox.state
        assert state is not None
        row = box.row
        if row is None:
            parent = state.parent["run"] if state.parent else None
            row = box.row = RunRow(
                state.run_id,
                state.group,
                state.workflow.name,
                state.version,
                state.shown,
                state.mode,
                state.actor,
                state.created_at,
                state.updated_at,
                parent,
            )
        row.status, row.updated_at, row.head = state.shown, state.updated_at, state.head
        row.error = str(state.error["code"]) if state.error else None
        row.asks = state.asks() if state.asking else None
        outbox: tuple[int, ...] = ()
        if self.bus.durable:
            outbox = tuple(e.seq for e in turn.events if type(e.fact) is ev.StepScheduled)
        charges: tuple[Charge, ...] = ()
        if state.charges:
            charges = self._purse.charges(state) if self._purse is not None else ()
            state.charges.clear()
        return Commit(state.run_id, turn.head, turn.events, row, next_wake(state), outbox, charges)

    async def _committed(self, turns: list[_Turn]) -> None:
        messages: list[Message] = []
        for turn in turns:
            messages += self._effects(turn)
        if messages:
            await self.bus.publish(messages)
            if self.bus.durable:
                await self.journal.sent(
                    [(t.mailbox.run_id, e.seq) for t in turns for e in t.events if type(e.fact) is ev.StepScheduled]
                )
        for turn in turns:
            self._finish(turn)

    def _finish(self, turn: _Turn) -> None:
        box = turn.mailbox
        box.busy, box.failures = False, 0
        self._set_timer(box)
        if box.news or box.ask:
            self._make_ready(box)
        elif box.state is None or box.state.terminal:
            self._forget(box)
        elif box.state.shown != "running" and self._boxes.get(box.run_id) is box:
            self._boxes.move_to_end(box.run_id)
            if len(self._boxes) > CACHED:
                self._evict()
        for (_, future), facts in zip(turn.news, turn.heard, strict=True):
            if future is not None and not future.done():
                future.set_result(facts)

    def _evict(self) -> None:
        """Forget the longest idle runs: their next news reads them again."""
        for box in list(self._boxes.values())[: len(self._boxes) - CACHED]:
            if not box.busy and not box.news and box.state is not None and box.state.shown != "running":
                self._forget(box)

    def _forget(self, box: _Mailbox) -> None:
        if box.timer is not None:
            box.timer.cancel()
        if self._boxes.get(box.run_id) is box:
            del self._boxes[box.run_id]

    def _take_again(self, turn: _Turn) -> None:
        """Somebody else moved the journal on: read it and take the same news in again."""
        box = turn.mailbox
        box.state = box.row = None
        box.news = turn.news + box.news
        box.busy = False
        self._make_ready(box, ask=True)

    def _broken(self, turn: _Turn, error: Exception) -> None:
        """The store failed, or the engine did. Callers that wait are told; other news is taken in again, later and later."""
        box = turn.mailbox
        box.state = box.row = None
        kept = []
        for piece, future in turn.news:
            if future is None:
                kept.append((piece, None))
            elif not future.done():
                future.set_exception(error if isinstance(error, PenstockError) else _store_failed(error))
        box.news = kept + box.news
        box.failures += 1
        if isinstance(error, NotFound) or not (box.news or box.failures):
            box.busy = False
            self._running.discard(box.run_id)
            self._forget(box)
            return
        if box.failures in (1, 10):
            log.error("run %s: a turn failed %d times", box.run_id, box.failures, exc_info=error)

        def again() -> None:
            box.busy = False
            self._make_ready(box, ask=True)

        asyncio.get_running_loop().call_later(min(0.1 * 2**box.failures, 30.0), again)

    def _set_timer(self, box: _Mailbox) -> None:
        """Wake-ups that come before the next sweep are kept by the loop, to the millisecond."""
        state = box.state
        wake = next_wake(state) if state is not None and state.status != "queued" else None
        wake = float("inf") if wake is None else wake
        if box.timer is not None:
            if wake == box.timer_at:
                return
            box.timer.cancel()
            box.timer = None
        box.timer_at = wake
        if (left := wake - self.clock()) < 2 * POLL and not self._closed:
            box.timer = asyncio.get_running_loop().call_later(max(left, 0.0), self._timer_rang, box)

    def _timer_rang(self, box: _Mailbox) -> None:
        box.timer = None
        if self._boxes.get(box.run_id) is box:
            if box.busy:
                box.ask = True
            else:
                self._make_ready(box, ask=True)

    # ------------------------------------------------------------------------------------------------- effects

    def _effects(self, turn: _Turn) -> list[Message]:
        """What the committed events bring about; the messages among it are returned."""
        state = turn.mailbox.state
        assert state is not None
        messages: list[Message] = []
        scheduled: list[Step] = []
        for event in turn.events:
            kind = type(event.fact)
            if kind is ev.StepScheduled:
                step = state.steps.get(event.fact.step)
                if step is not None and step.status == "scheduled" and step.delivery == event.fact.delivery:
                    scheduled.append(step)
            elif kind is ev.RunEnding:
                held = [s.id for s in state.steps.values() if s.status in IN_FLIGHT]
                messages.append(_stop(state.run_id, held))
            elif kind is ev.StepCancelled:
                messages.append(_stop(state.run_id, [event.fact.step]))
            elif kind is ev.StepWaiting and event.fact.child is not None:
                self._spawn(self._start_child(state, event.fact.step, event.fact.child))
        if scheduled:
            messages += self._work_of(state, scheduled)
        for (piece, _), facts in zip(turn.news, turn.heard, strict=True):
            if type(piece) is news.Alive:  # who holds what is not wanted any more has missed being told: once more
                wanted = {name for fact in facts if type(fact) is ev.StepsAlive for name in fact.steps}
                if unwanted := [name for name, _, _ in piece.steps if name not in wanted]:
                    messages.append(_stop(state.run_id, unwanted))
        while state.orphans:
            self._spawn(self._cancel_child(state.orphans.pop()))
        if turn.events:
            if state.shown == "running":
                self._running.add(state.run_id)
            elif state.run_id in self._running and state.status != "queued":
                self._running.discard(state.run_id)
                if self._queued:
                    self._spawn(self._admit())
            if state.terminal and self._purse is not None and state.tree is None:
                self._spawn(self._purse.close(state))
            if state.terminal and state.parent is not None:
                self.tell(
                    state.parent["run"],
                    news.ChildEnded(state.parent["step"], state.run_id, state.status, state.outputs, state.error),
                )
            for watcher in (*self._watchers.get(state.run_id, ()), *self._everything):
                watcher(turn.events, state)
        return messages

    def _work_of(self, state: RunState, steps: Sequence[Step]) -> list[Message]:
        messages = []
        for step in steps:
            node = state.workflow.nodes[step.node]
            work = Work(
                run_id=state.run_id,
                step_id=step.id,
                node=step.node,
                kind=node.kind,
                group=state.group,
                input=step.input,
                attempt=step.attempt,
                delivery=step.delivery,
                key=f"{state.run_id}:{step.id}",
                again=step.losses > 0,
                timeout=node.timeout,
                kept=step.kept or {},
                run=guard.about(state),
                policies=self._policies(state.group),
                limits=guard.bounds(state, node),
            )
            if node.kind == "plan":
                messages.append(Message("plan-requests", state.run_id, work))
            else:
                messages.append(Message("task-requests", state.run_id, work))
        return messages

    # ------------------------------------------------------------------------------------------------ children

    async def _start_child(self, parent: RunState, step: str, child: dict[str, Any]) -> None:
        """Begin the run of a `subflow` step; done twice it is done once, since its id is given."""
        where = {"run": parent.run_id, "step": step}
        try:
            if parent.depth + 1 > DEPTH:
                raise Invalid(f"sub-workflows go {DEPTH} deep at most", code="subflow.too_deep")
            version, workflow = await self._versions(parent.group, child["workflow"], child.get("version") or 0)
            inputs = child.get("inputs") or {}
            if self._inputs is not None:
                inputs = await self._inputs(parent, workflow, inputs)
            await self.start(
                Start(
                    workflow=workflow,
                    version=version,
                    inputs=inputs,
                    mode=parent.mode,
                    group=parent.group,
                    actor=parent.actor,
                    parent=where,
                    depth=parent.depth + 1,
                    tree=parent.tree or guard.tree_of(parent),
                    trace=parent.trace,
                    run_id=child["run"],
                )
            )
        except PenstockError as error:
            self.tell(parent.run_id, news.ChildEnded(step, child["run"], "refused", None, error.to_dict()))

    async def _children_of(self, state: RunState) -> list[News]:
        """What has become of the children this run waits for; one that was never begun is begun."""
        heard: list[News] = []
        for step in list(state.steps.values()):
            if step.status != "waiting" or step.child is None:
                continue
            try:
                row = await self.runs.row(step.child["run"])
            except NotFound:
                await self._start_child(state, step.id, step.child)
                continue
            if row.status in ("completed", "failed", "cancelled"):
                child = await self._load(row.run_id)
                heard.append(news.ChildEnded(step.id, child.run_id, child.status, child.outputs, child.error))
        return heard

    async def _cancel_child(self, run_id: str) -> None:
        try:
            await self.cancel(run_id, "parent", "the run it belongs to has ended")
        except PenstockError:
            return

    # -------------------------------------------------------------------------------------------------- values

    async def _load(self, run_id: str) -> RunState:
        events = await self.journal.read(run_id)
        if not events:
            raise NotFound(f"no run {run_id}", code="run.not_found")
        created = events[0].fact
        _, workflow = await self._versions(created.group, created.workflow, created.version)
        state = RunState(run_id, workflow)
        for event in events:
            apply(state, event)
        state.charges.clear()  # they went with their commits
        return state

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, PenstockError):
            log.error("control task failed", exc_info=error)


def _wake(turn: _Turn) -> float:
    state = turn.mailbox.state
    wake = next_wake(state) if state is not None else None
    return float("inf") if wake is None else wake


def _waits_for_child(state: RunState) -> bool:
    return state.waiting > 0 and any(s.child is not None for s in state.steps.values())


def _stop(run_id: str, steps: list[str]) -> Message:
    return Message("state-updates", run_id, {"stop": steps})


def _closed() -> Unavailable:
    return Unavailable("this process is stopping and accepts no more requests: try again", code="control.closed")


def _store_failed(error: Exception) -> Unavailable:
    return Unavailable(f"the journal could not be written: {type(error).__name__}", code="journal.unavailable")
