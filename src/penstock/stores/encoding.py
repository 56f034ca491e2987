"""How facts and texts are written, the same in every store.

A fact that the engine has decided can always be written. What JSON has no form for (an object out of user code, half of a
surrogate pair, an integer of more than 64 bits) is written as its text, once, here: a journal that refused it would refuse
it for ever, and with it whatever else is in the same transaction. U+0000 inside a fact is kept, as the escape JSON has for
it. In the columns that are plain text there is no such escape and Postgres takes no U+0000, so there it becomes U+FFFD.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from ..engine.events import Fact, encode
from ..errors import Invalid
from ..ports import Commit

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_DEEPEST = 200  # orjson refuses more than 254 levels
LAST = 2**63 - 1  # the largest integer either database holds


def fact_text(fact: Fact) -> str:
    """The fact as JSON text. Never raises for what is in it."""
    data = encode(fact)
    try:
        return orjson.dumps(data).decode()
    except TypeError:
        return orjson.dumps(_writable(data, 0)).decode()


def check_seqs(commit: Commit) -> None:
    """Raises Invalid, code `journal.gap`, where the events do not follow the head one by one: a mistake of the caller's that no
    reader could repair."""
    events, head = commit.events, commit.head
    if events and (events[0].seq != head + 1 or events[-1].seq != head + len(events)):
        raise Invalid(
            f"{commit.run_id}: events {events[0].seq} to {events[-1].seq} ({len(events)}) do not follow head {head}",
            code="journal.gap",
        )


def plain(text: str) -> str:
    """Text as both databases hold it: U+0000 and lone surrogates become U+FFFD."""
    return text if text.isascii() and "\x00" not in text else _UNWRITABLE.sub("\ufffd", text)


def json_text(value: Any) -> str | None:
    """JSON for a column, None for nothing (None, [] or {})."""
    if not value:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(_writable(value, 0)).decode()


def _writable(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        return value if -LAST <= value <= LAST else str(value)
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", str(k)): _writable(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(v, depth + 1) for v in value]
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError:
        return _HALF.sub("\ufffd", str(value))
