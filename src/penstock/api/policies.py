"""Policies of a group: which hold, what the group says of them, and what they would say."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ..engine.policy import merge
from ..engine.scope import SPILLED
from ..errors import Invalid, NotFound, Problem
from ..guardrails.rehearsal import Subject, rehearse, subjects_of
from . import bodies, guard_models
from .answers import json_answer, nothing
from .bodies import parse_json
from .core import Core, caller_of, core_of
from .openapi import takes

router = APIRouter(tags=["policies"])
PolicyPath = Annotated[str, Path(min_length=1, max_length=64, description="The policy's name.")]


@router.get("/policies", response_model=guard_models.Policies, operation_id="list_policies")
async def list_policies(request: Request) -> Response:
    """The policies there are, those that are off too."""
    return json_answer({"items": await core_of(request).policies.list(caller_of(request).group)})


@router.post(
    "/policies/test",
    response_model=guard_models.Tested,
    openapi_extra=takes(guard_models.TestPolicies),
    operation_id="test_policies",
)
async def test_policies(request: Request) -> Response:
    """What policies would say: of one call, or of everything a recorded run asked and heard. Nothing is done and nothing kept."""
    core, group = core_of(request), caller_of(request).group
    asked = await bodies.read_model(request, guard_models.TestPolicies)
    if (asked.run is None) == (asked.point is None):
        message = "name either a run, or a point"
        raise Invalid(message, code="body.invalid", problems=[Problem("body.invalid", message, "/point")])
    held = {one["name"]: {k: v for k, v in one.items() if k != "name"} for one in await core.policies.of(group)}
    policies = [{"name": name, **body} for name, body in merge(held, asked.policies).items()]
    if asked.run is not None:
        subjects = await _recorded(core, group, asked.run)
    else:
        touches, touched = frozenset(asked.touches), frozenset(asked.touched)
        about = {"group": group, **asked.about}
        subjects = [Subject(str(asked.point), asked.value, asked.call, about, touches=touches, touched=touched)]
    return json_answer({"items": [await rehearse(policies, subject) for subject in subjects]})


@router.get("/policies/{name}", response_model=guard_models.Policy, operation_id="show_policy")
async def show_policy(request: Request, name: PolicyPath) -> Response:
    """One policy, as it holds in this group."""
    return json_answer(await core_of(request).policies.show(caller_of(request).group, name))


@router.put(
    "/policies/{name}",
    response_model=guard_models.Policy,
    openapi_extra=takes(guard_models.PutPolicy),
    operation_id="put_policy",
)
async def put_policy(request: Request, name: PolicyPath) -> Response:
    """Say what is different here of a policy, or make one; what was said before is replaced. It holds at once."""
    core, group = core_of(request), caller_of(request).group
    asked = await bodies.read_model(request, guard_models.PutPolicy)
    body = {key: getattr(asked, key) for key in asked.model_fields_set}
    await core.policies.put(group, name, body)
    return json_answer(await core.policies.show(group, name))


@router.delete("/policies/{name}", status_code=204, operation_id="delete_policy")
async def delete_policy(request: Request, name: PolicyPath) -> Response:
    """Take back what this group said of a policy; what the installation says holds again."""
    await core_of(request).policies.delete(caller_of(request).group, name)
    return nothing()


async def _recorded(core: Core, group: str, run_id: str) -> list[Subject]:
    row = await core.runs.row(run_id)
    if row.group != group:
        raise NotFound(f"no run {run_id}", code="run.not_found")

    async def fetch(pointer: Any) -> Any:
        return parse_json(await core.artifacts.get(pointer[SPILLED]))

    def manifest(server: str, tool: str) -> frozenset[str]:
        return core.servers.manifest(server, tool, group)

    return await subjects_of(await core.journal.read(run_id), fetch, manifest)
