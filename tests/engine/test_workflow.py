"""The document: what is right parses, what is wrong is named with its place, and nothing but Invalid ever comes out."""

import json
import time
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from penstock.engine.workflow import Limits, Retry, Workflow, document_schema, input_defaults, parse
from penstock.errors import Invalid

EXAMPLE: dict[str, Any] = {
    "penstock": 1,
    "name": "review-folder",
    "title": "Review a folder",
    "persona": "engineer",
    "inputs": {
        "type": "object",
        "required": ["folder"],
        "properties": {
            "folder": {"type": "string", "title": "Folder"},
            "deep": {"type": "boolean", "default": False},
        },
    },
    "limits": {"usd": 0.50, "seconds": 600, "parallel": 8},
    "nodes": {
        "list": {
            "kind": "tool",
            "with": {"capabilities": ["code.files"], "arguments": {"path": "${{ inputs.folder }}"}},
        },
        "scan": {
            "kind": "tool",
            "for_each": "${{ nodes.list.output.files }}",
            "with": {"capabilities": ["code.scan"], "arguments": {"path": "${{ item.path }}"}},
            "retry": {"attempts": 3, "backoff": "2s"},
            "timeout": "60s",
            "on_error": "continue",
        },
        "judge": {
            "kind": "agent",
            "with": {
                "role": "Reviewer",
                "instructions": "Weigh ${{ nodes.scan.output }}",
                "output": {"$ref": "#/schemas/Verdict"},
            },
        },
        "notes": {
            "kind": "render",
            "join": "any",
            "with": {"name": "notes.md", "template": "# ${{ inputs.folder }}\n"},
        },
    },
    "edges": [
        {"from": "list", "to": "scan"},
        {"from": "scan", "to": "judge", "when": "${{ inputs.deep }}"},
        {"from": "scan", "to": "notes", "when": "${{ !inputs.deep }}"},
        {"from": "judge", "to": "notes"},
    ],
    "outputs": {"notes": "${{ nodes.notes.output }}"},
    "schemas": {"Verdict": {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}},
}


def graph(edges: list[Any], nodes: str = "", **more: Any) -> dict[str, Any]:
    """A document of bare nodes; an edge is "a b" or a mapping."""
    pairs = [dict(zip(("from", "to"), e.split(), strict=True)) if isinstance(e, str) else e for e in edges]
    names = dict.fromkeys([*nodes.split(), *(end for e in pairs for end in (e["from"], e["to"]))])
    document: dict[str, Any] = {
        "penstock": 1,
        "name": "x",
        "nodes": {name: {"kind": "k"} for name in names},
        "edges": pairs,
    }
    for name, value in more.items():
        document["nodes"][name].update(value)
    return document


def problems(document: Any) -> list[tuple[str, str]]:
    try:
        return [(p.code, p.pointer) for p in parse(document).warnings]
    except Invalid as error:
        assert error.code == "workflow.invalid"
        return [(p.code, p.pointer) for p in error.problems]


def test_the_example_of_the_design_is_understood() -> None:
    workflow = parse(EXAMPLE)
    assert (workflow.name, workflow.roots) == ("review-folder", ("list",))
    assert workflow.limits == Limits(usd=Decimal("0.5"), seconds=600.0, parallel=8)
    scan = workflow.nodes["scan"]
    assert scan.retry == Retry(attempts=3, backoff=2.0)
    assert (scan.timeout, scan.on_error, scan.join) == (60.0, "continue", "all")
    assert scan.for_each is not None
    assert scan.for_each.refs == {"list"}
    assert scan.config.roots == {"item"}
    assert [edge.target for edge in scan.outgoing] == ["judge", "notes"]
    assert not scan.plain
    assert workflow.nodes["list"].plain
    assert [edge.source for edge in workflow.nodes["notes"].incoming] == ["scan", "judge"]
    assert workflow.after["scan"] == {"scan", "judge", "notes"}
    assert workflow.outputs.refs == {"notes"}
    assert workflow.warnings == ()


