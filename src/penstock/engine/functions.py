"""The functions an expression may call.

A function is called `f(x)` or `x.f()`; both are the same. It takes the `Account` first and charges it for what it does
before doing it. Functions raise Fault without a position; the caller knows it.
"""

from __future__ import annotations

import json
import math
import re
import sys
import types
from collections.abc import Callable
from typing import Any

from .tokens import Fault
from .values import Account, describe, expect, integer, kind, number, order, show, text

MAX_PATTERN = 256


def _items(account: Account, value: Any, what: str) -> list[Any]:
    expect(value, "list", what)
    account.step(1 + len(value))
    return value


def _size(account: Account, value: Any) -> int:
    return len(expect(value, "string|list|map", "size()"))


def _join(account: Account, value: Any, separator: Any = "") -> str:
    expect(separator, "string", "join() between elements")
    items = _items(account, value, "join()")
    for item in items:
        if not isinstance(item, str):
            raise Fault("expr.type", f"join() takes strings, not {describe(item)}", hint="map them with string() first")
    account.create(sum(map(len, items)) + len(separator) * len(items))
    return separator.join(items)


def _split(account: Account, value: Any, separator: Any, limit: Any = -1) -> list[str]:
    expect(value, "string", "split()")
    if not expect(separator, "string", "split() at"):
        raise Fault("expr.value", "split() needs a separator that is not empty")
    expect(limit, "int", "split() into at most")
    account.create(len(value) + 8 * (value.count(separator) + 1))
    account.step(value.count(separator) + (len(value) >> 6))
    if limit == 0:
        return []
    return value.split(separator, limit - 1 if limit > 0 else -1)


def _string(name: str, call: Callable[..., Any], arguments: str = "") -> Callable[..., Any]:
    wanted = arguments.split()

    def run(account: Account, value: Any, *rest: Any) -> Any:
        expect(value, "string", f"{name}()")
        for given, kinds in zip(rest, wanted, strict=False):
            expect(given, kinds, f"{name}()")
        account.step(1 + (len(value) >> 6))
        result = call(value, *rest)
        if isinstance(result, str):
            account.create(len(result))
        return result

    return run


def _replace(account: Account, value: Any, old: Any, new: Any) -> str:
    for given in (value, old, new):
        expect(given, "string", "replace()")
    count = value.count(old)
    account.step(1 + count + (len(value) >> 6))
    account.create(len(value) + count * len(new))
    return value.replace(old, new)


def _substring(value: str, start: int, end: int | None = None) -> str:
    end = len(value) if end is None else end
    if not 0 <= start <= end <= len(value):
        raise Fault("expr.range", f"substring({start}, {end}) is outside a string of {len(value)}")
    return value[start:end]


_CLASS = re.compile(r"\\[wWdDsSpPbB]|\[\^")  # each is hundreds of ranges of Unicode
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def _matches(account: Account, value: Any, pattern: Any) -> bool:
    expect(value, "string", "matches()")
    expect(pattern, "string", "matches()")
    if len(pattern) > MAX_PATTERN:
        raise Fault("expr.value", f"a pattern may have {MAX_PATTERN} characters")
    times = 1
    for low, high in _COUNT.findall(pattern):
        times *= max(int((high or low)[:6]), 1)
    account.step(200 + times * (2 * len(pattern) + 1000 * len(_CLASS.findall(pattern))) + (len(value) >> 3))
    try:
        return linear_match(pattern, value)
    except ValueError as error:
        raise Fault("expr.value", str(error)) from None


