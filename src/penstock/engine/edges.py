"""Reading the edges of a document: what leads where, on which condition, in which order, and past whom.

A gate or a checkpoint on an edge is a question to a person, and so it becomes a node of its own, of the kind `human`, that
stands on the edge: `gate_A_B` or `checkpoint_A_B`. It lives, waits, is answered and is seen like any other node, and
expressions may read its output. Nothing else in the engine knows of gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .document import Node
from .expr import Expression, compile_expression, escape
from .fields import MAX_EDGES, NODE_NAME, Reader
from .tokens import nearest

EDGE_KEYS = ("from", "to", "when", "default", "gate", "checkpoint")
GATE_KEYS = ("title", "message", "comment", "fields", "seconds", "on_timeout")
APPROVED = "approve"


@dataclass(frozen=True, slots=True)
class Way:
    """An edge as it was read, or one half of one with a gate. `number` is its place in the document, `to` the node that the
    document names."""

    number: int
    source: str
    target: str
    to: str
    when: Expression | None = None
    default: bool = False


def gate_of(edge: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `with` of the question that stands on an edge; None where there is none."""
    gate, target = edge.get("gate"), edge.get("to")
    if gate is True or isinstance(gate, str):
        gate = {"title": gate} if isinstance(gate, str) else {}
    if isinstance(gate, dict):
        return {"title": f"May {target} begin?", **gate, "choices": [APPROVED, "reject"]}
    if edge.get("checkpoint") is True:
        title = f"The run stops before {target}, to be looked at"
        return {"title": title[:200], "choices": ["continue"]}
    return None


