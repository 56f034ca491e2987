"""Reading one node of a document: its keys, its retries, its join."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .document import COSTS, JOINS, ON_ERROR, ROUTES, Node, Retry, read_limits
from .expr import compile_template
from .fields import MAX_EDGES, NODE_NAME, Reader
from .inline import inline
from .tokens import nearest
from .values import show

NODE_KEYS = (
    "kind",
    "title",
    "with",
    "for_each",
    "parallel",
    "join",
    "route",
    "retry",
    "timeout",
    "max_visits",
    "on_error",
    "limits",
)
RETRY_KEYS = ("attempts", "backoff", "factor", "max", "jitter")
MAX_VISITS = 10_000
MAX_ATTEMPTS = 100


def read_node(reader: Reader, name: str, value: Any, at: str, schemas: Mapping[str, Any]) -> Node:
    """A node, with the named schemas that its `with` refers to; what is wrong in it is noted, and left at its default."""
    if not NODE_NAME.fullmatch(name):
        hint = "letters, digits and _, not beginning with a digit, at most 63"
        reader.add("node.bad_name", at, f"{name[:80]!r} is not a name for a node", hint)
    given = reader.mapping(value, at, f"node {name[:80]!r}")
    if given is None:
        return Node(name, "", compile_template(None))
    reader.unknown(given, NODE_KEYS, at, "a node")
    kind = given.get("kind")
    if not isinstance(kind, str) or not kind:
        if "kind" in given:
            reader.wrong(kind, f"{at}/kind", "kind", "the name of a kind")
        else:
            reader.add("document.missing", at, f"node {name[:80]!r} has no kind")
        kind = ""
    config = given.get("with", {})
    node = Node(name, kind, reader.template(inline(reader, config, schemas, f"{at}/with"), f"{at}/with"))
    if "with" in given:
        reader.mapping(given["with"], f"{at}/with", "with")
    if "title" in given:
        node.title = reader.text(given["title"], f"{at}/title", "title", 500)
    if "for_each" in given:
        node.for_each = reader.expression(given["for_each"], f"{at}/for_each", "for_each")
    if "parallel" in given:
        node.parallel = reader.whole(given["parallel"], f"{at}/parallel", "parallel", 1, 10_000)
        if "for_each" not in given:
            reader.add("document.value", f"{at}/parallel", "parallel has a meaning only together with for_each")
    if "retry" in given:
        node.retry = _retry(reader, given["retry"], f"{at}/retry")
    if "timeout" in given:
        node.timeout = reader.seconds(given["timeout"], f"{at}/timeout", "timeout")
    if "max_visits" in given:
        node.max_visits = reader.whole(given["max_visits"], f"{at}/max_visits", "max_visits", 1, MAX_VISITS) or 1
    if "on_error" in given:
        node.on_error = reader.choice(given["on_error"], f"{at}/on_error", "on_error", ON_ERROR) or "fail"
    if "route" in given:
        node.route = reader.choice(given["route"], f"{at}/route", "route", ROUTES) or "all"
    if "limits" in given:
        node.limits = read_limits(reader, given["limits"], f"{at}/limits", (*COSTS, "call"))
    if "join" in given:
        node.join = _join(reader, given["join"], f"{at}/join")
    return node


def _join(reader: Reader, value: Any, at: str) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool):
        return reader.whole(value, at, "join", 1, MAX_EDGES) or "all"
    if isinstance(value, str) and value in JOINS:
        return value
    close = nearest(value, JOINS) if isinstance(value, str) else None
    message = f"join is all, any, majority or a number of edges, not {show(value)}"
    reader.add("document.value", at, message, f"did you mean {close!r}?" if close else None)
    return "all"


def _retry(reader: Reader, value: Any, at: str) -> Retry:
    if isinstance(value, int) and not isinstance(value, bool):
        return Retry(attempts=reader.whole(value, at, "retry", 1, MAX_ATTEMPTS) or 1)
    if not isinstance(value, dict):
        reader.wrong(value, at, "retry", "a number of attempts or a mapping with attempts")
        return Retry()
    reader.unknown(value, RETRY_KEYS, at, "retry")
    read: dict[str, Any] = {}
    for key in RETRY_KEYS:
        if key not in value:
            continue
        place = f"{at}/{key}"
        if key == "attempts":
            read[key] = reader.whole(value[key], place, key, 1, MAX_ATTEMPTS)
        elif key in ("backoff", "max"):
            read[key] = reader.seconds(value[key], place, key, zero=True)
        else:
            low, high = (1, 100) if key == "factor" else (0, 1)
            read[key] = reader.amount(value[key], place, key, low, high)
    return Retry(**{key: found for key, found in read.items() if found is not None})
