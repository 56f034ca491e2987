"""The laws of the engine, on random runs driven by hand: no shell, no I/O, only `settle`.

A driver plays the outside world: it picks a step in flight and lets something happen to it, lets time pass, repeats old news,
invents foreign news. After every settle the laws are asked.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine import events as ev
from penstock.engine import news
from penstock.engine.decide import Settled, next_wake, settle
from penstock.engine.fold import apply, fold
from penstock.engine.news import News
from penstock.engine.state import FOREVER, IN_FLIGHT, RunState, decided
from penstock.engine.workflow import parse
from penstock.testing.documents import random_document
from penstock.testing.simulation import check_journal, check_limits

SEEDS = st.integers(min_value=0, max_value=2**32)
MANY = settings(max_examples=250, deadline=None, derandomize=True)


class Driver:
    """One run and the world around it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.workflow = parse(random_document(self.rng, "parent"))
        self.now = 1_000.0
        self.journal: list[ev.Event] = []
        self.old: list[News] = []
        self.state = RunState("run-1", self.workflow)
        inputs = {"go": self.rng.random() < 0.5, "list": list(range(self.rng.randrange(5)))}
        created = ev.RunCreated("parent", 1, self.workflow.fingerprint, inputs)
        self.settle([news.Created(created), news.Checked([]), news.Admitted()])

    def settle(self, news: Sequence[News]) -> Settled:
        settled = settle(self.state, news, self.now)
        assert not settled.needs
        self.journal += settled.events
        self.old += news
        self.check()
        return settled

    def turn(self) -> None:
        """One thing happens."""
        rng, state = self.rng, self.state
        self.now += rng.random()
        flying = [s for s in state.steps.values() if s.status in IN_FLIGHT]
        asking = [s for s in state.steps.values() if s.status == "waiting" and s.ask]
        children = [s for s in state.steps.values() if s.status == "waiting" and s.child]
        what = rng.random()
        if what < 0.1 and self.old:
            self.settle([rng.choice(self.old)])
        elif what < 0.13:
            self.settle([news.Completed("nobody#1", 1, 1, None)])
        elif what < 0.16:
            self.settle([news.Released(rng.choice(("restart", "lease")))])
        elif flying and what < 0.85:
            step = rng.choice(flying)
            self.settle([self.outcome(step) for step in (step,)])
        elif asking and what < 0.95:
            self.settle([news.Answered(rng.choice(asking).id, {"decision": "approve"}, "someone")])
        elif children:
            step = rng.choice(children)
            status = rng.choice(("completed", "failed"))
            self.settle([news.ChildEnded(step.id, step.child["run"], status, {"x": 1})])  # type: ignore[index]
        elif state.status == "paused":
            self.settle([news.ResumeRequested("someone")])
        elif what > 0.995:
            self.settle([news.CancelRequested("someone")])
        elif (wake := next_wake(state)) is not None:
            self.now = max(self.now, wake)
            self.settle([])

    def outcome(self, step: Any) -> News:
        node = self.workflow.nodes[step.node]
        who = (step.id, step.attempt, step.delivery)
        match node.kind:
            case "wait":
                return news.Waiting(*who, until=self.now + self.rng.random() * 10)
            case "human":
                return news.Waiting(*who, until=self.now + 50, ask={"title": "?", "on_timeout": "approve"})
            case "subflow":
                return news.Waiting(*who, child={"workflow": "child"})
        chance = self.rng.random()
        if chance < 0.15:
            return news.Failed(*who, error={"code": "x", "message": "x", "retryable": chance < 0.12})
        if chance < 0.3:
            return news.Kept(*who, key=str(self.rng.randrange(3)), value=chance)
        if chance < 0.4:
            return news.Spend(*who, key=str(chance), cost={"tokens": self.rng.randrange(9)})
        if chance < 0.5:
            return news.Started(*who, started=self.now, claim=str(chance))
        return news.Completed(*who, output={"value": chance})

    def check(self) -> None:
        state = self.state
        # A fixed point: asked again at the same time, it says nothing.
        assert settle(state, [], self.now).events == []
        # Something will happen: work in flight, a time to wake, a question, a pause, or the end.
        if not state.terminal and state.status != "paused":
            assert state.in_flight or state.asking or next_wake(state) is not None, "left with nothing to wait for"
        # The bookkeeping equals a search.
        assert state.in_flight == sum(s.status in IN_FLIGHT for s in state.steps.values())
        assert state.waiting == sum(s.status in ("waiting", "retrying") for s in state.steps.values())
        assert state.asking == sum(s.status == "waiting" and s.ask is not None for s in state.steps.values())
        assert set(state.unsent) == {s.id for s in state.steps.values() if s.status == "unsent"}
        if not state.terminal and state.ending is None:
            ripe = {
                name
                for name, node in self.workflow.nodes.items()
                if state.nodes[name].status == "pending" and decided(node, state.nodes[name]) is not None
            }
            assert set(state.ripe) == ripe
            going = {name for name, one in state.nodes.items() if one.status == "active" and one.next < one.count}
            assert set(state.open) == going
            assert state.wake <= state.timers() or state.wake == FOREVER == state.timers()
        if self.journal:
            check_limits(state, self.journal[-1])