def linear_match(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`, in time linear in the text whatever the pattern: the syntax is RE2's, without
    look-around and back-references. Raises ValueError when it is not a pattern."""
    try:
        return bool(_regex().execute({"text": text, "pattern": pattern}))
    except Exception as error:
        lines = str(error).partition(" error: ")[2].partition("Check function arguments")[0].strip().splitlines()
        reason = lines[-1].removeprefix("error: ").rstrip(". ") if lines else "it cannot be compiled"
        raise ValueError(f"{show(pattern)} is not a pattern: {reason[:200]}") from None


_compiled: list[Any] = []


def _regex() -> Any:
    """The CEL library's `matches`: an automaton, linear in the text, where Python's `re` may take for ever."""
    if not _compiled:
        # The package imports a terminal front end, 200 ms of it, that nothing here uses.
        sys.modules.setdefault("cel.cli", types.ModuleType("cel.cli"))
        import cel  # noqa: PLC0415 - few expressions need it

        _compiled.append(cel.compile("text.matches(pattern)"))
    return _compiled[0]


def _numbers(account: Account, name: str, values: tuple[Any, ...]) -> list[Any]:
    items = values if len(values) != 1 or not isinstance(values[0], (list, tuple)) else values[0]
    account.step(1 + 3 * len(items))
    for item in items:
        expect(item, "int|double", f"{name}()")
    return list(items)


def _sum(account: Account, *values: Any) -> int | float:
    items = _numbers(account, "sum", values)
    return number(sum(items)) if all(isinstance(item, int) for item in items) else number(math.fsum(items))


def _extreme(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(account: Account, *values: Any) -> Any:
        single = len(values) == 1 and isinstance(values[0], (list, tuple))
        items = values[0] if single else values
        account.step(1 + len(items))
        if not items:
            raise Fault("expr.value", f"{name}() of an empty list")
        for item in items:
            order(account, items[0], item)
        return call(items)

    return run


def _end(name: str, at: int) -> Callable[..., Any]:
    def run(account: Account, value: Any) -> Any:
        if not expect(value, "list", f"{name}()"):
            raise Fault("expr.value", f"{name}() of an empty list")
        return value[at]

    return run


def _keys(account: Account, value: Any) -> list[Any]:
    expect(value, "map", "keys()")
    account.step(len(value))
    account.create(8 * len(value))
    return list(value)


def _values(account: Account, value: Any) -> list[Any]:
    expect(value, "map", "values()")
    account.step(len(value))
    account.create(8 * len(value))
    return list(value.values())


def _key(account: Account, value: Any) -> Any:
    """Hashable, and equal exactly where the values are."""
    if isinstance(value, (dict, list, tuple)):
        account.step(1 + len(value))
        if isinstance(value, dict):
            return ("map", frozenset((key, _key(account, part)) for key, part in value.items()))
        return ("list", tuple(_key(account, part) for part in value))
    if isinstance(value, str):
        account.step(len(value) >> 8)
    return ("bool", value) if isinstance(value, bool) else value


def _unique(account: Account, value: Any) -> list[Any]:
    items = _items(account, value, "unique()")
    account.create(8 * len(items))
    first: dict[Any, Any] = {}
    for item in items:
        first.setdefault(_key(account, item), item)
    return list(first.values())


def _sort(account: Account, value: Any, member: Any = None) -> list[Any]:
    items = _items(account, value, "sort()")
    account.step(len(items) * max(len(items).bit_length(), 1) // 2)
    account.create(8 * len(items))
    if member is None:
        keys = list(items)
    else:
        expect(member, "string", "sort() by")
        for item in items:
            if member not in expect(item, "map", f"sort() by {member!r}"):
                raise Fault("expr.missing", f"sort() by {member!r}: {show(item)} has none")
        keys = [item[member] for item in items]
    for key in keys:
        order(account, keys[0], key)
        if isinstance(key, str):
            account.step((len(key) >> 8) * len(keys).bit_length())
    return [items[at] for at in sorted(range(len(items)), key=keys.__getitem__)]


def _flatten(account: Account, value: Any) -> list[Any]:
    out: list[Any] = []
    for item in _items(account, value, "flatten()"):
        if isinstance(item, (list, tuple)):
            account.step(1 + len(item) // 4)
            account.create(8 * len(item))
            out.extend(item)
        else:
            out.append(item)
    return out


def _range(account: Account, start: Any, end: Any = None) -> list[int]:
    start, end = (0, start) if end is None else (start, end)
    expect(start, "int", "range()")
    expect(end, "int", "range()")
    count = max(end - start, 0)
    account.step(count // 4)
    account.create(8 * count)
    return list(range(start, end))


def _to_string(account: Account, value: Any) -> str:
    expect(value, "string|int|double|bool|null", "string()")
    return text(value)


def _to_json(account: Account, value: Any) -> str:
    account.weigh(value)
    return json.dumps(value, ensure_ascii=False)


def _to_int(account: Account, value: Any) -> int:
    expect(value, "int|double|string", "int()")
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?[0-9]{1,19}", value.strip()):
            raise Fault("expr.value", f"int() cannot read {show(value)}")
        return integer(int(value))
    return integer(int(number(value)))


def _to_double(account: Account, value: Any) -> float:
    expect(value, "int|double|string", "double()")
    try:
        if isinstance(value, str) and ("_" in value or len(value) > 400):
            raise ValueError
        result = float(value)
    except (ValueError, OverflowError):
        raise Fault("expr.value", f"double() cannot read {show(value)}") from None
    return float(number(result))


def _to_bool(account: Account, value: Any) -> bool:
    if not isinstance(value, bool) and value not in ("true", "false"):
        raise Fault("expr.value", f'bool() reads true, false, "true" and "false", not {describe(value)}')
    return value in (True, "true")


def _round(account: Account, value: Any, digits: Any = 0) -> int | float:
    expect(value, "int|double", "round()")
    if not 0 <= expect(digits, "int", "round() to digits") <= 15:
        raise Fault("expr.value", "round() takes 0 to 15 digits")
    if isinstance(value, int):
        return value
    scale = 10**digits
    half_up = math.copysign(math.floor(number(abs(value) * scale) + 0.5), value)
    return integer(int(half_up)) if digits == 0 else half_up / scale


def _whole(name: str, call: Callable[[float], int]) -> Callable[..., Any]:
    def run(account: Account, value: Any) -> Any:
        return integer(call(expect(value, "int|double", f"{name}()")))

    return run


_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")

# name -> (function, fewest and most arguments)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "size": (_size, 1, 1),
    "type": (lambda account, value: kind(value), 1, 1),
    "string": (_to_string, 1, 1),
    "int": (_to_int, 1, 1),
    "double": (_to_double, 1, 1),
    "bool": (_to_bool, 1, 1),
    "json": (_to_json, 1, 1),
    "contains": (_string("contains", lambda s, part: part in s, "string"), 2, 2),
    "startsWith": (_string("startsWith", str.startswith, "string"), 2, 2),
    "endsWith": (_string("endsWith", str.endswith, "string"), 2, 2),
    "indexOf": (_string("indexOf", str.find, "string"), 2, 2),
    "substring": (_string("substring", _substring, "int int"), 2, 3),
    "lower": (_string("lower", str.lower), 1, 1),
    "upper": (_string("upper", str.upper), 1, 1),
    "lowerAscii": (_string("lowerAscii", lambda s: s.translate(_LOWER)), 1, 1),
    "upperAscii": (_string("upperAscii", lambda s: s.translate(_UPPER)), 1, 1),
    "trim": (_string("trim", str.strip), 1, 1),
    "replace": (_replace, 3, 3),
    "split": (_split, 2, 3),
    "join": (_join, 1, 2),
    "matches": (_matches, 2, 2),
    "sum": (_sum, 1, 64),
    "min": (_extreme("min", min), 1, 64),
    "max": (_extreme("max", max), 1, 64),
    "first": (_end("first", 0), 1, 1),
    "last": (_end("last", -1), 1, 1),
    "keys": (_keys, 1, 1),
    "values": (_values, 1, 1),
    "unique": (_unique, 1, 1),
    "sort": (_sort, 1, 2),
    "flatten": (_flatten, 1, 1),
    "range": (_range, 1, 2),
    "round": (_round, 1, 2),
    "floor": (_whole("floor", math.floor), 1, 1),
    "ceil": (_whole("ceil", math.ceil), 1, 1),
    "abs": (lambda account, value: number(abs(expect(value, "int|double", "abs()"))), 1, 1),
}
