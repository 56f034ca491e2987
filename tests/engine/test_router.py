"""Which way a run goes: routers, defaults, and people on edges. Each test is a sentence of docs/workflow.md."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.test_semantics import Play

from penstock.app import load_kinds
from penstock.engine import events as ev
from penstock.engine import news
from penstock.engine.state import RunState
from penstock.engine.workflow import Workflow, compare, parse
from penstock.errors import Invalid
from penstock.imports import native
from penstock.tools.registry import Servers


def document(edges: list[Any], nodes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    named = {name: {"kind": "act"} for name in "abcd"} if nodes is None else nodes
    return {"penstock": 1, "name": "flow", "nodes": named, "edges": edges, **more}


def router(edges: list[Any], **a: Any) -> dict[str, Any]:
    return document(edges, {"a": {"kind": "act", "route": "first", **a}, **{name: {"kind": "act"} for name in "bcd"}})


class Again(Play):
    """A run of a document whose edges say more than from, to and when."""

    def __init__(self, given: dict[str, Any], inputs: Any = None) -> None:
        self.now = 1_000.0
        self.state = RunState("run-1", parse(given))
        self.journal: list[ev.Event] = []
        self.news(news.Created(ev.RunCreated("flow", 1, "f", inputs or {})), news.Checked([]), news.Admitted())


def play(edges: list[Any], inputs: Any = None, **a: Any) -> Again:
    return Again(router(edges, **a), inputs)


def codes(given: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        parse(given)
    return [(p.code, p.pointer) for p in caught.value.problems]


THREE = [
    {"from": "a", "to": "b", "when": "nodes.a.output.n > 10"},
    {"from": "a", "to": "c", "when": "nodes.a.output.n > 5"},
    {"from": "a", "to": "d", "default": True},
]


# ----------------------------------------------------------------------------------------------------------------- routers


@pytest.mark.parametrize(("n", "way"), [(20, "b"), (7, "c"), (1, "d")])
def test_a_router_goes_the_first_true_way_else_the_default(n: int, way: str) -> None:
    run = play(THREE).done("a#1", output={"n": n})
    assert run.flying() == [f"{way}#1"]
    assert {name for name, status in run.nodes().items() if status == "skipped"} == {"b", "c", "d"} - {way}


def test_the_order_is_that_of_the_document_and_the_default_is_last_wherever_it_stands() -> None:
    reordered = [THREE[2], THREE[1], THREE[0]]
    assert play(reordered).done("a#1", output={"n": 20}).flying() == ["c#1"]
    assert play(reordered).done("a#1", output={"n": 1}).flying() == ["d#1"]


def test_conditions_behind_the_first_true_one_are_not_asked() -> None:
    wrong = [THREE[0], {"from": "a", "to": "c", "when": "nodes.a.output.absent > 5"}]
    assert play(wrong).done("d#1").done("a#1", output={"n": 20}).flying() == ["b#1"]


def test_without_a_router_every_true_way_is_gone() -> None:
    run = Again(document(THREE[:2])).done("a#1", output={"n": 20})
    assert run.flying() == ["d#1", "b#1", "c#1"]


def test_no_match_fails_the_run_by_name_and_keeps_the_output() -> None:
    run = play(THREE[:2]).done("d#1").done("a#1", output={"n": 1})
    assert (run.state.status, run.state.error["code"]) == ("failed", "route.no_match")  # type: ignore[index]
    assert run.state.error["node"] == "a"  # type: ignore[index]
    assert run.state.output_of("a") == {"n": 1}


@pytest.mark.parametrize("on_error", ["continue", "skip"])
def test_no_match_under_continue_or_skip_goes_nowhere_and_is_an_error_of_the_node(on_error: str) -> None:
    run = play(THREE[:2], on_error=on_error).done("d#1").done("a#1", output={"n": 1})
    assert run.state.status == "completed"
    assert run.nodes() == {"a": "failed", "b": "skipped", "c": "skipped", "d": "completed"}
    assert [e["code"] for e in run.state.nodes["a"].errors or ()] == ["route.no_match"]
    kept = [e.fact.output for e in run.journal if isinstance(e.fact, ev.StepCompleted) and e.fact.step == "a#1"]
    assert kept == [{"n": 1}], "what was made is not lost"


def test_no_match_under_pause_waits_for_a_person_and_goes_on_with_another_attempt() -> None:
    run = play(THREE[:2], on_error="pause").done("a#1", output={"n": 1})
    assert run.state.status == "paused"
    run.news(news.ResumeRequested("ada"))
    assert run.state.steps["a#1"].attempt == 2
    assert "b#1" in run.done("a#1", output={"n": 20}).flying()


def test_a_router_with_items_goes_by_the_list_of_their_outputs() -> None:
    edges = [{"from": "a", "to": "b", "when": "size(nodes.a.output) > 5"}, {"from": "a", "to": "c", "default": True}]
    run = play(edges, {"list": [1, 2]}, for_each="${{ inputs.list }}")
    assert run.done("a#1.0", "a#1.1", output=1).flying() == ["d#1", "c#1"]
    none = play(edges[:1], {"list": [1]}, for_each="${{ inputs.list }}", on_error="skip").done("a#1.0", output=1)
    assert none.nodes()["a"] == "failed"


def test_a_way_back_that_is_used_up_is_passed_over() -> None:
    nodes = {"a": {"kind": "act", "max_visits": 2}, "b": {"kind": "act", "route": "first"}, "c": {"kind": "act"}}
    edges = [
        {"from": "a", "to": "b"},
        {"from": "b", "to": "a", "when": "!nodes.b.output"},
        {"from": "b", "to": "c", "default": True},
    ]
    run = Again(document(edges, nodes)).done("a#1").done("b#1", output=False)
    assert run.flying() == ["a#2"]
    assert run.done("a#2").done("b#2", output=False).flying() == ["c#1"]
    run = (
        Again(document(edges[:2], {name: nodes[name] for name in "ab"}))
        .done("a#1")
        .done("b#1", output=False)
        .done("a#2")
        .done("b#2", output=False)
    )
    assert run.state.error["code"] == "loop.exhausted"  # type: ignore[index]


def test_a_plan_chooses_among_the_ways_of_a_router() -> None:
    assert play(THREE).done("a#1", output={"n": 20}, take=("c", "d")).flying() == ["c#1"]
    assert play(THREE).done("a#1", output={"n": 20}, take=()).state.status == "completed"


# -------------------------------------------------------------------------------------------------------------- diagnostics


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (router([THREE[2], {"from": "a", "to": "b", "default": True}]), ("edge.two_defaults", "/edges/1/default")),
        (document(THREE), ("edge.default_without_route", "/edges/2/default")),
        (router([{**THREE[0], "default": True}]), ("edge.default_with_when", "/edges/0/when")),
        (router([{"from": "a", "to": "b"}, THREE[1]]), ("edge.unreachable", "/edges/1")),
        (router([THREE[2], {"from": "a", "to": "b"}]), ("edge.unreachable", "/edges/0")),
        (router(THREE[:2], route="frist"), ("document.value", "/nodes/a/route")),
        (router([{**THREE[0], "default": "yes"}]), ("document.type", "/edges/0/default")),
        (document([{"from": "a", "to": "b", "gate": 3}]), ("document.type", "/edges/0/gate")),
        (document([{"from": "a", "to": "b", "gate": {"titel": "?"}}]), ("document.unknown_key", "/edges/0/gate/titel")),
        (
            document([{"from": "a", "to": "b", "gate": True, "checkpoint": True}]),
            ("edge.gate_and_checkpoint", "/edges/0/checkpoint"),
        ),
        (
            document([{"from": "a", "to": "b", "gate": True}], {n: {"kind": "act"} for n in ("a", "b", "gate_a_b")}),
            ("edge.gate_name", "/edges/0/gate"),
        ),
        (
            document([{"from": "a" * 40, "to": "b" * 40, "checkpoint": True}], {n * 40: {"kind": "act"} for n in "ab"}),
            ("edge.gate_name", "/edges/0/checkpoint"),
        ),
        (
            document([{"from": "a", "to": "gate_a_b"}, {"from": "a", "to": "b", "gate": True}]),
            ("edge.unknown_node", "/edges/0/to"),
        ),
    ],
)
def test_what_is_wrong_with_an_edge_is_named_with_its_place(given: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(given) == [expected]


def accept(given: dict[str, Any]) -> Workflow:
    return native.accept(given, load_kinds(Servers()))


VERDICT = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "why": {"type": "object", "properties": {"code": {}}}},
}


@pytest.mark.parametrize(
    ("when", "output", "hint"),
    [
        ("nodes.a.output.okay", VERDICT, "did you mean 'ok'?"),
        ("!(nodes.a.output['okay'])", VERDICT, "did you mean 'ok'?"),
        ("nodes.a.output.why.kode == 1", VERDICT, "did you mean 'code'?"),
        ("nodes.a.output.ok.sure", VERDICT, "it is true or false, which has no parts"),
        ("nodes.a.output.ok", None, "it has text, truncated"),
        ("nodes.a.output.okay", {"$ref": "#/schemas/Verdict"}, "did you mean 'ok'?"),
    ],
)
def test_a_condition_on_a_field_that_the_declared_output_does_not_have(when: str, output: Any, hint: str) -> None:
    nodes = {
        "a": {"kind": "agent", "with": {"instructions": "x", "output": output}},
        "b": {"kind": "wait", "with": {"seconds": 1}},
    }
    with pytest.raises(Invalid) as caught:
        accept(document([{"from": "a", "to": "b", "when": when}], nodes, schemas={"Verdict": VERDICT}))
    assert [(p.code, p.pointer, p.hint) for p in caught.value.problems] == [
        ("edge.unknown_field", "/edges/0/when", hint)
    ]


@pytest.mark.parametrize(
    ("when", "output"),
    [
        ("nodes.a.output.ok && has(nodes.a.output.okay)", VERDICT),
        ("nodes.a.output.okay", {**VERDICT, "additionalProperties": True}),
        ("nodes.a.output.okay", {"anyOf": [VERDICT]}),
        ("nodes.a.output.okay", {"type": "object"}),
        ("nodes.a.output.text == ''", None),
        ("size(nodes.a.output) > 1", {"type": "array", "items": VERDICT}),
        ("nodes.a.output[0].ok", {"type": "array", "items": VERDICT}),
    ],
)
def test_what_a_schema_leaves_open_is_not_judged(when: str, output: Any) -> None:
    nodes = {
        "a": {"kind": "agent", "with": {"instructions": "x", "output": output}},
        "b": {"kind": "wait", "with": {"seconds": 1}},
    }
    accept(document([{"from": "a", "to": "b", "when": when}], nodes))


def test_crews_and_questions_tell_what_they_give() -> None:
    crew = {
        "agents": {"x": {"role": "R"}},
        "tasks": [
            {"name": "find", "description": "d", "agent": "x"},
            {"name": "judge", "description": "d", "agent": "x", "output": VERDICT},
        ],
    }
    nodes = {
        "a": {"kind": "crew", "with": crew},
        "h": {"kind": "human", "with": {"title": "?"}},
        "b": {"kind": "wait", "with": {"seconds": 1}},
    }
    good = "nodes.a.output.value.ok && nodes.a.output.tasks.find != '' && nodes.a.output.tasks.judge.ok"
    edges = [{"from": "a", "to": "b", "when": good}, {"from": "h", "to": "b", "when": "nodes.h.output.decision == 'x'"}]
    accept(document(edges, nodes))
    wrong = [{**edges[0], "when": "nodes.a.output.text == ''"}, {**edges[1], "when": "nodes.h.output.decison == 'x'"}]
    with pytest.raises(Invalid) as caught:
        accept(document(wrong, nodes))
    assert [p.code for p in caught.value.problems] == ["edge.unknown_field"] * 2


def test_a_gate_is_held_to_what_a_question_may_be() -> None:
    nodes = {name: {"kind": "wait", "with": {"seconds": 1}} for name in "ab"}
    for gate, pointer in (({"seconds": -1}, "/seconds"), ({"on_timeout": "never"}, ""), ({"title": 3}, "/title")):
        with pytest.raises(Invalid) as caught:
            accept(document([{"from": "a", "to": "b", "gate": gate}], nodes))
        assert [(p.code, p.pointer) for p in caught.value.problems] == [("node.config", f"/edges/0/gate{pointer}")]


# ------------------------------------------------------------------------------------------------------- people on edges


def gated(**edge: Any) -> Again:
    return Again(document([{"from": "a", "to": "b", **edge}], {"a": {"kind": "act"}, "b": {"kind": "act"}}))


def answer(run: Play, step: str, decision: str) -> Play:
    run.news(news.Answered(step, {"decision": decision}, "ada"))
    return run


def test_behind_a_gate_the_target_begins_when_a_person_approves() -> None:
    run = gated(gate={"title": "Go live?", "message": "It says ${{ nodes.a.output }}"}).done("a#1", output="fine")
    assert run.flying() == ["gate_a_b#1"]
    node = run.state.workflow.nodes["gate_a_b"]
    assert node.kind == "human"
    assert run.state.steps["gate_a_b#1"].input == {
        "title": "Go live?",
        "message": "It says fine",
        "choices": ["approve", "reject"],
    }
    run.wait("gate_a_b#1", ask={"title": "Go live?"})
    assert run.state.shown == "waiting" and run.nodes()["b"] == "pending"
    assert answer(run, "gate_a_b#1", "approve").flying() == ["b#1"]


def test_a_rejection_closes_the_edge() -> None:
    run = gated(gate=True).done("a#1").wait("gate_a_b#1", ask={"title": "?"})
    answer(run, "gate_a_b#1", "reject")
    assert run.state.status == "completed" and run.nodes()["b"] == "skipped"


def test_a_gate_is_asked_only_when_its_edge_is_taken() -> None:
    assert gated(gate="Go?", when="nodes.a.output").done("a#1", output=False).nodes() == {
        "a": "completed",
        "b": "skipped",
        "gate_a_b": "skipped",
    }


def test_at_a_checkpoint_the_run_waits_until_somebody_lets_it_go_on() -> None:
    run = gated(checkpoint=True).done("a#1")
    assert run.state.steps["checkpoint_a_b#1"].input["choices"] == ["continue"]
    run.wait("checkpoint_a_b#1", ask={"title": "?"})
    assert answer(run, "checkpoint_a_b#1", "continue").flying() == ["b#1"]


def test_a_plan_and_a_router_name_the_node_behind_the_gate() -> None:
    edges = [{**THREE[0], "gate": True}, THREE[1], {**THREE[2], "gate": True}]
    assert play(edges).done("a#1", output={"n": 20}, take=("b",)).flying() == ["gate_a_b#1"]
    assert play(edges).done("a#1", output={"n": 1}).flying() == ["gate_a_d#1"]


def test_a_gate_on_the_way_back_is_asked_each_time() -> None:
    nodes = {"a": {"kind": "act", "max_visits": 3}, "b": {"kind": "act"}}
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "a", "when": "!nodes.b.output", "gate": "Again?"}]
    run = Again(document(edges, nodes)).done("a#1").done("b#1", output=False).wait("gate_b_a#1", ask={"title": "?"})
    assert answer(run, "gate_b_a#1", "approve").flying() == ["a#2"]
    run.done("a#2").done("b#2", output=False).wait("gate_b_a#2", ask={"title": "?"})
    assert answer(run, "gate_b_a#2", "reject").state.status == "completed"


def test_expressions_may_read_what_was_answered_at_a_gate() -> None:
    parse(document([{"from": "a", "to": "b", "gate": True}], outputs={"by": "${{ nodes.gate_a_b.output.by }}"}))


# ------------------------------------------------------------------------------------------------------------- comparing


def test_the_order_of_a_routers_edges_is_a_difference_and_that_of_others_is_not() -> None:
    found = compare(parse(router(THREE)), parse(router([THREE[1], THREE[0], THREE[2]])))
    assert found["edges"]["changed"] == [
        {"from": "a", "to": "b", "fields": [{"pointer": "/place", "old": 1, "new": 2}]},
        {"from": "a", "to": "c", "fields": [{"pointer": "/place", "old": 2, "new": 1}]},
    ]
    assert not found["same"]
    assert compare(parse(document(THREE[:2])), parse(document([THREE[1], THREE[0]])))["same"]
    gate = compare(parse(document(THREE[:1])), parse(document([{**THREE[0], "gate": True}])))
    assert gate["edges"]["changed"][0]["fields"] == [{"pointer": "/gate", "new": True}]