# ------------------------------------------------------------------------------------------------ what is wrong

ONE: dict[str, Any] = {"penstock": 1, "name": "x", "nodes": {"a": {"kind": "k"}}}


def node(**keys: Any) -> dict[str, Any]:
    return {**ONE, "nodes": {"a": {"kind": "k", **keys}}}


BAD: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("not a mapping", [1], [("document.type", "")]),
    ("nothing", None, [("document.type", "")]),
    ("empty", {}, [("document.missing", ""), ("document.missing", ""), ("document.missing", "")]),
    ("no version", {"name": "x", "nodes": {"a": {"kind": "k"}}}, [("document.missing", "")]),
    ("other version", {**ONE, "penstock": 2}, [("document.value", "/penstock")]),
    ("version true", {**ONE, "penstock": True}, [("document.value", "/penstock")]),
    ("bad name", {**ONE, "name": "Bad Name"}, [("document.value", "/name")]),
    ("name a number", {**ONE, "name": 1}, [("document.type", "/name")]),
    ("unknown key", {**ONE, "node": {}}, [("document.unknown_key", "/node")]),
    ("title a list", {**ONE, "title": []}, [("document.type", "/title")]),
    ("tags a text", {**ONE, "tags": "a"}, [("document.type", "/tags")]),
    ("a tag a number", {**ONE, "tags": ["a", 1]}, [("document.type", "/tags/1")]),
    ("difficulty", {**ONE, "difficulty": "hard"}, [("document.value", "/difficulty")]),
    ("minutes", {**ONE, "minutes": -1}, [("document.value", "/minutes")]),
    ("nodes a list", {**ONE, "nodes": []}, [("document.type", "/nodes")]),
    ("no nodes", {**ONE, "nodes": {}}, [("document.value", "/nodes")]),
    ("inputs not an object", {**ONE, "inputs": {"type": "string"}}, [("document.value", "/inputs/type")]),
    ("inputs without type", {**ONE, "inputs": {"folder": {}}}, [("document.value", "/inputs")]),
    ("inputs a list", {**ONE, "inputs": []}, [("document.type", "/inputs")]),
    ("schema a text", {**ONE, "schemas": {"A": "x"}}, [("document.type", "/schemas/A")]),
    ("outputs a list", {**ONE, "outputs": []}, [("document.type", "/outputs")]),
    ("layout a text", {**ONE, "layout": "x"}, [("document.type", "/layout")]),
    ("NaN", {**ONE, "layout": {"x": float("nan")}}, [("document.value", "/layout/x")]),
    ("a huge number", {**ONE, "layout": {"x": 2**63}}, [("document.value", "/layout/x")]),
    ("half a surrogate", {**ONE, "title": "\ud800"}, [("document.value", "/title")]),
    ("NUL", {**ONE, "layout": {"x": ["a\0"]}}, [("document.value", "/layout/x/0")]),
    ("a set", {**ONE, "layout": {"x": {1}}}, [("document.type", "/layout/x")]),
    ("a key not text", {**ONE, "layout": {1: 2}}, [("document.type", "/layout")]),
    ("limits a list", {**ONE, "limits": []}, [("document.type", "/limits")]),
    ("unknown limit", {**ONE, "limits": {"token": 1}}, [("document.unknown_key", "/limits/token")]),
    ("negative usd", {**ONE, "limits": {"usd": -1}}, [("document.value", "/limits/usd")]),
    ("usd of text", {**ONE, "limits": {"usd": "a lot"}}, [("document.value", "/limits/usd")]),
    ("tokens half", {**ONE, "limits": {"tokens": 1.5}}, [("document.type", "/limits/tokens")]),
    ("no parallel", {**ONE, "limits": {"parallel": 0}}, [("document.value", "/limits/parallel")]),
    ("seconds", {**ONE, "limits": {"seconds": "soon"}}, [("document.value", "/limits/seconds")]),
    ("node name", {**ONE, "nodes": {"1st": {"kind": "k"}}}, [("node.bad_name", "/nodes/1st")]),
    ("node name with a slash", {**ONE, "nodes": {"a/b": {"kind": "k"}}}, [("node.bad_name", "/nodes/a~1b")]),
    ("node a text", {**ONE, "nodes": {"a": "k"}}, [("document.type", "/nodes/a")]),
    ("no kind", {**ONE, "nodes": {"a": {}}}, [("document.missing", "/nodes/a")]),
    ("kind a number", {**ONE, "nodes": {"a": {"kind": 1}}}, [("document.type", "/nodes/a/kind")]),
    ("unknown node key", node(wiht={}), [("document.unknown_key", "/nodes/a/wiht")]),
    ("with a list", node(**{"with": []}), [("document.type", "/nodes/a/with")]),
    ("for_each a list", node(for_each=[1]), [("document.type", "/nodes/a/for_each")]),
    ("parallel alone", node(parallel=2), [("document.value", "/nodes/a/parallel")]),
    ("parallel none", node(parallel=0, for_each="[1]"), [("document.value", "/nodes/a/parallel")]),
    ("join", node(join="al"), [("document.value", "/nodes/a/join")]),
    ("join true", node(join=True), [("document.value", "/nodes/a/join")]),
    ("join 0", node(join=0), [("document.value", "/nodes/a/join")]),
    ("join too many", node(join=1), [("node.join_unreachable", "/nodes/a/join")]),
    ("retry a text", node(retry="3"), [("document.type", "/nodes/a/retry")]),
    ("retry 0", node(retry=0), [("document.value", "/nodes/a/retry")]),
    ("retry key", node(retry={"attemps": 3}), [("document.unknown_key", "/nodes/a/retry/attemps")]),
    ("retry factor", node(retry={"factor": 0.5}), [("document.value", "/nodes/a/retry/factor")]),
    ("retry jitter", node(retry={"jitter": "a"}), [("document.type", "/nodes/a/retry/jitter")]),
    ("retry backoff", node(retry={"backoff": "2 s"}), [("document.value", "/nodes/a/retry/backoff")]),
    ("timeout 0", node(timeout=0), [("document.value", "/nodes/a/timeout")]),
    ("timeout true", node(timeout=True), [("document.value", "/nodes/a/timeout")]),
    ("timeout in weeks", node(timeout="1w"), [("document.value", "/nodes/a/timeout")]),
    ("max_visits", node(max_visits="2"), [("document.type", "/nodes/a/max_visits")]),
    ("on_error", node(on_error="ignore"), [("document.value", "/nodes/a/on_error")]),
    ("edges a mapping", {**ONE, "edges": {}}, [("document.type", "/edges")]),
    ("edge a text", {**ONE, "edges": ["a -> b"]}, [("document.type", "/edges/0")]),
    ("edge without to", {**ONE, "edges": [{"from": "a"}]}, [("document.missing", "/edges/0")]),
    ("edge key", graph([{"from": "a", "to": "b", "if": "x"}]), [("document.unknown_key", "/edges/0/if")]),
    ("edge to nowhere", {**ONE, "edges": [{"from": "a", "to": "A"}]}, [("edge.unknown_node", "/edges/0/to")]),
    ("edge twice", graph(["a b", "a b"]), [("edge.doubled", "/edges/1")]),
    ("when true", graph([{"from": "a", "to": "b", "when": True}]), [("document.type", "/edges/0/when")]),
    ("when wrong", graph([{"from": "a", "to": "b", "when": "1 +"}]), [("expr.syntax", "/edges/0/when")]),
    ("self-loop", graph(["a a"]), [("graph.unbounded_cycle", "/edges/0")]),
    ("cycle", graph(["a b", "b c", "c b"]), [("graph.unbounded_cycle", "/edges/2")]),
    ("two cycles", graph(["a b", "b a", "b c", "c b"]),
     [("graph.unbounded_cycle", "/edges/1"), ("graph.unbounded_cycle", "/edges/3")]),
    ("bound at the wrong node", graph(["a b", "b c", {"from": "c", "to": "b", "when": "true"}], c={"max_visits": 3}),
     [("graph.unbounded_cycle", "/edges/2"), ("node.no_cycle", "/nodes/c/max_visits")]),
    ("island", graph(["a b", "c d", {"from": "d", "to": "c", "when": "true"}], c={"max_visits": 2}),
     [("graph.unreachable", "/nodes/c"), ("graph.unreachable", "/nodes/d")]),
    ("unknown node read", node(**{"with": {"x": "${{ nodes.b.output }}"}}),
     [("expr.unknown_node", "/nodes/a/with/x")]),
    ("itself read", node(**{"with": {"x": "${{ nodes.a.output }}"}}), [("expr.node_not_before", "/nodes/a/with/x")]),
    ("read too early", graph(["a b"], a={"with": {"x": "${{ nodes.b.output }}"}}),
     [("expr.node_not_before", "/nodes/a/with/x")]),
    ("read beside", graph(["a b", "a c"], b={"for_each": "${{ nodes.c.output }}"}),
     [("expr.node_not_before", "/nodes/b/for_each")]),
    ("condition too early", graph([{"from": "a", "to": "b", "when": "nodes.b.output"}]),
     [("expr.node_not_before", "/edges/0/when")]),
    ("output unknown", {**ONE, "outputs": {"x": "${{ nodes.b.output }}"}}, [("expr.unknown_node", "/outputs/x")]),
    ("item outside", node(**{"with": {"x": ["${{ item }}"]}}), [("expr.item_outside", "/nodes/a/with/x/0")]),
    ("item in for_each", node(for_each="item.xs"), [("expr.item_outside", "/nodes/a/for_each")]),
    ("index in a condition", graph([{"from": "a", "to": "b", "when": "index > 1"}]),
     [("expr.item_outside", "/edges/0/when")]),
    ("item in outputs", {**ONE, "outputs": {"x": "${{ item }}"}}, [("expr.item_outside", "/outputs/x")]),
    ("expression", node(**{"with": {"a": {"b": "${{ 1 + }}"}}}), [("expr.syntax", "/nodes/a/with/a/b")]),
    ("expression in a key", node(**{"with": {"${{ 1 }}": 1}}), [("expr.in_key", "/nodes/a/with/${{ 1 }}")]),
    ("dynamic node", node(**{"with": {"x": "${{ nodes[inputs.x] }}"}}), [("expr.dynamic_node", "/nodes/a/with/x")]),
    ("unknown name", node(**{"with": {"x": "${{ input.x }}"}}), [("expr.unknown_name", "/nodes/a/with/x")]),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), [(d, e) for _, d, e in BAD], ids=[name for name, _, _ in BAD])
