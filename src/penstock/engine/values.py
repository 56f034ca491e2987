"""What values mean in an expression: their kinds, equality, order, members, and what handling them costs.

Values may share their parts, so a small one may be exponentially large when written out. Whatever walks a whole value
(equality, json, the result itself) is therefore charged for what it walks. An `Account` is charged before anything is
done: one step is about 0.1 µs of work, and `space` counts characters and elements created. So no expression costs more
than an account holds, whatever it says and whatever the data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from .tokens import INT_MAX, INT_MIN, Fault, suggestion

STEPS = 400_000
SPACE = 8_000_000
MAX_VALUE_NODES = 200_000
_ORDERED = frozenset({int, float, str})
_ELSEWHERE = "compute it in a node"
Path = tuple[tuple[str | int, ...], tuple[int, ...]]  # keys from the root on, and the position of each


class Account:
    """What one evaluation may still use, and the variables it sees."""

    __slots__ = ("space", "steps", "variables")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.steps = STEPS
        self.space = SPACE

    def step(self, count: int) -> None:
        self.steps -= count
        if self.steps < 0:
            raise Fault("expr.too_costly", "the expression takes too many steps for this data", hint=_ELSEWHERE)

    def create(self, size: int) -> None:
        self.space -= size
        if self.space < 0:
            raise Fault("expr.too_large", "the expression makes a value that is too large", hint=_ELSEWHERE)

    def weigh(self, value: Any) -> None:
        """Charge for a value as if it were written out; one may be small only because its parts are shared."""
        if isinstance(value, str):
            self.create(len(value))
            return
        if not isinstance(value, (dict, list)):
            return
        stack, nodes, text, room = [value], 0, 0, min(MAX_VALUE_NODES, self.space)
        while stack:
            value = stack.pop()
            inner = value.values() if isinstance(value, dict) else value
            nodes += len(value) + 1
            if nodes + text > room:
                break
            for part in inner:
                if isinstance(part, str):
                    text += len(part)
                elif isinstance(part, (dict, list)):
                    stack.append(part)
            if isinstance(value, dict):
                text += sum(map(len, value))
        if nodes > MAX_VALUE_NODES:
            self.space = -1
        self.create(8 * nodes + text)
        self.step(nodes)


def kind(value: Any) -> str:
    """The CEL name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "double"
    if isinstance(value, str):
        return "string"
    if isinstance(value, Mapping):
        return "map"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__


def show(value: Any) -> str:
    """A value for a message: its JSON, cut short, without looking at more of it than is shown."""
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 40 else value[:37] + "...", ensure_ascii=False)
    if isinstance(value, Mapping):
        names = ", ".join(str(key) for key in list(value)[:6])
        return f"a map of {len(value)}" + (f" ({names}{', ...' if len(value) > 6 else ''})" if value else "")
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)[:40]


def describe(value: Any) -> str:
    return "null" if value is None else f"{kind(value)} {show(value)}"


def expect(value: Any, wanted: str, what: str) -> Any:
    """`value`, or a Fault when it is not of the kinds in `wanted` (joined by |)."""
    if kind(value) not in wanted.split("|"):
        raise Fault("expr.type", f"{what} takes {wanted.replace('|', ' or ')}, not {describe(value)}")
    return value


def integer(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("expr.overflow", "the result does not fit in 64 bits")


def number(value: int | float) -> int | float:
    if isinstance(value, int):
        return integer(value)
    if math.isfinite(value):
        return value
    raise Fault("expr.arithmetic", "the result is not a finite number")


def equal(account: Account, left: Any, right: Any) -> bool:
    """Deep equality. 1 equals 1.0; values of different kinds are unequal, true and 1 too."""
    if isinstance(left, (dict, list, tuple)):
        if isinstance(left, dict):
            account.step(1 + 2 * len(left))
            if not isinstance(right, dict) or len(left) != len(right):
                return False
            return all(key in right and equal(account, value, right[key]) for key, value in left.items())
        account.step(1 + 2 * len(left))
        if not isinstance(right, (list, tuple)) or len(left) != len(right):
            return False
        return all(equal(account, a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        account.step(len(left) >> 8)
    return bool(left == right)


def order(account: Account, left: Any, right: Any) -> None:
    """Refuse to compare what has no order, and charge for comparing what has."""
    if type(left) is type(right) and type(left) in _ORDERED:
        if type(left) is str:
            account.step(min(len(left), len(right)) >> 8)
        return
    a, b = kind(left), kind(right)
    if a == b == "bool" or {a, b} <= {"int", "double"}:
        return
    raise Fault("expr.type", f"cannot compare {describe(left)} with {describe(right)}")


def text(value: Any) -> str:
    """A value inside text: strings as they are, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def spell(keys: tuple[str | int, ...]) -> str:
    out = str(keys[0])
    for key in keys[1:]:
        out += f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{show(key)}]"
    return out


def pick(value: Any, key: Any, name: str, position: int) -> Any:
    """`value[key]`, with CEL's rules. Raises Fault saying what was there; `name` is how the source calls `value`."""
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            raise Fault("expr.type", f"the keys of {name} are strings, not {describe(key)}", position)
        if key in value:
            return value[key]
        if name == "nodes":
            raise Fault("expr.missing", f"node {key!r} has no result yet", position)
        names = f"{', '.join(map(str, list(value)[:8]))}{', ...' if len(value) > 8 else ''}"
        reason = f"{name} has no member {key!r}; it {'has ' + names if value else 'is empty'}"
        raise Fault("expr.missing", reason, position, suggestion(key, map(str, value)))
    if isinstance(value, (list, tuple)):
        if isinstance(key, bool) or not isinstance(key, int):
            raise Fault("expr.type", f"{name} is a list of {len(value)}; its elements are counted from 0", position)
        if 0 <= key < len(value):
            return value[key]
        raise Fault("expr.range", f"{name} has {len(value)} elements, so there is no [{key}]", position)
    raise Fault("expr.type", f"{name} is {describe(value)}, which has no {spell(('', key))[0:60]}", position)


def walk(path: Path, scope: Mapping[str, Any]) -> Any:
    """Follow a path with every check; what the fast way could not answer."""
    keys, places = path
    if keys[0] not in scope:
        raise Fault("expr.missing", f"{keys[0]} is not there at this place", places[0])
    value = scope[keys[0]]  # type: ignore[index]
    for at in range(1, len(keys)):
        key: Any = keys[at]
        if key in value if type(value) is dict else type(value) is list and type(key) is int and key < len(value):
            value = value[key]
        else:
            value = pick(value, key, spell(keys[:at]), places[at])
    return value