def drive(seed: int) -> Driver:
    driver = Driver(seed)
    for _ in range(3_000):
        if driver.state.terminal:
            return driver
        driver.turn()
    raise AssertionError(f"seed {seed}: the run did not end")


@MANY
@given(SEEDS)
def test_every_run_ends_and_its_journal_keeps_the_laws(seed: int) -> None:
    driver = drive(seed)
    check_journal("run-1", driver.workflow, driver.journal)


@MANY
@given(SEEDS)
def test_a_state_is_the_fold_of_its_journal(seed: int) -> None:
    driver = Driver(seed)
    for _ in range(40):
        driver.turn()
        again = fold("run-1", driver.workflow, driver.journal)
        # `wake` is a bound, not a fact: asking at a quiet time may tighten it.
        for name in RunState.__slots__:
            if name not in ("wake", "workflow", "orphans", "charges"):
                assert getattr(again, name) == getattr(driver.state, name), name


@MANY
@given(SEEDS)
def test_facts_survive_the_codec(seed: int) -> None:
    for event in drive(seed).journal:
        wire = orjson.loads(orjson.dumps(ev.event_dict(event)))
        assert ev.event_from_dict(wire) == event


@MANY
@given(SEEDS, st.integers(0, 60))
def test_old_news_changes_nothing(seed: int, turns: int) -> None:
    driver = Driver(seed)
    for _ in range(turns):
        driver.turn()
    state = driver.state
    head = state.head
    ended = [n for n in driver.old if isinstance(n, news.StepNews)]
    for piece in ended:
        step = state.steps.get(piece.step)
        if step is not None and (step.attempt, step.delivery) == (piece.attempt, piece.delivery):
            continue  # not old yet
        assert settle(state, [piece], driver.now).events == []
    for foreign in ("ghost#1", "n0#99", "n0#1.77"):
        for piece in (
            news.Completed(foreign, 1, 1),
            news.Failed(foreign, 1, 1),
            news.Kept(foreign, 1, 1, "k", 1),
        ):
            assert settle(state, [piece], driver.now).events == []
    assert state.head == head


@MANY
@given(SEEDS)
def test_a_terminal_run_never_changes(seed: int) -> None:
    driver = drive(seed)
    late = [*driver.old, news.CancelRequested("late"), news.ResumeRequested("late"), news.Released("restart")]
    assert settle(driver.state, late, driver.now + 1e6).events == []


def test_a_gap_in_the_journal_is_refused() -> None:
    driver = drive(3)
    state = RunState("run-1", driver.workflow)
    apply(state, driver.journal[0])
    with pytest.raises(ValueError, match="after 1"):
        apply(state, driver.journal[2])


def test_an_unknown_event_is_an_error_with_a_code() -> None:
    with pytest.raises(Exception, match="unknown here") as caught:
        ev.decode("step.teleported", {})
    assert caught.value.code == "journal.unknown_event"  # type: ignore[attr-defined]
