"""Questions to the knowledge graph: who imports, calls or defines what, how one thing reaches another, what a change touches.

A question is parameters, not a language of its own, so nothing in it can run long or reach beyond the graph. All of them are
one walk: from where, along which edges, in which direction, how far. The last graphs drawn are remembered, and drawn again
when a file has changed.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .fence import CallFailed, Fence
from .graph import Graph, build

STARTS = 50  # nodes a name may mean before the question is too vague
REMEMBERED = 2  # graphs
# question -> (edges, against their direction, how far by default)
WALKS: dict[str, tuple[tuple[str, ...], bool, int]] = {
    "imports": (("imports",), False, 1),
    "imported_by": (("imports",), True, 1),
    "calls": (("calls",), False, 1),
    "called_by": (("calls",), True, 1),
    "defines": (("defines",), False, 1),
    "defined_in": (("defines",), True, 1),
    "inherits": (("inherits",), False, 20),
    "inherited_by": (("inherits",), True, 20),
    "affects": (("imports", "calls", "inherits"), True, 20),
}


class Drawn:
    """Graphs of folders, drawn when first asked about."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[str, tuple[str, ...]], tuple[int, Graph, list[dict[str, str]]]] = {}

    def graph(
        self, fence: Fence, root: Path, paths: list[str], check: Callable[[], None]
    ) -> tuple[Graph, list[dict[str, str]]]:
        """(graph, skipped) of these files, or without any of all files of the folder. Raises CallFailed as `build` does."""
        if not paths:
            from .listing import list_files  # noqa: PLC0415  (who names the files does without it)

            listed = list_files(root, include=[], exclude=[], max_files=100_000, max_bytes=1 << 20, check=check)
            paths = [file["path"] for file in listed["files"]]
        key, stamp = (str(root), tuple(paths)), _stamp(root, paths)
        if (known := self._graphs.pop(key, None)) is None or known[0] != stamp:
            graph, summary = build(fence, root, paths, definitions=True, max_nodes=200_000, check=check)
            known = (stamp, graph, summary["skipped"])
        self._graphs[key] = known
        while len(self._graphs) > REMEMBERED:
            self._graphs.pop(next(iter(self._graphs)), None)
        return known[1], known[2]


DRAWN = Drawn()


def _stamp(root: Path, paths: Iterable[str]) -> int:
    seen = []
    for path in paths:
        try:
            found = (root / path).stat()
        except OSError:
            continue
        seen.append((path, found.st_mtime_ns, found.st_size, found.st_ino))
    return hash(tuple(seen))


def ask(
    graph: Graph,
    question: str,
    of: str,
    *,
    to: str | None,
    along: list[str],
    direction: str,
    depth: int | None,
    limit: int,
) -> tuple[Graph, dict[str, Any]]:
    """(the part of the graph that answers, the answer): start, nodes with their distance, edges, matched, truncated, and for
    `path` the path as ids. Raises CallFailed `graph.no_such_node` (with what is nearest), `graph.too_vague`, `graph.no_target`.
    """
    start = meant(graph, of, most=len(graph.nodes) if question == "find" else STARTS)
    steps: dict[str, tuple[int, tuple[str, str, str] | None]] = dict.fromkeys(start, (0, None))
    path: list[str] = []
    if question == "path":
        if to is None:
            raise CallFailed("graph.no_target", "`path` leads somewhere: say where with `to`")
        goals = set(meant(graph, to, most=STARTS))
        walked = _walk(graph, start, along, direction, depth or 100, goals)
        goal = next((node for node in walked if node in goals), None)
        while goal is not None:
            path.insert(0, goal)
            edge = walked[goal][1]
            goal = None if edge is None else edge[0] if edge[1] == goal else edge[1]
        steps = {node: walked[node] for node in path}
    elif question == "neighbours":
        steps = _walk(graph, start, along, direction, depth or 1)
    elif question != "find":
        kinds, against, far = WALKS[question]
        begin = [*start, *_within(graph, start)] if question == "affects" else start
        steps = _walk(graph, begin, list(kinds), "in" if against else "out", depth or far)
    shown = dict(list(steps.items())[:limit])
    part = Graph({node: graph.nodes[node] for node in shown})
    if question == "path":
        part.edges = {edge: graph.edges[edge] for _, edge in shown.values() if edge is not None}
    elif question != "find":
        kinds = WALKS[question][0] if question in WALKS else tuple(along)
        part.edges = {
            edge: rest
            for edge, rest in graph.edges.items()
            if edge[0] in shown and edge[1] in shown and (not kinds or edge[2] in kinds)
        }
    nodes = [{"id": node, **graph.nodes[node], "distance": shown[node][0]} for node in shown]
    answer = {"question": question, "start": start[:STARTS], "nodes": nodes, "edges": part.edge_rows(), "path": path}
    return part, answer | {"matched": len(steps), "truncated": len(shown) < len(steps)}