def test_what_is_wrong_is_named_with_its_place(document: Any, expected: list[tuple[str, str]]) -> None:
    with pytest.raises(Invalid):
        parse(document)
    assert problems(document) == expected


def test_every_problem_is_found_at_once() -> None:
    document = {
        "penstock": 1,
        "name": "X",
        "titel": "t",
        "nodes": {"a": {"kind": "k", "timeout": "x"}, "b": {"with": {"y": "${{ nodes.c.output }}"}}},
        "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}, {"from": "b", "to": "z"}],
    }
    assert {code for code, _ in problems(document)} == {
        "document.value",
        "document.unknown_key",
        "document.missing",
        "edge.unknown_node",
        "expr.unknown_node",
        "graph.unbounded_cycle",
    }


def test_the_nearest_known_name_is_suggested_and_the_line_is_told() -> None:
    document = {**ONE, "nodes": {"fetch": {"kind": "k", "tiemout": 1}}, "edges": [{"from": "fetch", "to": "fetc"}]}
    lines = {"/nodes/fetch/tiemout": (4, 5), "/edges/0/to": (7, 3)}
    with pytest.raises(Invalid) as caught:
        parse(document, lines.get)
    found = {p.pointer: (p.hint, p.line, p.column) for p in caught.value.problems}
    assert found == {
        "/nodes/fetch/tiemout": ("did you mean 'timeout'?", 4, 5),
        "/edges/0/to": ("did you mean 'fetch'?", 7, 3),
    }


