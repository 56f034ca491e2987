"""The one gate: every request to do something, from the API, the CLI, the Python API or another run, goes through here.

It turns what was asked for into what the control plane can begin: the document that is meant, as an immutable version, with
inputs that fit its schema, in a mode, after a preflight that names every problem at once. Nothing is begun in part: either
there is a run, or an error and no trace of it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .control import Control, Start
from .engine import compare as comparison
from .engine.asks import asked_at
from .engine.state import RunState
from .engine.workflow import Workflow, parse
from .errors import Invalid, NotFound, Problem
from .guardrails.book import PolicyBook
from .imports import native, schemas
from .models.estimate import cost_of
from .models.registry import Models
from .ports import Draft, NodeKind, Runs, Version, Workflows
from .preflight import Check, inspect
from .tools.estimate import calls_of
from .tools.registry import Servers

MODES = ("validate_only", "test_run", "full_run")
CACHED = 512  # parsed versions


@dataclass(slots=True)
class Request:
    """A run that is asked for. `version` None runs the draft, as a version made of it first; 0 runs the newest version."""

    workflow: str
    inputs: dict[str, Any] = field(default_factory=dict)
    version: int | None = None
    mode: str = "full_run"
    limits: dict[str, Any] | None = None
    group: str = "default"
    actor: str = "local"
    trace: str | None = None
    run_id: str | None = None


class Gate:
    def __init__(
        self,
        control: Control,
        workflows: Workflows,
        runs: Runs,
        kinds: Mapping[str, NodeKind],
        checks: Sequence[tuple[str, Check]] = (),
        policies: PolicyBook | None = None,
        models: Models | None = None,
        servers: Servers | None = None,
    ) -> None:
        self.control = control
        self.workflows = workflows
        self.runs = runs
        self.kinds = kinds
        self._checks = checks
        self._policies = policies
        self._models = models
        self._servers = servers
        self._versions: OrderedDict[tuple[str, str, int], Workflow] = OrderedDict()
        self._drafts: OrderedDict[tuple[str, str, str], tuple[int, Workflow]] = OrderedDict()

    # ----------------------------------------------------------------------------------------------- documents

    def read(self, text: bytes | str, filename: str = "") -> Workflow:
        """A document, checked against the kinds known here. Raises Invalid with every problem in it."""
        return native.read(text, self.kinds, filename)

    def check(self, document: dict[str, Any]) -> Workflow:
        """The same, for a document that is data already."""
        return native.accept(document, self.kinds)

    async def apply(self, group: str, document: dict[str, Any], actor: str, etag: str | None = "*") -> Draft:
        """Save a draft that is right. Raises Invalid, Conflict, PreconditionFailed."""
        self.check(document)
        return await self.workflows.save(group, document, actor, etag)

    async def publish(self, group: str, slug: str, actor: str, note: str = "") -> Version:
        """The draft as the next version; the newest one when nothing has changed."""
        draft = await self.workflows.draft(group, slug)
        workflow = self.check(draft.document)
        return await self.workflows.publish(group, slug, draft.document, workflow.fingerprint, actor, note)

    async def restore(self, group: str, slug: str, number: int, actor: str) -> Version:
        """An old version as a new one, and as the draft."""
        old = await self.workflows.version(group, slug, number)
        await self.workflows.save(group, old.document, actor, "*")
        return await self.workflows.publish(
            group, slug, old.document, old.fingerprint, actor, f"restored from version {number}"
        )

    async def compare(self, group: str, slug: str, old: int, new: int) -> dict[str, Any]:
        """What changed between two versions. See engine.compare."""
        first, second = await asyncio.gather(self.version(group, slug, old), self.version(group, slug, new))
        return comparison.compare(first[1], second[1])

    async def version(self, group: str, slug: str, number: int = 0) -> tuple[int, Workflow]:
        """A version, parsed: (number, workflow); number 0 means the newest. Raises NotFound."""
        if number and (known := self._versions.get((group, slug, number))) is not None:
            return number, known
        version = await self.workflows.version(group, slug, number or None)
        workflow = self._versions.get((group, slug, version.number)) or parse(version.document)
        _remember(self._versions, (group, slug, version.number), workflow)
        return version.number, workflow

    async def _snapshot(self, group: str, slug: str, actor: str) -> tuple[int, Workflow]:
        """The draft as a version, published when it is none yet."""
        draft = await self.workflows.draft(group, slug)
        known = self._drafts.get((group, slug, draft.etag))
        if known is not None:
            return known
        workflow = self.check(draft.document)
        version = await self.workflows.publish(group, slug, draft.document, workflow.fingerprint, actor)
        _remember(self._versions, (group, slug, version.number), workflow)
        _remember(self._drafts, (group, slug, draft.etag), (version.number, workflow))
        return version.number, workflow

    # ---------------------------------------------------------------------------------------------------- runs

    async def start(self, request: Request) -> str:
        """Begin a run; returns its id once it is durable. Raises NotFound; Invalid (`inputs.invalid`, `preflight.failed`) with
        every problem; Refused (`policy.denied`, `policy.broken`); and then there is no run. In mode `validate_only` problems do
        not raise: they are the run's result."""
        if request.mode not in MODES:
            raise Invalid(f"run_mode must be one of {', '.join(MODES)}", code="run.bad_mode")
        if request.version is None:
            number, workflow = await self._snapshot(request.group, request.workflow, request.actor)
        else:
            number, workflow = await self.version(request.group, request.workflow, request.version)
        inputs, problems = native.validate_inputs(workflow, request.inputs)
        more, report = await inspect(self._checks, workflow, request.group)
        report["checks"]["inputs"] = len(problems)
        problems = [*problems, *more]
        if problems and request.mode != "validate_only":
            code = "inputs.invalid" if problems[0].code.startswith("inputs.") else "preflight.failed"
            raise Invalid(problems[0].message, code=code, problems=problems)
        inputs, said = await self._admitted(request, inputs)
        if request.mode == "validate_only" and self._models is not None:
            cost = cost_of(workflow, self._models.prices, self._models.default)
            report = {**report, "cost": cost} if cost["nodes"] else report
        if request.mode == "validate_only" and self._servers is not None:
            calls = await calls_of(workflow, self._servers, request.group)
            report = {**report, "calls": calls} if calls else report
        report = {**report, **said} if request.mode == "validate_only" else said or None
        return await self.control.start(
            Start(
                workflow=workflow,
                version=number,
                inputs=inputs,
                mode=request.mode,
                limits=request.limits,
                group=request.group,
                actor=request.actor,
                trace=request.trace,
                problems=[p.to_dict() for p in problems],
                report=report,
                run_id=request.run_id,
            )
        )

    async def _admitted(self, request: Request, inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs as policies let them be journalled, and {policies: what they said}, {} if nothing."""
        if self._policies is None:
            return inputs, {}
        run = {"workflow": request.workflow, "mode": request.mode, "actor": request.actor}
        admitted = await self._policies.admit(request.group, run, inputs)
        return admitted.inputs, {"policies": admitted.said} if admitted.said else {}

    async def answer(
        self, run_id: str, step: str, decision: str, actor: str, comment: str | None = None, fields: Any = None
    ) -> None:
        """A person's answer to a question of a run. Raises what `Control.answer` does, and Invalid, code `approval.bad_fields`,
        when what was filled in does not fit what was asked for; who rejects need fill in nothing."""
        ask = asked_at(await self.control.state(run_id), step)
        schema = (ask or {}).get("fields")
        if schema and decision != "reject":
            found = schemas.errors(schema, fields if fields is not None else {})
            if found:
                problems = [
                    Problem("approval.bad_fields", one.message, f"/fields{one.pointer}", one.hint) for one in found
                ]
                raise Invalid(problems[0].message, code="approval.bad_fields", problems=problems)
        await self.control.answer(run_id, step, decision, actor, comment, fields)

    async def child(self, parent: RunState, workflow: Workflow, inputs: Any) -> Any:
        """The inputs of a run that another one begins: with defaults, and as policies let them be journalled. Raises Invalid, code
        `inputs.invalid`, with every problem; and what policies raise."""
        fit, problems = native.validate_inputs(workflow, inputs)
        if problems:
            raise Invalid(problems[0].message, code="inputs.invalid", problems=problems)
        asked = Request(workflow.name, fit, mode=parent.mode, group=parent.group, actor=parent.actor)
        return (await self._admitted(asked, fit))[0]

    async def preflight(self, workflow: Workflow, group: str) -> list[Problem]:
        """Everything that stands in the way of a run, all at once; the checks go on side by side."""
        return (await inspect(self._checks, workflow, group))[0]


def _remember(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    while len(cache) > CACHED:
        cache.popitem(last=False)


__all__ = ["MODES", "Gate", "NotFound", "Request"]
