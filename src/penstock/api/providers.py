"""Providers of models: connect one, see how it is, try its key again. A key goes in and never out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ..engine.record import rfc3339
from . import bodies, guard_models
from .answers import json_answer, nothing
from .core import caller_of, core_of
from .openapi import takes

router = APIRouter(tags=["providers"])
ProviderPath = Annotated[str, Path(min_length=1, max_length=64, description="The provider's name, such as openai.")]


@router.get("/providers", response_model=guard_models.Providers, operation_id="list_providers")
async def list_providers(request: Request) -> Response:
    """The providers whose models can be asked, connected or not."""
    found = await core_of(request).connections.list(caller_of(request).group)
    return json_answer({"items": [_shown(one) for one in found]})


@router.get("/providers/{name}", response_model=guard_models.Provider, operation_id="show_provider")
async def show_provider(request: Request, name: ProviderPath) -> Response:
    """Whether a provider is connected, and when that was seen."""
    return json_answer(_shown(await core_of(request).connections.show(caller_of(request).group, name)))


@router.put(
    "/providers/{name}",
    response_model=guard_models.Provider,
    openapi_extra=takes(guard_models.PutProvider),
    operation_id="put_provider",
)
async def put_provider(request: Request, name: ProviderPath) -> Response:
    """Connect a provider. Its key is tried by the cheapest request there is, and kept when it is taken; `verify: false` keeps it
    as it is. Nothing changes when it is not taken."""
    asked = await bodies.read_model(request, guard_models.PutProvider)
    key = None if asked.key is None else asked.key.get_secret_value()
    made = await core_of(request).connections.put(
        caller_of(request).group, name, key, asked.base_url, asked.model, asked.verify
    )
    return json_answer(_shown(made))


@router.post("/providers/{name}/check", response_model=guard_models.Provider, operation_id="check_provider")
async def check_provider(request: Request, name: ProviderPath) -> Response:
    """Try the key that is there; what came of it is `status` and `error`."""
    return json_answer(_shown(await core_of(request).connections.check(caller_of(request).group, name)))


@router.delete("/providers/{name}", status_code=204, operation_id="delete_provider")
async def delete_provider(request: Request, name: ProviderPath) -> Response:
    """Forget a provider and its key."""
    await core_of(request).connections.delete(caller_of(request).group, name)
    return nothing()


def _shown(provider: Mapping[str, Any]) -> dict[str, Any]:
    breakers = [{**one, "opened_at": _time(one["opened_at"])} for one in provider["breakers"]]
    return {**provider, "checked_at": _time(provider["checked_at"]), "breakers": breakers}


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)
