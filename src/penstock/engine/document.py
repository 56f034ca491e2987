"""The parts of a workflow, as values: what the rest of the engine reads.

A `Workflow` is only ever made by `workflow.parse`, so whoever holds one holds a document that is right, with its
expressions compiled and its graph understood. Here are the values it consists of, and the few pure functions over them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from ..errors import Invalid, Problem
from .expr import Expression, Template
from .fields import Reader
from .graph import Reach

LIMITS = ("tokens", "usd", "seconds", "steps", "parallel", "iterations")
COSTS = ("tokens", "usd", "iterations")
WITHIN = ("step", "call")  # what else limits may bound: each step of the run, and each call of a step
ON_ERROR = ("fail", "continue", "skip", "pause")
DIFFICULTIES = ("beginner", "intermediate", "advanced")
JOINS = ("all", "any", "majority")
ROUTES = ("all", "first")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried, and the wait before the next try: `backoff` seconds, times `factor` each time, at most
    `max` seconds, plus up to the fraction `jitter` of it."""

    attempts: int = 1
    backoff: float = 1.0
    factor: float = 2.0
    max: float = 60.0
    jitter: float = 0.1


@dataclass(frozen=True, slots=True)
class Edge:
    """`index` is its place among all edges, in the order of the document; `back` closes a cycle. `default` is taken when no
    other edge of a router is. `to` is the target as the document names it, where a gate stands before it."""

    index: int
    source: str
    target: str
    when: Expression | None
    back: bool
    default: bool = False
    to: str = ""


@dataclass(slots=True)
class Node:
    """What may be done. `incoming` are forward edges, `back_in` those that close a cycle here, `outgoing` all that leave,
    in the order of the document. `plain`: every way out is forward and without condition. `route`: over all edges whose
    condition is true, or over the first. `timeout` is in seconds. `edge` is the place of the edge that a gate stands on."""

    name: str
    kind: str
    config: Template
    for_each: Expression | None = None
    parallel: int | None = None
    join: str | int = "all"
    route: str = "all"
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    max_visits: int = 1
    on_error: str = "fail"
    title: str = ""
    limits: Limits | None = None
    incoming: tuple[Edge, ...] = ()
    back_in: tuple[Edge, ...] = ()
    outgoing: tuple[Edge, ...] = ()
    plain: bool = True
    edge: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend; None is no limit. Money is exact. `step` and `call` bound what each step and each call of it may
    spend: tokens, usd and iterations."""

    tokens: int | None = None
    usd: Decimal | None = None
    seconds: float | None = None
    steps: int | None = None
    parallel: int | None = None
    iterations: int | None = None
    step: Limits | None = None
    call: Limits | None = None

    def merge(self, other: Limits | None) -> Limits:
        """The stricter of each."""
        if other is None:
            return self
        chosen: dict[str, Any] = {}
        for one in fields(self):
            given = [v for v in (getattr(self, one.name), getattr(other, one.name)) if v is not None]
            if one.name in WITHIN:
                chosen[one.name] = given[0].merge(given[1]) if len(given) == 2 else given[0] if given else None
            else:
                chosen[one.name] = min(given) if given else None
        return Limits(**chosen)

    @property
    def costs(self) -> bool:
        """Whether anything bounds what may be spent."""
        return any(getattr(self, name) is not None for name in (*COSTS, *WITHIN))

    @staticmethod
    def from_dict(value: Any) -> Limits:
        """Limits as a document or a request writes them. Raises Invalid (limits.invalid) with every problem."""
        reader = Reader()
        limits = read_limits(reader, value, "")
        if reader.problems:
            raise Invalid(reader.problems[0].message, code="limits.invalid", problems=reader.problems)
        return limits

    def to_dict(self) -> dict[str, Any]:
        """As JSON that `from_dict` reads back exactly: money is text."""
        out: dict[str, Any] = {}
        for name in LIMITS:
            value = getattr(self, name)
            if value is not None:
                out[name] = str(value) if isinstance(value, Decimal) else value
        for name in WITHIN:
            if (inner := getattr(self, name)) is not None:
                out[name] = inner.to_dict()
        return out


@dataclass(slots=True)
class Workflow:
    """A document that is right. `document` is what was given; `fingerprint` the SHA-256 of its canonical JSON without
    `layout`; `roots` the nodes without a forward incoming edge; `after` maps a node to all reachable over forward
    edges, itself included; `warnings` is what is allowed but hardly meant."""

    name: str
    title: str
    description: str
    persona: str
    tags: tuple[str, ...]
    difficulty: str
    minutes: float | None
    inputs: dict[str, Any]
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    outputs: Template
    limits: Limits
    schemas: dict[str, Any]
    layout: dict[str, Any]
    document: dict[str, Any]
    fingerprint: str
    roots: tuple[str, ...]
    after: Reach
    warnings: tuple[Problem, ...] = ()


def read_limits(reader: Reader, value: Any, at: str, known: tuple[str, ...] = (*LIMITS, *WITHIN)) -> Limits:
    """Limits from JSON, noting problems in `reader`; `known` names those that have a meaning here."""
    given = reader.mapping(value, at, "limits")
    if given is None:
        return Limits()
    reader.unknown(given, known, at, "limits")
    read: dict[str, Any] = {}
    for name in WITHIN:
        if name in known and given.get(name) is not None:
            read[name] = read_limits(reader, given[name], f"{at}/{name}", COSTS)
    for name in LIMITS:
        if given.get(name) is None:
            continue
        place = f"{at}/{name}"
        if name == "usd":
            read[name] = reader.money(given[name], place, "usd")
        elif name == "seconds":
            read[name] = reader.seconds(given[name], place, "seconds")
        else:
            read[name] = reader.whole(given[name], place, name, 1 if name in ("steps", "parallel") else 0)
    return Limits(**read)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(document: Mapping[str, Any]) -> str:
    """The SHA-256, in hex, of the document without its layout."""
    rest = {key: value for key, value in document.items() if key != "layout"}
    return digest(canonical(rest))


def digest(text: str) -> str:
    """The SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def input_defaults(schema: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with the defaults of the schema's properties, nested ones too, filled in where a key is absent. An object
    that is absent is made only when the schema gives it a default. `inputs` is not changed."""
    out = dict(inputs)
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return out
    for name, inner in properties.items():
        if not isinstance(inner, Mapping):
            continue
        if name not in out and "default" in inner:
            out[name] = inner["default"]
        out_value = out.get(name)
        if isinstance(out_value, Mapping):
            out[name] = input_defaults(inner, out_value)
        elif isinstance(out_value, list) and isinstance(inner.get("items"), Mapping):
            items = inner["items"]
            out[name] = [input_defaults(items, part) if isinstance(part, Mapping) else part for part in out_value]
    return out
