"""Random workflows that are right: for simulations and property tests.

Layers of nodes with edges downwards, so that a document is always a graph that can be run; then conditions, joins, loops,
lists, retries, failures and waits are put in. What a step does is said in its `with` (the kind `act` of the simulation).
"""

from __future__ import annotations

import random
from typing import Any

from ..engine.workflow import parse
from ..errors import Invalid

CONDITIONS = ("${{ inputs.go }}", "${{ !inputs.go }}", "${{ size(inputs.list) > 2 }}")
KINDS = ("act",) * 8 + ("wait", "human", "subflow")


def random_document(rng: random.Random, name: str = "flow") -> dict[str, Any]:
    """A document with 1 to 8 nodes. `child` may not have sub-workflows; others may call `child`."""
    count = rng.randint(1, 8)
    names = [f"n{i}" for i in range(count)]
    edges: list[dict[str, Any]] = []
    for i in range(1, count):
        for source in rng.sample(names[:i], min(i, rng.choice((1, 1, 1, 2, 3)))):
            edge: dict[str, Any] = {"from": source, "to": names[i]}
            if rng.random() < 0.25:
                edge["when"] = rng.choice(CONDITIONS)
            edges.append(edge)
    nodes = {node: _node(rng, node, edges, name) for node in names}
    if count > 2 and rng.random() < 0.3:
        _loop(rng, names, nodes, edges)
    document: dict[str, Any] = {
        "penstock": 1,
        "name": name,
        "inputs": {"type": "object", "properties": {"go": {"type": "boolean"}, "list": {"type": "array"}}},
        "nodes": nodes,
        "edges": edges,
        "outputs": {"last": f"${{{{ nodes.{names[-1]}.output }}}}"},
    }
    limits = {
        k: v
        for k, v in (("parallel", rng.randint(1, 4)), ("tokens", rng.randint(5, 60)), ("steps", rng.randint(3, 60)))
        if rng.random() < 0.25
    }
    if limits:
        document["limits"] = limits
    try:
        parse(document)
    except Invalid:  # the loop has two ways in, and only one of them may be visited again
        edges.pop()
    _routes(random.Random(repr(document)), nodes, edges)
    return document


def _routes(rng: random.Random, nodes: dict[str, Any], edges: list[dict[str, Any]]) -> None:
    """Some nodes go one way only, and some edges have a gate. Chosen by what the document is, so that the rest of it is the same
    as without."""
    for name, node in nodes.items():
        leaving = [edge for edge in edges if edge["from"] == name]
        if len(leaving) > 1 and rng.random() < 0.5:
            node["route"] = "first"
            for edge in leaving:
                edge.setdefault("when", rng.choice(CONDITIONS))
            # A router that goes nowhere cannot be put right by another input: paused on that, a run would pause for ever.
            if rng.random() < 0.5 or node.get("on_error") == "pause":
                default = rng.choice(leaving)
                del default["when"]
                default["default"] = True
    for edge in edges:
        if rng.random() < 0.08:
            edge["gate"] = {"seconds": rng.choice((20, 300)), "on_timeout": rng.choice(("approve", "reject"))}


def _node(rng: random.Random, name: str, edges: list[dict[str, Any]], flow: str) -> dict[str, Any]:
    kind = rng.choice(KINDS)
    if kind == "subflow" and flow == "child":
        kind = "act"
    node: dict[str, Any] = {"kind": kind}
    incoming = sum(1 for e in edges if e["to"] == name)
    if incoming > 1 and rng.random() < 0.4:
        node["join"] = rng.choice(("any", "majority", 2))
    if kind == "wait":
        node["with"] = {"seconds": rng.choice((0.5, 3, 70))}
        return node
    if kind == "human":
        node["with"] = {"title": "Go on?", "seconds": rng.choice((20, 300)), "on_timeout": "approve"}
        return node
    if kind == "subflow":
        node["with"] = {"workflow": "child", "inputs": {"go": "${{ inputs.go }}", "list": []}}
        node["on_error"] = rng.choice(("fail", "continue"))
        return node
    act: dict[str, Any] = {
        "calls": rng.choice((0, 0, 1, 3)),
        "fails": rng.choice((0, 0, 0, 1, 2)),
        "seconds": rng.choice((0, 0, 0.2, 5, 65)),
        "value": rng.choice(("${{ inputs.go }}", 1, "plain")),
    }
    if rng.random() < 0.06:
        act["fatal"] = True
    if rng.random() < 0.1:
        act["hangs"] = 1
        node["timeout"] = 2
    if rng.random() < 0.05:
        act["size"] = 70_000
    if rng.random() < 0.2:
        act["tokens"] = rng.randint(1, 4)
    node["retry"] = {"attempts": rng.randint(1, 4), "backoff": rng.choice((0.1, 1, 10))}
    node["on_error"] = rng.choice(("fail", "fail", "continue", "skip", "pause"))
    if rng.random() < 0.2:
        node["for_each"] = "${{ inputs.list }}"
        act["value"] = "${{ item }}"
        if rng.random() < 0.5:
            node["parallel"] = rng.randint(1, 3)
    node["with"] = act
    return node


def _loop(rng: random.Random, names: list[str], nodes: dict[str, Any], edges: list[dict[str, Any]]) -> None:
    """An edge from a node back to one of those it comes from; taken while there are visits left, then closed."""
    tail = rng.choice(names[1:])
    above, frontier = set(), {tail}
    while frontier:
        frontier = {e["from"] for e in edges if e["to"] in frontier} - above
        above |= frontier
    if not above:
        return
    head = rng.choice(sorted(above))
    if nodes[tail]["kind"] != "act" or "for_each" in nodes[tail]:
        return
    nodes[head]["max_visits"] = rng.randint(2, 3)
    edges.append({"from": tail, "to": head, "when": rng.choice(("${{ inputs.go }}", "${{ run.mode == 'full_run' }}"))})