def test_a_cycle_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        parse(graph(["a draft", "draft review", "review draft"]))
    assert "the cycle draft -> review -> draft" in caught.value.message


def test_bounds_of_size_and_depth() -> None:
    deep: Any = 1
    for _ in range(31):
        deep = [deep]
    assert problems({**ONE, "layout": {"x": deep}})[0][0] == "document.too_deep"
    assert problems({**ONE, "layout": {"x": deep[0][0]}}) == []
    bottomless: Any = []
    for _ in range(5_000):
        bottomless = [bottomless]
    assert problems({**ONE, "layout": {"x": bottomless}})[0][0] == "document.too_deep"
    assert problems({**ONE, "layout": {"x": "é" * 600_000}}) == [("document.too_large", "")]
    many = {f"n{at}": {"kind": "k"} for at in range(2_001)}
    assert problems({**ONE, "nodes": many}) == [("document.too_large", "/nodes")]
    edges = [{"from": "a", "to": "a"}] * 10_001
    assert problems({**ONE, "edges": edges}) == [("document.too_large", "/edges")]


def test_problems_are_bounded_too() -> None:
    with pytest.raises(Invalid) as caught:
        parse({**ONE, "nodes": {f"n{at}": {"kind": 1} for at in range(2_000)}})
    assert len(caught.value.problems) == 200


