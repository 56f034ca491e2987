"""What this installation has: node kinds, and the names of secrets. A secret's value goes in and never out."""

from __future__ import annotations

import inspect
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ..errors import NotFound
from ..ports import NodeKind
from . import bodies, guard_models, models
from .answers import json_answer, nothing
from .core import caller_of, core_of
from .openapi import takes

router = APIRouter(tags=["inventory"])
SecretPath = Annotated[str, Path(min_length=1, max_length=200, description="The secret's name.")]


@router.get("/kinds", response_model=models.Kinds, operation_id="list_kinds")
async def list_kinds(request: Request) -> Response:
    """The kinds of node there are, each with the JSON Schema of its configuration."""
    kinds = core_of(request).kinds
    items = [
        {
            "name": name,
            "description": _description(kind),
            "config": kind.Config.model_json_schema(),
            "literal": sorted(kind.literal),
        }
        for name, kind in sorted(kinds.items())
    ]
    return json_answer({"items": items})


@router.get("/secrets", response_model=models.SecretNames, operation_id="list_secrets")
async def list_secrets(request: Request) -> Response:
    """The names of the secrets."""
    return json_answer({"names": await core_of(request).vault.names(caller_of(request).group)})


@router.get("/secrets/{name}", response_model=models.SecretName, operation_id="show_secret")
async def show_secret(request: Request, name: SecretPath) -> Response:
    """Whether there is a secret of this name."""
    if name not in await core_of(request).vault.names(caller_of(request).group):
        raise NotFound(f"there is no secret {name!r}", code="secret.not_found")
    return json_answer({"name": name})


@router.post("/secrets/rotate", response_model=guard_models.Rotated, operation_id="rotate_secrets")
async def rotate_secrets(request: Request) -> Response:
    """Seal every secret, of every group, with a new key."""
    return json_answer({"sealed": await core_of(request).vault.rotate()})


@router.put("/secrets/{name}", status_code=204, openapi_extra=takes(models.PutSecret), operation_id="put_secret")
async def put_secret(request: Request, name: SecretPath) -> Response:
    """Set a secret, whether or not there was one."""
    asked = await bodies.read_model(request, models.PutSecret)
    await core_of(request).vault.put(caller_of(request).group, name, asked.value)
    return nothing()


@router.delete("/secrets/{name}", status_code=204, operation_id="delete_secret")
async def delete_secret(request: Request, name: SecretPath) -> Response:
    """Forget a secret."""
    await core_of(request).vault.delete(caller_of(request).group, name)
    return nothing()


def _description(kind: NodeKind) -> str:
    """The first paragraph of what the class says of itself, else of what its module does."""
    text = type(kind).__doc__ or (inspect.getmodule(type(kind)) or type(kind)).__doc__ or ""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
