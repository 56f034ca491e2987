"""The policies of an installation and of its groups: where they come from, and which of them hold.

Three layers, each over the one before, key by key: those that come with Penstock, DATA/policies.yaml, and what a group has said
through the API. A group may therefore change only `enabled` or `message` of a policy, and takes it back by deleting what it said.
What was said about a policy that is no longer there has no effect, unless it is a whole policy by itself.

Work takes the policies of its group along, so they are known here without asking anybody; what other processes change is seen
at the next start of a run, and by running steps soon after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.policy import Decision, Said, decide, merge, parse_policies
from ..errors import Invalid, NotFound, PenstockError, Problem
from ..ports import Clock, Registry
from .built_in import BUILT_IN
from .detect import by_what, counted, looked_at, without
from .guard import refusal, rules_of

KIND = "policies"
FRESH = 2.0  # seconds after which somebody else's changes are looked for
START = "run.start"


@dataclass(slots=True)
class Admitted:
    """A run that may begin: its inputs as it is given them, and what policies said of it."""

    inputs: dict[str, Any]
    said: list[dict[str, Any]] = field(default_factory=list)


class PolicyBook:
    """`file` is DATA/policies.yaml, which need not exist. `load` comes before everything else."""

    def __init__(self, registry: Registry, file: Path, clock: Clock = time.time) -> None:
        self._registry, self._file, self._clock = registry, file, clock
        self._installed: dict[str, dict[str, Any]] = {}
        self._broken: str | None = None
        self._groups: dict[str, dict[str, dict[str, Any]]] = {}
        self._travelling: dict[str, list[dict[str, Any]]] = {}
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Raises Invalid `policy.invalid` when the file is wrong."""
        await self._read()
        if self._broken is not None:
            raise Invalid(f"{self._file.name}: {self._broken}", code="policy.invalid")

    def known(self, group: str) -> list[dict[str, Any]]:
        """The policies of a group that are on, as its work takes them along: each with its `name`."""
        if self._read_at is not None and self._clock() - self._read_at > FRESH and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._look_again())
        return self._of(group)

    async def of(self, group: str) -> list[dict[str, Any]]:
        """The same, after looking whether anybody has changed them."""
        if self._read_at is None or self._clock() - self._read_at > FRESH:
            await self._read()
        return self._of(group)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    # ------------------------------------------------------------------------------------------- reading and changing

    async def list(self, group: str) -> list[dict[str, Any]]:
        """Every policy by name: {name, on, when, then, message, what, priority, enabled, source, changed}. source: built-in,
        installation or group; changed: the keys that the group has said."""
        await self._read()
        said = self._groups.get(group, {})
        out = []
        for name, body in sorted(self._merged(group).items()):
            source = "group" if name not in self._base() else "installation" if name in self._installed else "built-in"
            out.append(
                {
                    "name": name,
                    "on": body.get("on"),
                    "when": body.get("when"),
                    "then": body.get("then"),
                    "message": body.get("message", ""),
                    "what": body.get("what", []),
                    "priority": body.get("priority", 0),
                    "enabled": body.get("enabled", True),
                    "source": source,
                    "changed": sorted(said.get(name, {})),
                }
            )
        return out

    async def show(self, group: str, name: str) -> dict[str, Any]:
        """One of them. Raises NotFound `policy.not_found`."""
        for policy in await self.list(group):
            if policy["name"] == name:
                return policy
        raise NotFound(f"there is no policy {name!r}", code="policy.not_found")

    async def put(self, group: str, name: str, body: Mapping[str, Any]) -> None:
        """What a group says of a policy, or a policy of its own, instead of what it said before. Raises Invalid
        `policy.invalid`, with a place in `body`."""
        await self._read()
        whole = {**self._base().get(name, {}), **body}
        try:
            parse_policies({name: whole})
        except Invalid as error:
            strip = len(name.replace("~", "~0").replace("/", "~1")) + 1
            problems = [Problem(p.code, p.message, p.pointer[strip:], p.hint) for p in error.problems]
            raise Invalid(error.message, code="policy.invalid", problems=problems) from None
        await self._registry.put(group, KIND, name, dict(body))
        await self._read()

    async def delete(self, group: str, name: str) -> None:
        """Take back what a group said. Raises NotFound `policy.not_found` when it said nothing of it."""
        if not await self._registry.delete(group, KIND, name):
            known = name in self._base()
            message = f"this group has not changed the policy {name!r}" if known else f"there is no policy {name!r}"
            hint = {"hint": f"turn it off: penstock policies set {name} --off"} if known else None
            raise NotFound(message, code="policy.not_found", detail=hint)
        await self._read()

    # ----------------------------------------------------------------------------------------------------- asking

    async def admit(self, group: str, run: Mapping[str, Any], inputs: dict[str, Any]) -> Admitted:
        """Before a run begins: its inputs as they may be journalled. `run` is {workflow, mode, actor}. Raises Refused
        `policy.denied`, `policy.broken`; PenstockError `policy.aborted`."""
        rules = rules_of(await self.of(group))
        if rules.broken is not None:
            raise refusal(Decision("deny", rules.broken), START)
        policies = rules.at.get(START)
        if not policies:
            return Admitted(inputs)
        found = await looked_at(inputs, rules.looks_for(START))
        scope = {
            "point": START,
            "run": {**run, "id": None, "group": group, "usd": 0, "tokens": 0},
            "step": {},
            "agent": {},
            "call": {"arguments": inputs, "touches": []},
            "found": by_what(found),
            "touched": {"private": False, "untrusted": False, "sends": False},
            "inputs": inputs,
        }
        decision = decide(policies, START, scope)
        if decision.then not in ("allow", "redact"):
            raise refusal(decision, START)
        said = [_told(one, counted(found)) for one in dict.fromkeys((*decision.redacting, decision.said)) if one]
        return Admitted(await without(inputs, decision.redact) if decision.redact else inputs, said)

    # ------------------------------------------------------------------------------------------------------ parts

    def _base(self) -> dict[str, dict[str, Any]]:
        return merge(BUILT_IN, self._installed)

    def _merged(self, group: str) -> dict[str, dict[str, Any]]:
        merged = merge(self._base(), self._groups.get(group, {}))
        return {name: body for name, body in merged.items() if "on" in body or "then" in body}

    def _of(self, group: str) -> list[dict[str, Any]]:
        known = self._travelling.get(group)
        if known is None:
            known = [
                {"name": name, **body}
                for name, body in self._merged(group).items()
                if body.get("enabled", True) is not False
            ]
            if self._broken is not None:
                known = [_denying(f"{self._file.name}: {self._broken}")]
            self._travelling[group] = known
        return known

    async def _look_again(self) -> None:
        try:
            await self._read()
        except PenstockError:
            return  # the store is away: what is known holds on, and the next one who asks looks again
        finally:
            self._reading = None

    async def _read(self) -> None:
        try:
            self._installed, self._broken = await asyncio.to_thread(read_policies, self._file), None
        except Invalid as error:
            self._broken = error.message
        self._groups = {group: await self._registry.list(group, KIND) for group in await self._registry.groups(KIND)}
        self._travelling.clear()
        self._read_at = self._clock()


