"""Two versions of a workflow: what was added, removed and changed, down to fields and handles."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.workflow import compare, parse

BASE: dict[str, Any] = {
    "penstock": 1,
    "name": "x",
    "title": "T",
    "tags": ["a", "b"],
    "limits": {"usd": 1},
    "nodes": {
        "a": {"kind": "k", "with": {"x": 1, "list": [1, 2]}, "timeout": "2s"},
        "b": {"kind": "k"},
        "c": {"kind": "k"},
        "d": {"kind": "k"},
    },
    "edges": [{"from": "a", "to": "b"}, {"from": "a", "to": "c", "when": "inputs.x"}, {"from": "b", "to": "d"}],
    "layout": {"a": {"x": 1}},
}
NOTHING: dict[str, Any] = {
    "nodes": {"added": [], "removed": [], "changed": []},
    "edges": {"added": [], "removed": [], "changed": []},
    "workflow": [],
    "same": False,
    "layout_only": False,
}


def put(path: str, value: Any) -> Any:
    """A change of BASE: what lies at `path` becomes `value`."""

    def change(document: dict[str, Any]) -> None:
        *outer, last = path.split("/")
        at: Any = document
        for key in outer:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[int(last) if isinstance(at, list) else last] = value

    return change


def drop(path: str) -> Any:
    def change(document: dict[str, Any]) -> None:
        *outer, last = path.split("/")
        at: Any = document
        for key in outer:
            at = at[key]
        del at[int(last) if isinstance(at, list) else last]

    return change


def node(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"nodes": {**NOTHING["nodes"], "changed": [{"name": name, "fields": list(fields)}]}}


def edges(**parts: Any) -> dict[str, Any]:
    return {"edges": {**NOTHING["edges"], **parts}}


CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("nothing", [], {"same": True}),
    ("layout", [put("layout", {"a": {"x": 2}})], {"layout_only": True}),
    ("no layout", [drop("layout")], {"layout_only": True}),
    ("title", [put("title", "U")], {"workflow": [{"pointer": "/title", "old": "T", "new": "U"}]}),
    ("new key", [put("persona", "p")], {"workflow": [{"pointer": "/persona", "new": "p"}]}),
    ("gone key", [drop("title")], {"workflow": [{"pointer": "/title", "old": "T"}]}),
    ("limit", [put("limits/usd", 2)], {"workflow": [{"pointer": "/limits/usd", "old": 1, "new": 2}]}),
    ("type of a limit", [put("limits/usd", 1.0)], {"workflow": [{"pointer": "/limits/usd", "old": 1, "new": 1.0}]}),
    ("element of a list", [put("tags/1", "c")], {"workflow": [{"pointer": "/tags/1", "old": "b", "new": "c"}]}),
    ("longer list", [put("tags", ["a"])], {"workflow": [{"pointer": "/tags", "old": ["a", "b"], "new": ["a"]}]}),
    ("field", [put("nodes/a/with/x", 2)], node("a", {"pointer": "/with/x", "old": 1, "new": 2})),
    ("truth is not one", [put("nodes/a/with/x", True)], node("a", {"pointer": "/with/x", "old": 1, "new": True})),
    (
        "fields",
        [put("nodes/a/with/list/0", 5), drop("nodes/a/timeout"), put("nodes/a/with/a~b", None)],
        node(
            "a",
            {"pointer": "/with/list/0", "old": 1, "new": 5},
            {"pointer": "/with/a~0b", "new": None},
            {"pointer": "/timeout", "old": "2s"},
        ),
    ),
    ("order of keys", [put("nodes/a", {"timeout": "2s", "with": {"list": [1, 2], "x": 1}, "kind": "k"})], {"same": True}),
    ("new node", [put("nodes/e", {"kind": "k"})], {"nodes": {**NOTHING["nodes"], "added": ["e"]}}),
    ("condition", [put("edges/0/when", "inputs.y")], edges(
        changed=[{"from": "a", "to": "b", "fields": [{"pointer": "/when", "new": "inputs.y"}]}])),
    ("target handle", [put("edges/2/to", "c")], edges(
        changed=[{"from": "b", "to": "d", "fields": [{"pointer": "/to", "old": "d", "new": "c"}]}])),
    ("source handle", [put("edges/2/from", "c")], edges(
        changed=[{"from": "b", "to": "d", "fields": [{"pointer": "/from", "old": "b", "new": "c"}]}])),
    ("target handle, condition kept", [put("edges/1/to", "d")], edges(
        changed=[{"from": "a", "to": "c", "fields": [{"pointer": "/to", "old": "c", "new": "d"}]}])),
    ("both ends", [put("edges/2", {"from": "c", "to": "b"})], edges(
        added=[{"from": "c", "to": "b"}], removed=[{"from": "b", "to": "d"}])),
    ("edge gone", [drop("edges/2")], edges(removed=[{"from": "b", "to": "d"}])),
    ("order of edges", [lambda d: d["edges"].reverse()], {"same": True}),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), [(c, e) for _, c, e in CASES], ids=[name for name, _, _ in CASES])
def test_differences(changes: list[Any], expected: dict[str, Any]) -> None:
    document = copy.deepcopy(BASE)
    for change in changes:
        change(document)
    assert compare(parse(BASE), parse(document)) == {**NOTHING, **expected}


def test_a_removed_node_takes_its_edges_along() -> None:
    smaller = copy.deepcopy(BASE)
    del smaller["nodes"]["c"]
    del smaller["edges"][1]
    found = compare(parse(BASE), parse(smaller))
    assert found["nodes"]["removed"] == ["c"]
    assert found["edges"]["removed"] == [{"from": "a", "to": "c", "when": "inputs.x"}]


def test_an_edge_is_only_called_moved_when_there_is_no_doubt_which() -> None:
    old = copy.deepcopy(BASE)
    old["edges"] = [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]
    new = copy.deepcopy(BASE)
    new["edges"] = [{"from": "a", "to": "d"}]
    found = compare(parse(old), parse(new))["edges"]
    assert found == {"added": new["edges"], "removed": old["edges"], "changed": []}


values = st.sampled_from([1, 1.0, True, "x", None, [1], {"y": 1}])


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.sampled_from("pq"), values), min_size=1),
    st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.sampled_from("pq"), values), min_size=1),
)
def test_same_means_the_same_fingerprint_and_the_way_back_mirrors_the_way_there(one: Any, two: Any) -> None:
    def workflow(configs: Any) -> Any:
        nodes = {name: {"kind": "k", "with": config} for name, config in configs.items()}
        return parse({"penstock": 1, "name": "x", "nodes": nodes})

    old, new = workflow(one), workflow(two)
    there, home = compare(old, new), compare(new, old)
    assert there["same"] == (old.fingerprint == new.fingerprint)
    assert there["nodes"]["added"] == home["nodes"]["removed"]
    assert {c["name"] for c in there["nodes"]["changed"]} == {c["name"] for c in home["nodes"]["changed"]}