# ------------------------------------------------------------------------------------------------------- graphs


def back(workflow: Workflow) -> list[str]:
    return [f"{edge.source} {edge.target}" for edge in workflow.edges if edge.back]


def test_a_loop_has_one_back_edge_and_the_rest_is_forward() -> None:
    document = graph(
        ["a draft", "draft review", {"from": "review", "to": "draft", "when": "true"}, "review z"],
        draft={"max_visits": 3},
    )
    workflow = parse(document)
    assert back(workflow) == ["review draft"]
    assert workflow.roots == ("a",)
    assert [e.source for e in workflow.nodes["draft"].incoming] == ["a"]
    assert [e.source for e in workflow.nodes["draft"].back_in] == ["review"]
    assert workflow.after["draft"] == {"draft", "review", "z"}


def test_a_workflow_that_is_only_a_loop_starts_at_its_first_edge() -> None:
    edges = ["b a", {"from": "a", "to": "b", "when": "true"}]
    workflow = parse(graph(edges, nodes="a b", b={"max_visits": 2}))
    assert (workflow.roots, back(workflow)) == (("b",), ["a b"])


def test_a_node_on_its_own_and_a_self_loop_are_allowed() -> None:
    workflow = parse(graph([{"from": "a", "to": "a", "when": "true"}], nodes="b", a={"max_visits": 2}))
    assert (workflow.roots, back(workflow)) == (("b", "a"), ["a a"])


def test_what_a_loop_makes_possible_to_read_may_be_read() -> None:
    document = graph(
        ["a draft", "draft review", {"from": "review", "to": "draft", "when": "nodes.review.output.again"}],
        draft={"max_visits": 3, "with": {"last": "${{ nodes.review.output }}", "mine": "${{ nodes.draft.output }}"}},
    )
    assert problems(document) == []


def test_a_condition_may_read_the_node_it_leaves_and_outputs_any_node() -> None:
    document = graph([{"from": "a", "to": "b", "when": "nodes.a.output.ok"}, "a c"])
    assert problems({**document, "outputs": {name: f"${{{{ nodes.{name}.output }}}}" for name in "abc"}}) == []


