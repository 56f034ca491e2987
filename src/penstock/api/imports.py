"""Files of other products in, a workflow out, with everything that is to be known about it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from ..errors import Invalid
from ..imports.formats import format_of
from . import bodies, models
from .answers import json_answer
from .core import caller_of, core_of
from .openapi import takes

router = APIRouter(tags=["workflows"])
MAX_FILES = 64


class Import(models.Asked):
    files: dict[str, str] = Field(
        min_length=1,
        max_length=MAX_FILES,
        description="The files' texts, by their paths.",
        examples=[{"agents.yaml": ""}],
    )
    name: models.Text = Field(
        default="", max_length=63, pattern=r"^([a-z0-9][a-z0-9-]*)?$", description="The workflow's slug."
    )
    process: Literal["", "sequential", "hierarchical"] = Field(
        default="", description="Of a crew; by default what its files say."
    )
    apply: bool = Field(default=False, description="Whether the workflow is saved as the draft of its name.")


class Found(models.Answered):
    file: str
    severity: Literal["error", "warning", "info"]
    code: str
    message: str
    pointer: str
    line: int | None = None
    column: int | None = None
    hint: str | None = None


class Imported(models.Answered):
    document: dict[str, models.Json] | None = Field(description="None when nothing can be made of the files.")
    diagnostics: list[Found]
    draft: str | None = Field(description="The ETag of the draft, if it was saved.")


@router.post("/imports/{format}", response_model=Imported, openapi_extra=takes(Import), operation_id="import_workflow")
async def import_workflow(
    request: Request, format: Annotated[str, Path(max_length=80, description="The format: crewai.")]
) -> Response:
    """Files of another product as a workflow. Diagnostics are an answer, unless it is to be saved: then 422 when one is an
    error."""
    chosen = format_of(format)
    asked = await bodies.read_model(request, Import)
    files = {path: text.encode() for path, text in asked.files.items()}
    made = await asyncio.to_thread(chosen.read, files, asked.name, asked.process)
    answer: dict[str, Any] = {
        "document": made.document,
        "diagnostics": [one.to_dict() for one in made.diagnostics],
        "draft": None,
    }
    if asked.apply:
        if made.errors or made.document is None:
            problems = [one.problem for one in made.errors]
            raise Invalid(f"{made.errors[0].file}: {problems[0].message}", code="import.wrong", problems=problems)
        core, caller = core_of(request), caller_of(request)
        answer["draft"] = (await core.gate.apply(caller.group, made.document, caller.actor)).etag
    return json_answer(answer)
