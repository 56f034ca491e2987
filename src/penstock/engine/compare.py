"""What differs between two versions of a workflow, down to single fields.

Nodes are matched by name, edges by what they connect. An edge whose one end moved elsewhere is reported as changed, at that
handle (`from` or `to`), not as one removed and one added. Differences are found in the documents, not in what was parsed
from them, so a value is shown as its author wrote it; the order of keys is no difference, and a canvas position is one
only in `layout_only`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .document import Workflow
from .expr import escape

Change = dict[str, Any]
_ABSENT = object()
_ELSEWHERE = ("nodes", "edges", "layout")


def compare(old: Workflow, new: Workflow) -> dict[str, Any]:
    """The differences, as JSON.

    {"nodes": {"added": [name], "removed": [name], "changed": [{"name", "fields": [change]}]},
     "edges": {"added": [edge], "removed": [edge], "changed": [{"from", "to", "fields": [change]}]},
     "workflow": [change], "same": bool, "layout_only": bool}

    A change is {"pointer", "old", "new"}; `pointer` is relative to the node, the edge or the document, and `old` or `new` is
    missing where the field is. `from` and `to` of a changed edge are the old ones; its field `/place` is where a router tries it,
    counted from 1. `same`: nothing differs, layout
    included.
    """
    nodes = _nodes(old.document.get("nodes") or {}, new.document.get("nodes") or {})
    routers = {node.name for one in (old, new) for node in one.nodes.values() if node.route == "first"}
    edges = _edges(old.document.get("edges") or [], new.document.get("edges") or [], routers)
    workflow = [
        change
        for key in dict.fromkeys([*old.document, *new.document])
        if key not in _ELSEWHERE
        for change in _differences(old.document.get(key, _ABSENT), new.document.get(key, _ABSENT), f"/{escape(key)}")
    ]
    same = not workflow and not any(nodes.values()) and not any(edges.values())
    moved = not _equal(old.layout, new.layout)
    return {
        "nodes": nodes,
        "edges": edges,
        "workflow": workflow,
        "same": same and not moved,
        "layout_only": same and moved,
    }


def _nodes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    changed = []
    for name, node in new.items():
        if name in old and (fields := list(_differences(old[name], node, ""))):
            changed.append({"name": name, "fields": fields})
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": changed,
    }


def _edges(old: list[Any], new: list[Any], routers: set[str]) -> dict[str, list[Any]]:
    """Edges with both ends alike are one edge; of the others, those that share one end and the condition."""
    before = {(edge["from"], edge["to"]): edge for edge in old}
    after = {(edge["from"], edge["to"]): edge for edge in new}
    pairs = [(before[ends], after[ends]) for ends in before if ends in after]
    gone = [edge for ends, edge in before.items() if ends not in after]
    come = [edge for ends, edge in after.items() if ends not in before]
    for kept in ("from", "to"):
        left, right = _by_end(gone, kept), _by_end(come, kept)
        for end, edges in left.items():
            # Only where there is no doubt which edge became which.
            if len(edges) == 1 and len(right.get(end, ())) == 1:
                pairs.append((edges[0], right[end][0]))
        moved = {id(edge) for pair in pairs for edge in pair}
        gone = [edge for edge in gone if id(edge) not in moved]
        come = [edge for edge in come if id(edge) not in moved]
    changed = []
    moved_on = _reordered(pairs, old, new, routers)
    for one, two in pairs:
        if fields := [*_differences(one, two, ""), *moved_on.get(id(two), ())]:
            changed.append({"from": one["from"], "to": one["to"], "fields": fields})
    return {"added": come, "removed": gone, "changed": changed}


def _reordered(pairs: list[Any], old: list[Any], new: list[Any], routers: set[str]) -> dict[int, list[Change]]:
    """The edges, by their id in the new document, that a router now tries at another place among those there were."""
    before, after = ({id(edge): at for at, edge in enumerate(edges)} for edges in (old, new))
    out: dict[int, list[Change]] = {}
    for router in routers:
        here = [(one, two) for one, two in pairs if one["from"] == two["from"] == router]
        first = sorted(here, key=lambda pair: before[id(pair[0])])
        then = sorted(here, key=lambda pair: after[id(pair[1])])
        for place, (one, two) in enumerate(then, 1):
            if (was := next(at for at, pair in enumerate(first, 1) if pair[0] is one)) != place:
                out[id(two)] = [{"pointer": "/place", "old": was, "new": place}]
    return out


def _by_end(edges: list[Any], end: str) -> dict[tuple[str, Any], list[Any]]:
    out: dict[tuple[str, Any], list[Any]] = {}
    for edge in edges:
        out.setdefault((edge[end], edge.get("when")), []).append(edge)
    return out


def _differences(old: Any, new: Any, at: str) -> Iterator[Change]:
    """The smallest parts that differ. Lists of one length are compared element by element, others as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{at}/{escape(key)}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, two, f"{at}/{index}")
    elif not _equal(old, new):
        change: Change = {"pointer": at}
        if old is not _ABSENT:
            change["old"] = old
        if new is not _ABSENT:
            change["new"] = new
        yield change


def _equal(old: Any, new: Any) -> bool:
    """Equality of JSON: true is not 1, and 1 is not 1.0, which the fingerprint tells apart too."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_equal(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(_equal(one, two) for one, two in zip(old, new, strict=True))
    return bool(old == new)