def test_what_is_hardly_meant_is_a_warning() -> None:
    assert problems(graph(["a b", "b a"], a={"max_visits": 2})) == [("graph.endless_cycle", "/edges/1")]
    assert problems(graph(["a b"], a={"max_visits": 2})) == [("node.no_cycle", "/nodes/a/max_visits")]
    conditional = [{"from": "a", "to": "b", "when": "true"}]
    assert problems(graph(conditional, a={"on_error": "continue"})) == [("node.no_way_on", "/nodes/a/on_error")]
    assert problems(graph([*conditional, "a c"], a={"on_error": "continue"})) == []
    assert problems(graph(conditional, a={"on_error": "continue", "for_each": "[1]"})) == []


@settings(max_examples=150, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20), st.randoms())
def test_without_back_edges_there_is_no_cycle_and_with_each_there_is_one(
    pairs: set[tuple[int, int]], random: Any
) -> None:
    edges = [{"from": f"n{a}", "to": f"n{b}", "when": "true"} for a, b in sorted(pairs)]
    document = graph(edges, nodes=" ".join(f"n{at}" for at in range(8)))
    for one in document["nodes"].values():
        one["max_visits"] = 2
    try:
        workflow = parse(document)
    except Invalid as error:
        assert {p.code for p in error.problems if p.severity == "error"} == {"graph.unreachable"}
        return
    for name in workflow.nodes:
        assert all(name not in workflow.after[e.target] for e in workflow.nodes[name].outgoing if not e.back)
    for edge in workflow.edges:
        if edge.back:
            assert edge.source in workflow.after[edge.target]
    shuffled = list(document["nodes"].items())
    random.shuffle(shuffled)
    again = parse({**document, "nodes": dict(shuffled)})
    assert (again.fingerprint, back(again), set(again.roots)) == (
        workflow.fingerprint,
        back(workflow),
        set(workflow.roots),
    )


# ---------------------------------------------------------------------------------------------------- small values

DURATIONS = [("2s", 2), ("500ms", 0.5), ("1m", 60), ("1.5h", 5400), ("1d", 86400), ("1h30m", 5400), (3, 3), (0.5, 0.5)]


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_durations(written: Any, seconds: float) -> None:
    assert parse(node(timeout=written)).nodes["a"].timeout == seconds


def test_retry_may_be_a_number() -> None:
    assert parse(node(retry=3)).nodes["a"].retry == Retry(attempts=3)


def test_limits_merge_to_the_stricter_and_money_is_exact() -> None:
    one = Limits.from_dict({"usd": "0.10", "tokens": 100, "seconds": "5m"})
    two = Limits.from_dict({"usd": 0.3, "tokens": 50, "steps": 7})
    both = one.merge(two)
    assert both == Limits(tokens=50, usd=Decimal("0.10"), seconds=300.0, steps=7)
    assert Limits.from_dict({"usd": 0.1}).usd == Decimal("0.1")
    assert Limits.from_dict(both.to_dict()) == both
    assert Limits().merge(both) == both
    with pytest.raises(Invalid) as caught:
        Limits.from_dict({"usd": -1, "x": 1})
    assert (caught.value.code, [p.pointer for p in caught.value.problems]) == ("limits.invalid", ["/x", "/usd"])


def test_defaults_are_filled_at_every_depth_and_the_inputs_stay_as_they_were() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"default": 1},
            "o": {"type": "object", "properties": {"k": {"default": 2}}},
            "p": {"type": "object", "default": {}, "properties": {"k": {"default": 3}}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"k": {"default": 4}}}},
            "t": True,
        },
    }
    given_ = {"o": {}, "l": [{}, {"k": 0}, 5], "extra": 1}
    assert input_defaults(schema, given_) == {
        "o": {"k": 2},
        "l": [{"k": 4}, {"k": 0}, 5],
        "extra": 1,
        "a": 1,
        "p": {"k": 3},
    }
    assert given_ == {"o": {}, "l": [{}, {"k": 0}, 5], "extra": 1}
    assert input_defaults(schema, {"a": None, "o": 3})["a"] is None