class Edges:
    """The edges of one document, read; `nodes` gains those of gates. `sound`: every edge could be read."""

    def __init__(self, reader: Reader, nodes: dict[str, Node]) -> None:
        self.reader, self.nodes = reader, nodes
        self.ways: list[Way] = []
        self.sound = True

    def read(self, value: Any) -> list[Way]:
        if not isinstance(value, list):
            self.reader.wrong(value, "/edges", "edges", "a list of mappings with from and to")
            self.sound = False
            return self.ways
        if len(value) > MAX_EDGES:
            self.reader.add("document.too_large", "/edges", f"{len(value)} edges; {MAX_EDGES} are allowed")
            self.sound = False
            return self.ways
        known = list(self.nodes)  # gates that are added are no node that an edge may name
        seen: dict[tuple[str, str], int] = {}
        for index, edge in enumerate(value):
            self._edge(edge, index, f"/edges/{index}", known, seen)
        self._check_routers()
        return self.ways

    def _edge(self, edge: Any, index: int, at: str, known: list[str], seen: dict[tuple[str, str], int]) -> None:
        if self.reader.mapping(edge, at, "an edge") is None:
            self.sound = False
            return
        self.reader.unknown(edge, EDGE_KEYS, at, "an edge")
        source, target = self._end(edge, "from", at, known), self._end(edge, "to", at, known)
        when = self.reader.expression(edge["when"], f"{at}/when", "when") if "when" in edge else None
        default = self._flag(edge, "default", at)
        if source is None or target is None:
            self.sound = False
            return
        if (source, target) in seen:
            message = f"there is an edge from {source} to {target} already, /edges/{seen[source, target]}"
            self.reader.add("edge.doubled", at, message, "join the two conditions with ||")
            self.sound = False
            return
        seen[source, target] = index
        if default and self.nodes[source].route != "first":
            message = f"the edge is a default, and {source} goes over every edge whose condition is true"
            self.reader.add("edge.default_without_route", f"{at}/default", message, f"give {source} route: first")
            default = False
        if default and "when" in edge:
            message = "a default edge is taken when no other is, so it has no condition of its own"
            self.reader.add("edge.default_with_when", f"{at}/when", message, "leave out one of the two")
        gate = self._gate(edge, index, source, target)
        self.ways.append(Way(index, source, gate or target, target, when, default))
        if gate is not None:
            only = (
                compile_expression(f"nodes.{gate}.output.decision == '{APPROVED}'", f"{at}/gate")
                if "gate" in edge
                else None
            )
            self.ways.append(Way(index, gate, target, target, only))

    def _end(self, edge: Mapping[str, Any], key: str, at: str, known: list[str]) -> str | None:
        name = edge.get(key)
        if key not in edge:
            self.reader.add("document.missing", at, f"the edge has no {key}")
        elif not isinstance(name, str):
            self.reader.wrong(name, f"{at}/{key}", key, "the name of a node")
        elif name in known:
            return name
        elif known:
            close = nearest(name, known)
            hint = f"did you mean {close!r}?" if close else None
            self.reader.add("edge.unknown_node", f"{at}/{key}", f"there is no node {name[:80]!r}", hint)
        return None

    def _flag(self, edge: Mapping[str, Any], key: str, at: str) -> bool:
        value = edge.get(key, False)
        if not isinstance(value, bool):
            self.reader.wrong(value, f"{at}/{key}", key, "true or false")
        return value is True

    # --------------------------------------------------------------------------------------------------------- gates

    def _gate(self, edge: Mapping[str, Any], index: int, source: str, target: str) -> str | None:
        """The name of the node that stands on the edge, made; None for an edge without one."""
        at, gate = f"/edges/{index}", edge.get("gate")
        self._flag(edge, "checkpoint", at)
        if "gate" in edge:
            if edge.get("checkpoint"):
                message = "a gate stops the run as a checkpoint does"
                self.reader.add("edge.gate_and_checkpoint", f"{at}/checkpoint", message, "leave out one of the two")
            if isinstance(gate, dict):
                self.reader.unknown(gate, GATE_KEYS, f"{at}/gate", "a gate")
            elif gate is not True and not isinstance(gate, str):
                self.reader.wrong(gate, f"{at}/gate", "gate", "a question as text, a mapping, or true")
                return None
        config = gate_of(edge)
        if config is None:
            return None
        what = "gate" if "gate" in edge else "checkpoint"
        name = f"{what}_{source}_{target}"
        if not NODE_NAME.fullmatch(name):
            message = f"the {what} would be called {name[:80]}…, which is too long for a node"
            self.reader.add("edge.gate_name", f"{at}/{what}", message, "give the nodes shorter names")
        elif name in self.nodes:
            message = f"the {what} is called {name}, and there is a node of this name already"
            self.reader.add("edge.gate_name", f"{at}/{what}", message, "give that node another name")
        else:
            self.nodes[name] = Node(name, "human", self.reader.template(config, f"{at}/{what}"), edge=index)
            return name
        self.sound = False
        return None

    # ------------------------------------------------------------------------------------------------------- routers

    def _check_routers(self) -> None:
        """Of a node that goes one way only: at most one default, and no edge behind one that is always taken."""
        leaving: dict[str, list[Way]] = {}
        for way in self.ways:
            if self.nodes[way.source].route == "first":
                leaving.setdefault(way.source, []).append(way)
        for source, ways in leaving.items():
            defaults = [way for way in ways if way.default]
            for way in defaults[1:]:
                message = f"{source} has a default already, /edges/{defaults[0].number}"
                self.reader.add("edge.two_defaults", f"/edges/{way.number}/default", message)
            always = next((at for at, way in enumerate(ways) if way.when is None and not way.default), None)
            if always is None:
                continue
            behind = [way for at, way in enumerate(ways) if at > always or way.default]
            for way in behind:
                message = f"{source} never comes to this edge: /edges/{ways[always].number} has no condition"
                hint = "give that one a when, or default: true"
                self.reader.add("edge.unreachable", f"/edges/{way.number}", message, hint)


def pointer_of(node: Node) -> str:
    """Where a node stands in the document: among the nodes, or on an edge."""
    return f"/nodes/{escape(node.name)}" if node.edge is None else f"/edges/{node.edge}"
