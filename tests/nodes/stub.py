"""A real StepContext for tests of node kinds: kept results in a dict, notes in a list, artifacts in a folder.

It behaves as the executor's does: a kept call is never made again, its result passes through JSON, secrets are redacted
from notes, and an allowance that is gone refuses. Hand the same `kept` dict to a second Step to act out a redelivery.

    step = Step(tmp_path, secrets={"token": "s3cret"})
    result = await Http().run(step, Http.Config(url=url))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.engine.events import Fact
from penstock.errors import NotFound, Refused
from penstock.ports import Wait


class Waits(BaseException):
    """The step ends here until `kept[key]` is what `wait` waits for."""

    def __init__(self, key: str, wait: Wait) -> None:
        super().__init__(key)
        self.key, self.wait = key, wait


@dataclass
class Step:
    """One attempt of one step. `calls` lists the keys of calls really made, `spent` sums what was reserved; `allowance`
    names what may be reserved (nothing named: no limit). `said` has the facts that were recorded, `shown` what was live."""

    folder: Path
    input: Any = None
    run_id: str = "run-1"
    step_id: str = "node#1"
    group: str = "team"
    attempt: int = 1
    deadline: float | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    allowance: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=dict)
    reserved: dict[str, dict[str, float]] = field(default_factory=dict)
    said: list[Fact] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)
    watched: bool = True
    run: dict[str, Any] = field(default_factory=dict)
    saved: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = f"{self.run_id}/{self.step_id}"

    async def once(self, key: str, call: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self.kept:
            self.calls.append(key)
            self.kept[key] = json.loads(json.dumps(await call(), allow_nan=False))
        return self.kept[key]

    async def spend(self, **cost: float | str) -> str:
        costs = {name: float(amount) for name, amount in cost.items()}
        for name, amount in costs.items():
            limit = self.allowance.get(name)
            if limit is not None and self.spent.get(name, 0.0) + amount > limit:
                raise Refused(f"The limit {name} ({limit:g}) leaves too little for {amount:g}.", code=f"limit.{name}")
        for name, amount in costs.items():
            self.spent[name] = self.spent.get(name, 0.0) + amount
        key = f"{self.attempt}.{len(self.reserved) + 1}"
        self.reserved[key] = costs
        return key

    def settle(self, key: str, **cost: float | str) -> None:
        for name, amount in self.reserved.get(key, {}).items():
            self.spent[name] -= amount
        for name, amount in cost.items():
            self.spent[name] = self.spent.get(name, 0.0) + float(amount)
        self.reserved[key] = {}

    def record(self, fact: Fact) -> None:
        self.said.append(fact)

    def live(self, data: dict[str, Any]) -> None:
        self.shown.append(data)

    async def wait_for(self, key: str, wait: Wait) -> Any:
        if key not in self.kept:
            raise Waits(key, wait)
        return self.kept[key]

    async def secret(self, name: str) -> str:
        if name not in self.secrets:
            raise NotFound(f"There is no secret called {name!r}.", code="secret.not_found")
        return self.secrets[name]

    async def note(self, text: str) -> None:
        for value in self.secrets.values():
            text = text.replace(value, "[redacted]")
        self.notes.append(text)

    async def save(self, name: str, data: bytes, mime: str = "application/octet-stream") -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / digest).write_bytes(data)
        self.saved[name] = data
        return {"artifact": f"sha256:{digest}", "name": name, "size": len(data), "mime": mime}
