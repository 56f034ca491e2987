"""Budgets: what a group and its workflows may use in a day or a month, and what they have used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from ..errors import NotFound
from ..purse import NANO, check_budget, period_of
from . import bodies
from .answers import json_answer, nothing
from .core import Core, caller_of, core_of
from .models import Answered, Asked
from .openapi import takes

router = APIRouter(tags=["budgets"])
NamePath = Annotated[str, Path(description="`group`, or `workflow:SLUG`.")]


class Used(Answered):
    scope: str = Field(description="`group`, or `workflow:SLUG`.")
    tokens: int
    usd: str
    iterations: int


class Budget(Answered):
    name: str = Field(description="`group`, or `workflow:SLUG`.")
    tokens: int | None
    usd: str | None
    iterations: int | None
    per: Literal["day", "month"] = Field(description="Of UTC.")
    period: str = Field(description="The day or month that `used` is of.")
    used: Used


class Budgets(Answered):
    items: list[Budget]


class PutBudget(Asked):
    """At least one of `usd`, `tokens` and `iterations`. What is not said is not bounded."""

    tokens: int | None = Field(None, ge=0, description="Tokens of all models together.")
    usd: float | str | None = Field(None, description="US dollars, exactly; as text where a number would be rounded.")
    iterations: int | None = Field(None, ge=0, description="Turns of agents.")
    per: str = Field("day", description="day or month, of UTC.")


class Usage(Answered):
    period: str
    items: list[Used]


@router.get("/budgets", response_model=Budgets, operation_id="list_budgets")
async def list_budgets(request: Request) -> Response:
    """The budgets there are, with what is used of each."""
    core, group = core_of(request), caller_of(request).group
    kept = await core.registry.list(group, "budgets")
    return json_answer({"items": [await _shown(core, group, name, body) for name, body in kept.items()]})


@router.get("/budgets/{name}", response_model=Budget, operation_id="show_budget")
async def show_budget(request: Request, name: NamePath) -> Response:
    """One budget, with what is used of it."""
    core, group = core_of(request), caller_of(request).group
    return json_answer(await _shown(core, group, name, await core.registry.get(group, "budgets", name)))


@router.put("/budgets/{name}", response_model=Budget, openapi_extra=takes(PutBudget), operation_id="put_budget")
async def put_budget(request: Request, name: NamePath) -> Response:
    """Set a budget. It holds from the next call on, for runs in progress too; what was used before counts."""
    core, group = core_of(request), caller_of(request).group
    asked = await bodies.read_model(request, PutBudget)
    body = check_budget(name, asked.model_dump(exclude_none=True))
    await core.registry.put(group, "budgets", name, body)
    return json_answer(await _shown(core, group, name, body))


@router.delete("/budgets/{name}", status_code=204, operation_id="delete_budget")
async def delete_budget(request: Request, name: NamePath) -> Response:
    """Bound this no longer."""
    if not await core_of(request).registry.delete(caller_of(request).group, "budgets", name):
        raise NotFound(f"there is no budget {name!r}", code="budget.not_found")
    return nothing()


@router.get("/usage", response_model=Usage, operation_id="show_usage")
async def show_usage(request: Request, period: str = "") -> Response:
    """What the group and each of its workflows used in a day (`2026-11-20`) or a month (`2026-11`); today by default."""
    core, group = core_of(request), caller_of(request).group
    period = period or period_of("day", core.clock())
    used = await core.usage.list(group, period)
    return json_answer({"period": period, "items": [_used(scope, sums) for scope, sums in used.items()]})


async def _shown(core: Core, group: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    period = period_of(body["per"], core.clock())
    used = await core.usage.used(group, [(name, period)])
    return {
        "name": name,
        "tokens": body.get("tokens"),
        "usd": None if body.get("usd") is None else str(body["usd"]),
        "iterations": body.get("iterations"),
        "per": body["per"],
        "period": period,
        "used": _used(name, used.get((name, period), (0, 0, 0))),
    }


def _used(scope: str, sums: tuple[int, int, int]) -> dict[str, Any]:
    tokens, nano, iterations = sums
    usd = format((nano / NANO).normalize(), "f")
    return {"scope": scope, "tokens": tokens, "usd": usd, "iterations": iterations}