def meant(graph: Graph, name: str, most: int) -> list[str]:
    """The ids of the nodes `name` means: an id, a path, a dotted name, the last part of one, or a pattern with `*`."""
    if name in graph.nodes:
        return [name]
    wanted = name.removeprefix("./")
    dotted = {node: _dotted(graph, node) for node in graph.nodes}
    if "*" in wanted:
        found = [
            node
            for node, full in dotted.items()
            if any(fnmatch.fnmatchcase(text, wanted) for text in (full, graph.nodes[node]["name"], _path(graph, node)))
        ]
    else:
        found = [n for n, row in graph.nodes.items() if row["kind"] == "module" and row["path"] == wanted]
        found = found or [node for node, full in dotted.items() if wanted in (full, graph.nodes[node]["name"])]
        found = found or [node for node, full in dotted.items() if full.endswith(f".{wanted}")]
        found = found or [n for n in graph.nodes if _path(graph, n).endswith(f"/{wanted}")]
    if not found:
        near = difflib.get_close_matches(wanted, {*dotted.values(), *(row["name"] for row in graph.nodes.values())}, 3)
        hint = f"; the nearest are {', '.join(near)}" if near else ""
        raise CallFailed("graph.no_such_node", f"nothing in the graph is called {name!r}{hint}")
    if len(found) > most:
        some = ", ".join(found[:5])
        raise CallFailed("graph.too_vague", f"{name!r} means {len(found)} things, {most} at most: {some}, …")
    return found


def _path(graph: Graph, node: str) -> str:
    return graph.nodes[node].get("path", "")


def _dotted(graph: Graph, node: str) -> str:
    row = graph.nodes[node]
    if row["kind"] in ("module", "package"):
        return row["name"]
    module = graph.nodes.get(f"module:{row['path']}")
    return f"{module['name']}.{row['name']}" if module else row["name"]


def _within(graph: Graph, start: list[str]) -> list[str]:
    """What the start nodes define, at any depth: whoever uses that uses them."""
    return [node for node in _walk(graph, start, ["defines"], "out", 100) if node not in start]


def _walk(
    graph: Graph, start: Iterable[str], along: list[str], direction: str, depth: int, goals: Iterable[str] = ()
) -> dict[str, tuple[int, tuple[str, str, str] | None]]:
    """Each node that is reached: how many edges away, and the edge it was reached by; the nearest first. Ends at a goal."""
    beside: dict[str, list[tuple[str, tuple[str, str, str]]]] = {}
    for edge in graph.edges:
        source, target, kind = edge
        if along and kind not in along:
            continue
        if direction in ("out", "both"):
            beside.setdefault(source, []).append((target, edge))
        if direction in ("in", "both"):
            beside.setdefault(target, []).append((source, edge))
    wanted = set(goals)
    reached: dict[str, tuple[int, tuple[str, str, str] | None]] = dict.fromkeys(start, (0, None))
    waiting = deque(reached)
    while waiting:
        node = waiting.popleft()
        far = reached[node][0]
        if node in wanted:
            break
        for other, edge in beside.get(node, ()) if far < depth else ():
            if other not in reached:
                reached[other] = (far + 1, edge)
                waiting.append(other)
    return reached