def test_the_fingerprint_is_of_the_content_without_layout_and_order() -> None:
    first = parse(EXAMPLE).fingerprint
    assert parse(dict(reversed(list(EXAMPLE.items())))).fingerprint == first
    assert parse({**EXAMPLE, "layout": {"list": {"x": 1}}}).fingerprint == first
    assert parse({**EXAMPLE, "title": "Other"}).fingerprint != first
    assert parse({**EXAMPLE, "edges": EXAMPLE["edges"][::-1]}).fingerprint != first


# ------------------------------------------------------------------------------------------------------ the schema


def test_the_schema_is_json_schema_describes_every_key_and_accepts_the_example() -> None:
    schema = document_schema()
    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(EXAMPLE)) == []
    for place in (schema, schema["$defs"]["node"], schema["$defs"]["edge"], schema["properties"]["limits"]):
        assert all(part["description"] for part in place["properties"].values())


def test_the_schema_knows_the_keys_the_parser_knows() -> None:
    from penstock.engine.document import LIMITS, WITHIN
    from penstock.engine.edges import EDGE_KEYS
    from penstock.engine.parts import NODE_KEYS, RETRY_KEYS
    from penstock.engine.workflow import KEYS

    schema = document_schema()
    at_node = schema["$defs"]["node"]["properties"]
    assert set(schema["properties"]) == set(KEYS)
    assert set(at_node) == set(NODE_KEYS)
    assert set(schema["$defs"]["edge"]["properties"]) == set(EDGE_KEYS)
    assert set(schema["properties"]["limits"]["properties"]) == {*LIMITS, *WITHIN}
    assert set(at_node["retry"]["oneOf"][1]["properties"]) == set(RETRY_KEYS)


def test_what_the_parser_takes_the_schema_takes() -> None:
    validator = Draft202012Validator(document_schema())
    beyond = {"graph", "edge", "expr", "node"}  # only the parser sees these
    for name, document, expected in BAD:
        if name in ("NaN", "a huge number", "half a surrogate", "NUL", "a set", "a key not text"):
            continue
        groups = {code.split(".")[0] for code, _ in expected}
        if "document" not in groups:
            assert list(validator.iter_errors(document)) == [] or groups <= beyond, name
        elif name not in ("parallel alone", "usd of text"):
            assert list(validator.iter_errors(document)), name
    for good in (node(retry=3, timeout="1h30m", join="majority"), {**ONE, "limits": {"usd": "0.1", "seconds": "5m"}}):
        parse(good)
        assert list(validator.iter_errors(good)) == []


def test_with_is_described_for_each_kind_and_expressions_may_stand_in_it() -> None:
    wait = {
        "type": "object",
        "required": ["seconds"],
        "additionalProperties": False,
        "properties": {"seconds": {"type": "number"}, "way": {"$ref": "#/$defs/Way"}, "name": {"type": "string"}},
        "$defs": {"Way": {"enum": ["a", "b"]}},
    }
    schema = document_schema({"wait": wait})
    Draft202012Validator.check_schema(schema)

    def fits(**config: Any) -> bool:
        document = {**ONE, "nodes": {"a": {"kind": "wait", "with": config}}}
        return Draft202012Validator(schema).is_valid(document)

    assert fits(seconds=1, way="a", name="x")
    assert fits(seconds="${{ inputs.s }}", way="${{ inputs.w }}")
    assert not fits(seconds="soon")
    assert not fits(seconds=1, way="c")
    assert not fits(seconds=1, wy="a")
    assert not Draft202012Validator(schema).is_valid({**ONE, "nodes": {"a": {"kind": "wiat"}}})


