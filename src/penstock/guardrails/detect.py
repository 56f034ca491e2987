"""What is in a value that should not go further, and the value without it.

A value is text or JSON. Each text in it is looked at by itself, keys too; a member whose name says that it is a password is
looked at as such. What is found is told by kind and place, never by what it says.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from . import injection, personal, secrets
from .found import Found, merged

LOOK: dict[str, Callable[[str], Iterator[Found]]] = {
    "secrets": secrets.find,
    "pii": personal.find,
    "injection": injection.find,
}
IN_LOOP = 32 * 1024  # characters that are looked at without leaving the event loop


def find(text: str, what: Collection[str]) -> list[Found]:
    """What there is of `what` (secrets, pii, injection) in a text, in order, without overlaps."""
    if len(text) < 6:
        return []
    return merged([one for name in LOOK if name in what for one in LOOK[name](text)])


def redact(text: str, found: Iterable[Found]) -> str:
    """The text with each place replaced by [redacted:KIND]."""
    out: list[str] = []
    at = 0
    for one in found:
        out += (text[at : one.start], f"[redacted:{one.kind}]")
        at = one.end
    return "".join([*out, text[at:]]) if out else text


def find_in(value: Any, what: Collection[str]) -> list[Found]:
    """What there is in all texts of a JSON value; places count from the start of each text."""
    out: list[Found] = []
    for name, text in _texts(value):
        out += _of_member(name, text, what)
    return out


def redact_in(value: Any, what: Collection[str]) -> Any:
    """The value with what there is of `what` replaced. What holds none of it is given back as it is."""
    return _redacted(value, what, None)


async def looked_at(value: Any, what: Collection[str]) -> list[Found]:
    """`find_in`, without holding up anybody else when there is much to look at."""
    if not what:
        return []
    return await asyncio.to_thread(find_in, value, what) if _is_long(value) else find_in(value, what)


async def without(value: Any, what: Collection[str]) -> Any:
    """`redact_in`, in the same way."""
    if not what:
        return value
    return await asyncio.to_thread(redact_in, value, what) if _is_long(value) else redact_in(value, what)


def by_what(found: Iterable[Found]) -> dict[str, list[dict[str, Any]]]:
    """As an expression sees it: {secrets: [{kind, start, end}], pii: […], injection: […]}."""
    out: dict[str, list[dict[str, Any]]] = {name: [] for name in LOOK}
    for one in found:
        out[one.what].append({"kind": one.kind, "start": one.start, "end": one.end})
    return out


def counted(found: Iterable[Found], what: Collection[str] = tuple(LOOK)) -> dict[str, int]:
    """How often each kind, as the journal says it."""
    return dict(sorted(Counter(one.kind for one in found if one.what in what).items()))


def _of_member(name: str | None, text: str, what: Collection[str]) -> list[Found]:
    if name is not None and "secrets" in what and secrets.looks_assigned(name, text):
        return [Found(0, len(text), "secrets", "assigned")]
    return find(text, what)


def _texts(value: Any) -> Iterator[tuple[str | None, str]]:
    """Each text of a value, with the name of the member it is, if it is one."""
    stack: list[tuple[str | None, Any]] = [(None, value)]
    while stack:
        name, one = stack.pop()
        if isinstance(one, str):
            yield name, one
        elif isinstance(one, dict):
            for key, part in one.items():
                yield None, str(key)
                stack.append((str(key), part))
        elif isinstance(one, list | tuple):
            stack.extend((None, part) for part in one)


def _redacted(value: Any, what: Collection[str], name: str | None) -> Any:
    if isinstance(value, str):
        return redact(value, _of_member(name, value, what))
    if isinstance(value, dict):
        return {_redacted(key, what, None): _redacted(part, what, str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(part, what, None) for part in value]
    return value


def _is_long(value: Any) -> bool:
    left = IN_LOOP
    for _, text in _texts(value):
        left -= len(text) + 8
        if left < 0:
            return True
    return False