def read_policies(file: Path) -> dict[str, dict[str, Any]]:
    """The policies of a file {policies: {name: {on, when, then, …}}}, over those that come with Penstock; none where there is no
    file. Raises Invalid `policy.invalid` with every problem."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"it cannot be read: {error}", code="policy.invalid") from None
    import yaml  # noqa: PLC0415 - few installations have this file

    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise Invalid(f"it is not YAML: {' '.join(str(error).split())[:300]}", code="policy.invalid") from None
    policies = data.get("policies") if isinstance(data, dict) and data.keys() == {"policies"} else None
    if data == {}:
        return {}
    if not isinstance(policies, dict) or not all(isinstance(body, dict) for body in policies.values()):
        message = "it holds {policies: {NAME: {on, when, then, …}}} and nothing else"
        raise Invalid(message, code="policy.invalid", problems=[Problem("policy.invalid", message)])
    if odd := [name for name in policies if not isinstance(name, str)]:
        message = f"a policy's name is text; YAML reads this one as {odd[0]!r}: put it in quotes"
        raise Invalid(message, code="policy.invalid", problems=[Problem("policy.invalid", message)])
    # YAML 1.1 reads the word `on` as true.
    policies = {
        name: {"on" if key is True else str(key): part for key, part in body.items()} for name, body in policies.items()
    }
    parse_policies({name: {**BUILT_IN.get(name, {}), **body} for name, body in policies.items()})
    return policies


def _denying(why: str) -> dict[str, Any]:
    """Stands for policies that cannot be read: a broken policy denies."""
    return {"name": "policies", "broken": why}


def _told(said: Said, found: dict[str, int]) -> dict[str, Any]:
    return {"policy": said.policy, "point": START, "then": said.then, "message": said.message, "found": found or None}
