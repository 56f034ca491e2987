"""Values too big for a journal: kept as artifacts by content hash, with a pointer in their place, and fetched again when an
expression looks into them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson

from .engine import events as ev
from .engine.scope import SPILLED
from .engine.state import RunState
from .ports import Artifacts

SPILL = 64 * 1024  # bytes of JSON above which a value is an artifact and the journal holds its pointer
CACHED = 64


class Values:
    """What pointers point to: the last few fetched, and the way to the others."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self.known: OrderedDict[str, Any] = OrderedDict()

    async def fetch(self, digests: set[str]) -> None:
        """Make these known."""
        for digest in digests:
            self.known[digest] = orjson.loads(await self._artifacts.get(digest))
        while len(self.known) > max(CACHED, len(digests)):
            self.known.popitem(last=False)

    async def put(self, value: Any) -> dict[str, Any]:
        """Keep a value; returns its pointer."""
        data = orjson.dumps(value)
        digest = await self._artifacts.put(data)
        self.known[digest] = value
        return {SPILLED: digest, "size": len(data)}

    async def spill(self, state: RunState, fact: Any) -> None:
        """Replace a value that is too big for the journal by its pointer, in the fact and in the state folded from it."""
        match fact:
            case ev.StepScheduled():
                fact.input = await self.put(fact.input)
                if fact.step in state.steps:
                    state.steps[fact.step].input = fact.input
            case ev.NodeOpened():
                fact.items = await self.put(fact.items)
                state.nodes[fact.node].items = fact.items
            case ev.RunCompleted():
                fact.outputs = await self.put(fact.outputs)
                state.outputs = fact.outputs


def spills(fact: Any) -> bool:
    kind = type(fact)
    if kind is ev.StepScheduled:
        return is_big(fact.input)
    if kind is ev.NodeOpened:
        return is_big(fact.items)
    return kind is ev.RunCompleted and is_big(fact.outputs)


def is_big(value: Any, limit: int = SPILL) -> bool:
    """Whether `value` takes more than `limit` bytes of JSON: counted roughly, and exactly where it is near."""
    kind = type(value)
    if kind is str:
        return len(value) * 6 > limit and len(orjson.dumps(value)) > limit
    if kind is not dict and kind is not list:
        return False
    return _rough(value, limit // 6) < 0 and SPILLED not in value and len(orjson.dumps(value)) > limit


def _rough(value: Any, left: int) -> int:
    kind = type(value)
    if kind is str:
        return left - len(value) - 2
    if kind is dict:
        left -= 2
        for key, one in value.items():
            left = _rough(one, left - len(key) - 4)
            if left < 0:
                break
        return left
    if kind is list:
        left -= 2
        for one in value:
            left = _rough(one, left - 1)
            if left < 0:
                break
        return left
    return left - 8