# ------------------------------------------------------------------------------------------------- by hypothesis

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats()
    | st.sampled_from(
        ["a", "k", "2s", "${{ inputs.x }}", "${{ nodes.a.output }}", "${{ (", "all", "x" * 70, "\ud800", "é/~"]
    ),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "a",
                    "kind",
                    "with",
                    "from",
                    "to",
                    "when",
                    "for_each",
                    "retry",
                    "attempts",
                    "type",
                    "properties",
                    "join",
                    "a/b",
                    "",
                ]
            ),
            part,
            max_size=4,
        )
    ),
    max_leaves=12,
)
keys = st.sampled_from(
    [
        "penstock",
        "name",
        "title",
        "tags",
        "inputs",
        "limits",
        "nodes",
        "edges",
        "outputs",
        "schemas",
        "layout",
        "minutes",
        "x",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(anything, st.dictionaries(keys, anything, max_size=8)))
def test_nothing_but_invalid_ever_comes_out(document: Any) -> None:
    try:
        parse(document)
    except Invalid as error:
        assert error.code == "workflow.invalid"
        assert error.problems
        assert all(p.code and p.message for p in error.problems)


def _seconds() -> st.SearchStrategy[Any]:
    return st.integers(1, 500) | st.sampled_from(["500ms", "2s", "1m30s"])


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
    nodes: dict[str, Any] = {}
    for at, name in enumerate(names):
        reads = [f"${{{{ nodes.{other}.output }}}}" for other in names[:at]] + ["${{ inputs.x }}", 1, None, "text"]
        nodes[name] = draw(
            st.fixed_dictionaries(
                {"kind": st.sampled_from(["tool", "agent"])},
                optional={
                    "with": st.dictionaries(st.sampled_from("pqr"), st.sampled_from(reads), max_size=2),
                    "retry": st.integers(1, 5) | st.fixed_dictionaries({"backoff": _seconds()}),
                    "timeout": _seconds(),
                    "on_error": st.sampled_from(["fail", "continue", "skip", "pause"]),
                    "join": st.sampled_from(["all", "any", "majority"]),
                    "title": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
                },
            )
        )
    edges = [{"from": one, "to": two} for one, two in pairwise(names)]
    return {
        "penstock": 1,
        "name": "generated",
        "nodes": nodes,
        "edges": edges,
        "limits": draw(st.dictionaries(st.sampled_from(["tokens", "steps", "parallel"]), st.integers(1, 99))),
        "outputs": {name: f"${{{{ nodes.{name}.output }}}}" for name in names},
    }


@settings(max_examples=150, deadline=None)
@given(documents())
def test_a_document_survives_being_read_and_written(document: dict[str, Any]) -> None:
    workflow = parse(document)
    assert workflow.document == document
    text = json.dumps(workflow.document, sort_keys=True)
    again = parse(json.loads(text))
    assert again.fingerprint == workflow.fingerprint
    assert set(again.nodes) == set(workflow.nodes)
    assert again.edges == workflow.edges
    for name, one in workflow.nodes.items():
        other = again.nodes[name]
        assert (one.retry, one.timeout, one.join, one.on_error) == (
            other.retry,
            other.timeout,
            other.join,
            other.on_error,
        )
    assert Draft202012Validator(document_schema()).is_valid(document)


def test_a_large_document_is_read_in_one_breath() -> None:
    nodes = {
        f"n{at}": {"kind": "k", "with": {"x": f"${{{{ nodes.n{at - 1}.output.v }}}}" if at else 1}}
        for at in range(2_000)
    }
    edges = [{"from": f"n{at}", "to": f"n{at + 1}"} for at in range(1_999)]
    edges += [{"from": f"n{at}", "to": f"n{at + 2}"} for at in range(1_998)]
    started = time.process_time()
    workflow = parse({**ONE, "nodes": nodes, "edges": edges})
    assert time.process_time() - started < 2  # 0.1 s is usual; this only tells linear from quadratic
    assert len(workflow.after["n0"]) == 2_000
