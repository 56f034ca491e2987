"""The view of a run: what people see, and that it says the same as the state the engine decides by."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from penstock.engine import events as ev
from penstock.engine.fold import fold
from penstock.engine.record import rfc3339
from penstock.engine.view import RunView
from penstock.testing.simulation import live


def view(*facts: Any, start: float = 1_700_000_000.0) -> RunView:
    """The view after these facts, one each second."""
    created = ev.RunCreated("flow", 3, "f" * 64, {"x": 1}, actor="ann")
    facts = (created, ev.RunChecked([]), ev.RunStarted(), *facts)
    return RunView.of([ev.Event(n, start + n, fact) for n, fact in enumerate(facts, 1)], "run-1")


@pytest.mark.parametrize("seed", range(40))
def test_the_view_agrees_with_the_state_after_every_event(seed):
    """Real lives, with retries, losses, loops, children, people and restarts in them."""
    life = live(seed)
    for run_id, journal in life.journals.items():
        workflow = life.workflows[journal[0].fact.workflow]
        seen = RunView(run_id)
        for count, event in enumerate(journal, 1):
            seen.apply(event)
            state = fold(run_id, workflow, journal[:count])
            shown = "validating" if count == 1 else state.shown
            assert seen.status == shown, (count, event)
            still = {step.id for step in seen.steps.values() if step.ended_at is None}
            assert still == set(state.steps), (count, event)
            for step in state.steps.values():
                mine = seen.steps[step.id]
                assert mine.status == {"unsent": "queued"}.get(step.status, step.status)
                assert mine.attempts[-1].delivery == step.delivery or step.status not in ("scheduled", "running")
                assert mine.input == step.input
            assert seen.spent["steps"] == state.steps_used
            assert (seen.tokens, seen.usd) == (state.tokens, state.usd)
            assert [s.id for s in seen.questions()] == [ask["step"] for ask in state.asks() or ()]
            assert (seen.outputs, seen.error) == (state.outputs, state.error)
        assert RunView.of(journal, run_id).to_dict() == seen.to_dict()
        assert all(s.status in ("completed", "failed", "cancelled") for s in seen.steps.values())
        for step in seen.steps.values():
            assert all(attempt.outcome is not None for attempt in step.attempts)
            assert all(pause.end is not None for pause in step.waits or ())
        for name, node in seen.nodes.items():
            assert sum(node.steps.values()) == sum(step.node == name for step in seen.steps.values())


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happened_can_be_written_down(seed):
    for run_id, journal in live(seed).journals.items():
        seen = RunView.of(journal, run_id)
        assert orjson.loads(orjson.dumps(seen.to_dict())) == json.loads(json.dumps(seen.to_dict()))
        trace = json.loads(seen.trace_json())
        assert [ev.event_from_dict(event) for event in trace["events"]] == journal
        assert {**trace, "events": None} == {**json.loads(json.dumps(seen.to_dict())), "events": None}
        assert json.loads(seen.metadata_json())["events"] == len(journal)
        assert seen.logs_text().count("\n") >= 2
        for row in seen.timeline()["rows"]:
            assert row["scheduled"] >= 0
            assert row["end"] >= row["scheduled"]


def test_an_event_out_of_order_is_refused():
    seen = view()
    with pytest.raises(ValueError, match="event 9 after 3"):
        seen.apply(ev.Event(9, 0.0, ev.RunStarted()))


def test_a_retried_step_shows_every_attempt_and_the_wait_between():
    error = {"code": "http.status", "message": "503", "retryable": True}
    seen = view(
        ev.StepScheduled("a#1", {"url": "x"}),
        ev.StepFailed("a#1", error, 1, 1_700_000_007.0, None, 1_700_000_004.5, "one"),
        ev.StepScheduled("a#1", None, 2, 1),
        ev.StepStarted("a#1", 1_700_000_006.25, "two"),
        ev.StepCompleted("a#1", {"ok": True}, 2),
    )
    step = seen.steps["a#1"]
    assert [(a.attempt, a.outcome, a.executor) for a in step.attempts] == [
        (1, "failed", "one"),
        (2, "completed", "two"),
    ]
    assert step.attempts[0].error == error
    row = seen.timeline()["rows"][0]
    assert (row["scheduled"], row["start"], row["end"], row["retries"]) == (3.0, 3.5, 7.0, 1)
    assert row["queued"] == 0.75
    assert row["waits"] == [{"why": "retry", "start": 4.0, "end": 5.0}]
    assert step.error is None


def test_a_lost_step_is_sent_again_as_another_delivery():
    seen = view(
        ev.StepScheduled("a#1"),
        ev.StepStarted("a#1", 1_700_000_004.0, "one"),
        ev.StepKept("a#1", "call", 7, 1, False),
        ev.StepsLost(["a#1"], "restart"),
        ev.StepScheduled("a#1", None, 1, 2),
        ev.StepKept("a#1", "other", 8, 1, True),
    )
    step = seen.steps["a#1"]
    assert [(a.delivery, a.outcome) for a in step.attempts] == [(1, "lost"), (2, None)]
    assert step.attempts[0].error == {"code": "step.lost", "message": "restart"}
    assert [(k["key"], k["repeated"], k["value"]) for k in step.kept or ()] == [("call", False, 7), ("other", True, 8)]
    assert seen.status == "running"


def test_a_run_that_only_waits_is_shown_as_waiting():
    seen = view(ev.StepScheduled("a#1"), ev.StepWaiting("a#1", None, None, {"title": "Go?"}))
    assert seen.status == "waiting"
    assert [step.id for step in seen.questions()] == ["a#1"]
    seen.apply(
        ev.Event(
            6,
            1_700_000_006.0,
            ev.StepCompleted("a#1", {"decision": "approve"}, answer={"actor": "bo", "at": 1_700_000_006.0}),
        )
    )
    assert seen.status == "running"
    assert seen.to_dict()["steps"][0]["answer"] == {"actor": "bo", "at": "2023-11-14T22:13:26.000Z"}


def test_a_retry_whose_time_has_come_waits_for_room():
    error = {"code": "x.y", "message": "broke", "retryable": True}
    seen = view(
        ev.StepScheduled("a#1"),
        ev.StepFailed("a#1", error, 1, 1_700_000_006.0),
        ev.StepsReady(["a#1"]),
        ev.StepScheduled("b#1"),
    )
    step = seen.steps["a#1"]
    assert (step.status, step.retry_at, seen.status) == ("queued", None, "running")
    assert seen.timeline()["rows"][0]["waits"] == [{"why": "retry", "start": 4.0, "end": 5.0}]


def test_a_step_whose_child_failed_has_failed_after_waiting():
    child = {"workflow": "w", "run": "run-2"}
    error = {"code": "subflow.failed", "message": "broke"}
    seen = view(ev.StepScheduled("a#1"), ev.StepWaiting("a#1", 1.0, None, None, child), ev.StepFailed("a#1", error))
    step = seen.steps["a#1"]
    assert (step.status, step.child, step.attempts[0].outcome, step.attempts[0].error) == (
        "failed",
        child,
        "failed",
        error,
    )
    assert seen.timeline()["rows"][0]["waits"] == [{"why": "child", "start": 4.0, "end": 5.0}]


def test_what_is_open_when_a_run_ends_was_cancelled():
    seen = view(
        ev.NodeOpened("each", 1, [1, 2], 2),
        ev.StepScheduled("each#1.0"),
        ev.StepScheduled("each#1.1"),
        ev.StepWaiting("each#1.0", 1_800_000_000.0),
        ev.RunEnding("cancelled", None, "ann", "enough"),
    )
    assert (seen.status, seen.steps["each#1.0"].status, seen.steps["each#1.1"].status) == (
        "running",
        "cancelled",
        "scheduled",
    )
    seen.apply(ev.Event(9, 1_700_000_009.0, ev.StepCancelled("each#1.1")))
    seen.apply(ev.Event(10, 1_700_000_010.0, ev.RunCancelled("ann", "enough")))
    assert seen.status == "cancelled"
    assert seen.nodes["each"].to_dict() == {
        "status": "cancelled",
        "visit": 1,
        "count": 2,
        "steps": {"cancelled": 2},
        "errors": [],
    }
    assert seen.error == {"code": "run.cancelled", "message": "enough"}


def test_artifacts_are_the_latest_of_each_name():
    def saved(digest: str) -> list[dict[str, Any]]:
        return [{"artifact": digest, "name": "out.txt", "size": 2, "mime": "text/plain"}]

    seen = view(
        ev.StepScheduled("a#1"),
        ev.StepCompleted("a#1", None, artifacts=saved("sha256:1")),
        ev.StepScheduled("a#2"),
        ev.StepCompleted("a#2", None, artifacts=saved("sha256:2")),
    )
    assert [(one["digest"], one["step"]) for one in seen.artifact_list()] == [("sha256:2", "a#2")]
    assert seen.steps["a#1"].artifacts == saved("sha256:1")


def test_money_is_exact_and_reservations_are_settled():
    seen = view(
        ev.StepScheduled("a#1"),
        ev.SpendReserved("a#1", "k", {"usd": "0.30", "tokens": 100}),
        ev.SpendSettled("a#1", "k", {"usd": "0.10", "tokens": 40}),
        ev.SpendReserved("a#1", "l", {"usd": "0.20"}),
    )
    assert seen.spent == {"tokens": 40, "usd": "0.30", "steps": 1}


def test_the_log_is_told_in_the_order_of_time():
    seen = view(
        ev.StepScheduled("a#1"),
        ev.StepNoted("a#1", [[1_700_000_004.5, "first\nsecond"], [1_700_000_004.75, "third"]]),
        ev.StepFailed("a#1", {"code": "x.y", "message": "broke"}),
        ev.RunEnding("failed", {"code": "x.y", "message": "broke"}),
        ev.RunFailed({"code": "x.y", "message": "broke"}),
    )
    assert seen.logs_text().splitlines() == [
        "2023-11-14T22:13:21.000Z  run  created: flow version 3, full_run, by ann",
        "2023-11-14T22:13:23.000Z  run  started",
        "2023-11-14T22:13:24.500Z  a#1  first",
        "2023-11-14T22:13:24.500Z  a#1  second",
        "2023-11-14T22:13:24.750Z  a#1  third",
        "2023-11-14T22:13:26.000Z  a#1  failed, attempt 1: x.y: broke",
        "2023-11-14T22:13:28.000Z  run  failed: x.y: broke",
    ]
    assert [line["text"] for line in seen.to_dict()["log"]] == ["first\nsecond", "third"]


def test_a_fork_says_where_it_comes_from_and_takes_up_what_was_open():
    seen = view(
        ev.StepScheduled("a#1", {"v": 1}),
        ev.StepScheduled("b#1", {"v": 2}),
        ev.StepWaiting("b#1", 1.0, None, None, {"workflow": "w", "run": "child-of-the-other"}),
        ev.RunForked("run-0", 6, "bo", {"a#1": {"v": 9}}),
    )
    assert seen.forked_from["run"] == "run-0"
    assert [(s.id, s.status, s.input, s.child) for s in seen.steps.values()] == [
        ("a#1", "queued", {"v": 9}, None),
        ("b#1", "queued", {"v": 2}, None),
    ]


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.1234, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000.9996, "2023-11-14T22:13:21.000Z"),
        (1e300, "9999-12-31T23:59:59.999Z"),
        (None, None),
    ],
)
def test_times_are_rfc_3339_with_milliseconds(at, text):
    assert rfc3339(at) == text
