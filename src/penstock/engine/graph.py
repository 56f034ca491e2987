"""The shape of a workflow: which edges go back, what comes before what, and what is wrong with it.

A depth-first search over the edges in their declared order calls an edge `back` when its target is on the path that led
to it. Without back edges the graph has no cycle; each cycle therefore has one, and the target's `max_visits` bounds it.
Only the order of the edges counts, not the order of the nodes: nodes are a mapping, and stores may reorder mappings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Shape:
    """`back` holds the indexes of back edges; `cycles` the path each one closes, from its target to its source;
    `starts` where a run begins; `unreachable` what no path leads to."""

    back: frozenset[int]
    cycles: dict[int, tuple[str, ...]]
    starts: tuple[str, ...]
    unreachable: tuple[str, ...]
    order: tuple[str, ...]  # forward edges lead only from left to right


def shape_of(names: Sequence[str], edges: Sequence[tuple[str, str]], heads: frozenset[str] = frozenset()) -> Shape:
    """The shape. A run starts at the nodes no other leads to; if there is none, at the source of the first edge. `heads` may be
    visited again: where a cycle can be entered in two places, the search goes to them first, so that it is closed there."""
    leaving: dict[str, list[int]] = {name: [] for name in names}
    entered: set[str] = set()
    for index, (source, target) in enumerate(edges):
        leaving[source].append(index)
        if source != target:
            entered.add(target)
    if heads:
        for indexes in leaving.values():
            indexes.sort(key=lambda index: edges[index][1] not in heads)
    starts = [name for name in names if name not in entered]
    if not starts and edges:
        starts = [edges[0][0]]
    # Sources in the order of their first edge, so that the order of the mapping does not matter.
    first = {name: indexes[0] for name, indexes in leaving.items() if indexes}
    begin = sorted(starts, key=lambda name: first.get(name, len(edges)))
    back: set[int] = set()
    cycles: dict[int, tuple[str, ...]] = {}
    state: dict[str, int] = {}  # 1 on the path, 2 done
    finished: list[str] = []
    rest = sorted((name for name in names if name not in starts), key=lambda name: first.get(name, len(edges)))
    reached = 0
    for at, start in enumerate([*begin, *rest]):
        if at == len(begin):
            reached = len(finished)
        if start in state:
            continue
        path = [start]
        todo = [iter(leaving[start])]
        state[start] = 1
        while path:
            for index in todo[-1]:
                target = edges[index][1]
                seen = state.get(target)
                if seen == 1:
                    back.add(index)
                    cycles[index] = tuple(path[path.index(target) :])
                elif seen is None:
                    state[target] = 1
                    path.append(target)
                    todo.append(iter(leaving[target]))
                    break
            else:
                todo.pop()
                done = path.pop()
                state[done] = 2
                finished.append(done)
    if not rest:
        reached = len(finished)
    lost = set(finished[reached:])
    return Shape(
        frozenset(back),
        cycles,
        tuple(name for name in names if name in set(starts)),
        tuple(name for name in names if name in lost),
        tuple(reversed(finished)),
    )


class Reach(dict[str, frozenset[str]]):
    """Node -> the nodes reachable over forward edges, itself included; each computed when it is first asked for, since
    all of them together are quadratic in the number of nodes."""

    def __init__(self, forward: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._forward = forward

    def __missing__(self, name: str) -> frozenset[str]:
        found = {name}
        todo = [name]
        while todo:
            for target in self._forward[todo.pop()]:
                if target not in found:
                    found.add(target)
                    todo.append(target)
        self[name] = frozenset(found)
        return self[name]


class Before:
    """Which nodes may have run before which, over all edges. One integer a node, one bit for each node before it."""

    def __init__(self, shape: Shape, edges: Sequence[tuple[str, str]]) -> None:
        self._bit = {name: 1 << at for at, name in enumerate(shape.order)}
        entering: dict[str, list[str]] = {name: [] for name in shape.order}
        for source, target in edges:
            entering[target].append(source)
        before = dict.fromkeys(shape.order, 0)
        changed = True
        while changed:  # once, and once more for each nesting of cycles
            changed = False
            for name in shape.order:
                bits = before[name]
                for source in entering[name]:
                    bits |= before[source] | self._bit[source]
                if bits != before[name]:
                    before[name] = bits
                    changed = True
            if not shape.back:
                break
        self._before = before

    def __call__(self, name: str, node: str) -> bool:
        """Whether `name` may have a result when `node` starts."""
        return bool(self._before[node] & self._bit[name])
