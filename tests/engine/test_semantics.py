"""What a document means: small runs, played by hand, each one sentence of docs/workflow.md."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.engine import events as ev
from penstock.engine import news
from penstock.engine.decide import settle
from penstock.engine.news import News
from penstock.engine.state import IN_FLIGHT, LEASE, RunState
from penstock.engine.workflow import parse


class Play:
    """A run whose steps end when the test says so. Nodes may be written as kind-less dictionaries."""

    def __init__(
        self, nodes: dict[str, Any], edges: str = "", inputs: Any = None, mode: str = "full_run", **rest: Any
    ) -> None:
        document = {
            "penstock": 1,
            "name": "play",
            "nodes": {name: {"kind": "act", **node} for name, node in nodes.items()},
            "edges": [_edge(text) for text in edges.split(",") if text.strip()],
            **rest,
        }
        self.now = 1_000.0
        self.state = RunState("run-1", parse(document))
        self.journal: list[ev.Event] = []
        created = ev.RunCreated("play", 1, "f", inputs or {}, mode=mode)
        self.news(news.Created(created), news.Checked([]), news.Admitted())

    def news(self, *news: News) -> list[ev.Event]:
        said = settle(self.state, news, self.now).events
        self.journal += said
        return said

    def flying(self) -> list[str]:
        return [s.id for s in self.state.steps.values() if s.status in IN_FLIGHT]

    def done(self, *steps: str, output: Any = None, take: tuple[str, ...] | None = None) -> Play:
        for name in steps:
            step = self.state.steps[name]
            self.news(news.Completed(name, step.attempt, step.delivery, output, take))
        return self

    def fail(self, name: str, retryable: bool = False, code: str = "boom", detail: Any = None) -> Play:
        step = self.state.steps[name]
        error = {"code": code, "message": "boom", "retryable": retryable, "detail": detail}
        self.news(news.Failed(name, step.attempt, step.delivery, error))
        return self

    def wait(self, name: str, **what: Any) -> Play:
        step = self.state.steps[name]
        self.news(news.Waiting(name, step.attempt, step.delivery, **what))
        return self

    def after(self, seconds: float) -> list[ev.Event]:
        self.now += seconds
        return self.news()

    def nodes(self) -> dict[str, str]:
        return {name: node.status for name, node in self.state.nodes.items()}


def _edge(text: str) -> dict[str, Any]:
    ends, _, when = text.partition("?")
    source, target = (end.strip() for end in ends.split(">"))
    return {"from": source, "to": target, **({"when": f"${{{{ {when} }}}}"} if when else {})}


def test_nodes_without_a_way_in_begin_together_and_the_run_ends_when_all_have() -> None:
    play = Play({"a": {}, "b": {}}, outputs={"a": "${{ nodes.a.output }}"})
    assert play.flying() == ["a#1", "b#1"]
    play.done("a#1", output=7)
    assert not play.state.terminal
    play.done("b#1")
    assert (play.state.status, play.state.outputs) == ("completed", {"a": 7})


def test_join_all_waits_for_every_edge_and_runs_if_one_is_taken() -> None:
    play = Play({"a": {}, "b": {}, "c": {}}, "a>c, b>c ? false")
    play.done("a#1")
    assert play.flying() == ["b#1"]
    play.done("b#1")
    assert play.flying() == ["c#1"]


def test_a_node_no_edge_leads_to_is_skipped_and_so_are_those_after_it() -> None:
    play = Play({"a": {}, "b": {}, "c": {}}, "a>b ? false, b>c", outputs={"c": "${{ nodes.c.output }}"})
    play.done("a#1")
    assert play.nodes() == {"a": "completed", "b": "skipped", "c": "skipped"}
    assert (play.state.status, play.state.outputs) == ("completed", {"c": None})


def test_join_any_runs_once_at_the_first() -> None:
    play = Play({"a": {}, "b": {}, "c": {"join": "any"}}, "a>c, b>c")
    play.done("a#1")
    assert set(play.flying()) == {"b#1", "c#1"}
    play.done("b#1", "c#1")
    assert play.state.status == "completed"
    assert sum(e.kind == "step.scheduled" and e.fact.step.startswith("c#") for e in play.journal) == 1


@pytest.mark.parametrize(("join", "needed"), [("majority", 2), (2, 2), (3, 3)])
def test_join_majority_and_number(join: Any, needed: int) -> None:
    play = Play({"a": {}, "b": {}, "c": {}, "d": {"join": join}}, "a>d, b>d, c>d")
    for count, name in enumerate(("a#1", "b#1", "c#1"), 1):
        play.done(name)
        assert ("d#1" in play.flying()) == (count >= needed)


def test_a_majority_out_of_reach_is_skipped_at_once() -> None:
    play = Play({"a": {}, "b": {}, "c": {}, "d": {"join": "majority"}}, "a>d ? false, b>d ? false, c>d")
    play.done("a#1", "b#1")
    assert play.nodes()["d"] == "skipped"
    play.done("c#1")
    assert play.state.status == "completed"


def test_a_plan_chooses_its_successors() -> None:
    play = Play({"p": {}, "a": {}, "b": {}}, "p>a, p>b")
    play.done("p#1", take=("b",))
    assert play.flying() == ["b#1"]
    assert play.nodes()["a"] == "skipped"


def test_a_plan_that_names_a_stranger_fails_the_run() -> None:
    play = Play({"p": {}, "a": {}}, "p>a").done("p#1", take=("zz",))
    assert play.state.status == "failed"
    assert play.state.error["code"] == "plan.unknown_task"  # type: ignore[index]


def test_a_loop_visits_again_until_its_condition_says_no() -> None:
    nodes = {"draft": {"max_visits": 3}, "review": {}, "publish": {}}
    play = Play(nodes, "draft>review, review>draft ? !nodes.review.output, review>publish ? nodes.review.output")
    play.done("draft#1").done("review#1", output=False)
    assert play.flying() == ["draft#2"]
    assert play.nodes()["publish"] == "pending"
    play.done("draft#2").done("review#2", output=True)
    assert play.flying() == ["publish#1"]


def test_a_loop_that_has_used_its_visits_and_has_no_way_out_fails_by_name() -> None:
    play = Play({"a": {"max_visits": 2}, "b": {}}, "a>b, b>a ? true")
    play.done("a#1").done("b#1").done("a#2").done("b#2")
    assert play.state.error["code"] == "loop.exhausted"  # type: ignore[index]
    assert "a" in play.state.error["message"]  # type: ignore[index]


def test_a_loop_stops_what_still_runs_of_the_round_before() -> None:
    play = Play({"a": {"max_visits": 2}, "b": {}, "slow": {}}, "a>b, a>slow, b>a ? true")
    play.done("a#1")
    said = play.done("b#1").journal[-3:]
    assert [e.kind for e in said] == ["step.cancelled", "step.completed", "step.scheduled"]
    assert said[0].fact.step == "slow#1"
    assert said[0].fact.why == "superseded"


def test_for_each_keeps_the_order_of_its_list_and_its_bound() -> None:
    nodes = {"a": {"for_each": "${{ inputs.xs }}", "parallel": 2, "with": {"x": "${{ item }}", "i": "${{ index }}"}}}
    play = Play(nodes, inputs={"xs": ["p", "q", "r"]}, outputs={"all": "${{ nodes.a.output }}"})
    assert play.flying() == ["a#1.0", "a#1.1"]
    assert play.state.steps["a#1.1"].input == {"x": "q", "i": 1}
    play.done("a#1.1", output="Q")
    assert play.flying() == ["a#1.0", "a#1.2"]
    play.done("a#1.2", output="R").done("a#1.0", output="P")
    assert play.state.outputs == {"all": ["P", "Q", "R"]}


def test_for_each_over_nothing_is_done_at_once() -> None:
    play = Play({"a": {"for_each": "${{ inputs.xs }}"}}, inputs={"xs": []}, outputs={"all": "${{ nodes.a.output }}"})
    assert (play.state.status, play.state.outputs) == ("completed", {"all": []})


def test_for_each_over_what_is_no_list_fails_and_names_the_node() -> None:
    play = Play({"a": {"for_each": "${{ inputs.xs }}"}}, inputs={"xs": "abc"})
    assert play.state.error["code"] == "for_each.not_a_list"  # type: ignore[index]
    assert play.state.error["node"] == "a"  # type: ignore[index]


def test_an_item_that_fails_under_continue_leaves_null_and_its_error() -> None:
    nodes = {"a": {"for_each": "${{ inputs.xs }}", "on_error": "continue"}}
    outputs = {"all": "${{ nodes.a.output }}", "bad": "${{ nodes.a.errors[0].index }}"}
    play = Play(nodes, inputs={"xs": [1, 2]}, outputs=outputs)
    play.fail("a#1.1").done("a#1.0", output=1)
    assert play.state.outputs == {"all": [1, None], "bad": 1}


def test_a_failure_is_tried_again_with_growing_waits_and_the_next_attempt() -> None:
    play = Play({"a": {"retry": {"attempts": 3, "backoff": 2, "jitter": 0}}})
    play.fail("a#1", retryable=True)
    assert (play.state.shown, play.flying()) == ("waiting", [])
    assert play.after(1.9) == []
    assert [e.fact.attempt for e in play.after(0.2)] == [2]
    play.fail("a#1", retryable=True)
    assert play.after(3.9) == []
    assert [e.fact.attempt for e in play.after(0.2)] == [3]
    play.fail("a#1", retryable=True)
    assert play.state.status == "failed"


def test_retry_after_of_the_other_side_is_honoured() -> None:
    play = Play({"a": {"retry": {"attempts": 2, "backoff": 1, "jitter": 0}}})
    play.fail("a#1", retryable=True, detail={"retry_after": 30})
    assert play.after(29) == []
    assert play.after(2)


def test_a_failure_that_cannot_get_better_is_not_tried_again() -> None:
    play = Play({"a": {"retry": 5}}).fail("a#1", retryable=False)
    assert play.state.status == "failed"


def test_a_failure_stops_what_else_runs_before_the_run_ends() -> None:
    play = Play({"a": {}, "b": {}}).fail("a#1")
    assert (play.state.status, play.flying()) == ("running", ["b#1"])
    step = play.state.steps["b#1"]
    play.news(news.Stopped("b#1", step.attempt, step.delivery))
    assert play.state.status == "failed"


def test_a_step_that_does_not_stop_is_not_waited_for_for_ever() -> None:
    play = Play({"a": {}, "b": {}}).fail("a#1")
    assert play.after(9) == []
    assert [e.kind for e in play.after(2)] == ["step.cancelled", "run.failed"]


def test_on_error_continue_goes_on_over_unconditional_edges() -> None:
    play = Play({"a": {"on_error": "continue"}, "b": {}, "c": {}}, "a>b, a>c ? nodes.a.output == 1").fail("a#1")
    assert play.flying() == ["b#1"]
    assert play.nodes()["c"] == "skipped"


def test_on_error_skip_skips_what_comes_after() -> None:
    play = Play({"a": {"on_error": "skip"}, "b": {}}, "a>b").fail("a#1")
    assert (play.state.status, play.nodes()["b"]) == ("completed", "skipped")


def test_on_error_pause_waits_for_a_person_who_mends_the_input() -> None:
    play = Play({"a": {"on_error": "pause", "with": {"x": 1}}, "b": {}}, "a>b").fail("a#1")
    assert (play.state.shown, play.state.error["code"]) == ("paused", "boom")  # type: ignore[index]
    assert play.after(10_000) == []
    said = play.news(news.ResumeRequested("ada", {"a#1": {"x": 2}}))
    assert (said[-1].fact.input, said[-1].fact.attempt) == ({"x": 2}, 2)
    play.done("a#1").done("b#1")
    assert play.state.status == "completed"


def test_a_condition_that_is_not_a_boolean_fails_the_run_with_its_place() -> None:
    play = Play({"a": {}, "b": {}}, "a>b ? nodes.a.output.x").done("a#1", output={"x": "yes"})
    assert play.state.error["code"] == "expr.not_boolean"  # type: ignore[index]
    assert play.state.error["node"] == "a"  # type: ignore[index]


def test_an_input_that_cannot_be_made_fails_its_step_and_sends_no_work() -> None:
    play = Play({"a": {}, "b": {"with": {"x": "${{ nodes.a.output.gone }}"}}}, "a>b").done("a#1", output={})
    assert play.state.status == "failed"
    assert play.state.error["step"] == "b#1"  # type: ignore[index]


def test_the_limit_of_steps_is_inclusive_and_named() -> None:
    play = Play({"a": {}, "b": {}, "c": {}}, "a>b, b>c", limits={"steps": 2}).done("a#1")
    assert play.flying() == ["b#1"]
    play.done("b#1")
    assert play.state.error["code"] == "limit.steps"  # type: ignore[index]


def test_the_limit_of_seconds_ends_the_run() -> None:
    play = Play({"a": {}}, limits={"seconds": 20})
    play.after(19)
    assert play.state.ending is None
    assert [e.kind for e in play.after(1)] == ["run.ending"]
    assert play.state.error["code"] == "limit.seconds"  # type: ignore[index]


def test_time_spent_waiting_for_people_does_not_count() -> None:
    play = Play({"a": {}, "b": {}}, "a>b", limits={"seconds": 20}).wait("a#1", ask={"title": "?"})
    assert play.after(10_000) == []
    play.news(news.Answered("a#1", {"decision": "approve"}, "ada"))
    assert play.flying() == ["b#1"]
    play.after(19)
    assert play.state.ending is None
    play.after(2)
    assert play.state.ending is not None


def test_a_test_run_has_small_limits_whatever_the_document_says() -> None:
    play = Play({"a": {}}, mode="test_run", limits={"seconds": 5_000, "tokens": 10})
    limits = play.state.limits
    assert (limits.tokens, limits.seconds, limits.iterations) == (10, 60, 5)


def test_money_is_reserved_before_it_is_spent_and_the_last_cent_may_be_used() -> None:
    play = Play({"a": {}}, limits={"usd": 0.3})
    for key, cost, kind in (("1", "0.1", "reserved"), ("2", "0.2", "reserved"), ("3", "0.0001", "refused")):
        (said,) = play.news(news.Spend("a#1", 1, 1, key, {"usd": cost}))
        assert said.kind == f"spend.{kind}"
    play.news(news.Spent("a#1", 1, 1, "2", {"usd": "0.05"}))
    assert str(play.state.usd) == "0.15"


def test_a_silent_executor_loses_the_step_to_the_next_delivery() -> None:
    play = Play({"a": {}})
    said = play.after(LEASE + 1)
    assert [e.kind for e in said] == ["steps.lost", "step.scheduled"]
    assert said[1].fact.delivery == 2
    assert play.news(news.Completed("a#1", 1, 1)) == []
    play.news(news.Completed("a#1", 1, 2))
    assert play.state.status == "completed"


def test_an_executor_that_speaks_keeps_the_step() -> None:
    play = Play({"a": {}})
    for _ in range(20):
        play.now += LEASE / 2
        play.news(news.Alive([("a#1", 1, 1)]))
    assert play.state.steps["a#1"].delivery == 1


def test_a_step_that_kills_its_executors_is_given_up() -> None:
    play = Play({"a": {}})
    for _ in range(12):
        play.news(news.Released("restart"))
    assert play.state.error["code"] == "step.executor_died"  # type: ignore[index]


def test_a_copy_of_the_message_cannot_claim_the_step() -> None:
    play = Play({"a": {}})
    assert play.news(news.Started("a#1", 1, 1, 0.0, "e1", "e1/1"))
    assert play.news(news.Started("a#1", 1, 1, 0.0, "e1", "e1/1"))  # the answer was lost: asked again
    assert play.news(news.Started("a#1", 1, 1, 0.0, "e2", "e2/1")) == []


def test_a_question_is_answered_once() -> None:
    play = Play({"a": {}, "b": {}}, "a>b").wait("a#1", ask={"title": "Deploy?"})
    assert play.state.shown == "waiting"
    assert play.news(news.Answered("a#1", {"decision": "approve"}, "ada"))
    assert play.news(news.Answered("a#1", {"decision": "reject"}, "bob")) == []


@pytest.mark.parametrize(("action", "ends"), [("approve", "completed"), ("fail", "failed")])
def test_a_question_nobody_answers(action: str, ends: str) -> None:
    play = Play({"a": {}}).wait("a#1", until=1_060.0, ask={"title": "?", "on_timeout": action})
    assert play.after(59) == []
    play.after(2)
    assert play.state.status == ends


def test_a_child_ends_its_step_and_a_stranger_does_not() -> None:
    play = Play({"a": {}}, outputs={"x": "${{ nodes.a.output.y }}"}).wait("a#1", child={"workflow": "w"})
    child = play.state.steps["a#1"].child["run"]  # type: ignore[index]
    assert play.news(news.ChildEnded("a#1", "run_other", "completed", {"y": 1})) == []
    play.news(news.ChildEnded("a#1", child, "completed", {"y": 2}))
    assert play.state.outputs == {"x": 2}


def test_cancel_ends_a_waiting_run_at_once_and_leaves_its_child_an_orphan() -> None:
    play = Play({"a": {}}).wait("a#1", child={"workflow": "w"})
    play.news(news.CancelRequested("ada", "enough"))
    assert play.state.status == "cancelled"
    assert len(play.state.orphans) == 1


def test_validate_only_ends_before_anything_runs() -> None:
    play = Play({"a": {}}, mode="validate_only")
    assert (play.state.status, play.state.outputs) == ("completed", {"valid": True})
    assert not any(e.kind == "step.scheduled" for e in play.journal)


def test_values_in_the_artifact_store_are_asked_for_before_anything_is_said() -> None:
    play = Play({"a": {}, "b": {}}, "a>b ? nodes.a.output.big == 1")
    ended = news.Completed("a#1", 1, 1, {"$spilled": "sha256:00", "size": 9})
    settled = settle(play.state, [ended], play.now)
    assert (settled.needs, settled.events) == ({"sha256:00"}, [])
    settled = settle(play.state, [ended], play.now, {"sha256:00": {"big": 1}})
    assert [e.kind for e in settled.events] == ["step.completed", "step.scheduled"]
