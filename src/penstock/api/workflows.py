"""Workflows: drafts that change, versions that do not.

A draft may be saved incomplete, since that is what a draft is; it must only be an object of a bounded size with the name it
is saved under. It is published, and run, when nothing is wrong with it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from ..engine.fields import SLUG
from ..engine.record import rfc3339
from ..errors import Invalid, PenstockError, Problem
from ..imports import native
from ..imports.text import Source
from ..ports import Draft, Version
from . import bodies, models
from .answers import PAGE, Cursor, Limit, SlugPath, json_answer, not_modified
from .core import Core, caller_of, core_of
from .headers import expected_tag, is_fresh, quote
from .openapi import also, takes, takes_document
from .problems import HttpError

router = APIRouter(tags=["workflows"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="A version.")]
VersionQuery = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
Filter = Annotated[models.Text | None, Query(min_length=1, max_length=200)]


@router.get("/workflows", response_model=models.WorkflowPage, operation_id="list_workflows")
async def list_workflows(
    request: Request,
    persona: Filter = None,
    tag: Filter = None,
    search: Filter = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """The catalog, by name, each with its last run. `search` looks into names and titles."""
    core, group = core_of(request), caller_of(request).group
    filters = {"persona": persona, "tag": tag, "search": search}
    given = {name: value for name, value in filters.items() if value is not None}
    page = await core.workflows.list(group, cursor, limit, **given)
    items = [await _item(core, draft) for draft in page.items]
    return json_answer({"items": items, "cursor": page.cursor})


@router.post(
    "/workflows",
    status_code=201,
    response_model=models.Draft,
    openapi_extra=takes_document(),
    operation_id="create_workflow",
)
async def create_workflow(request: Request) -> Response:
    """A new draft from a document, JSON or YAML. 409 when its name is taken."""
    document = _named(await _document(request), None)
    draft = await core_of(request).workflows.save(caller_of(request).group, document, caller_of(request).actor, None)
    return _draft(draft, 201)


@router.get("/workflows/{slug}", response_model=models.Draft, responses=also(304), operation_id="show_workflow")
async def show_workflow(request: Request, slug: SlugPath) -> Response:
    """The draft; its ETag is what PUT must know."""
    draft = await core_of(request).workflows.draft(caller_of(request).group, slug)
    if is_fresh(request.headers.get("if-none-match"), draft.etag):
        return not_modified(quote(draft.etag))
    return _draft(draft)


@router.put(
    "/workflows/{slug}",
    response_model=models.Draft,
    responses={201: {"model": models.Draft, "description": "It is new"}, **also(412, 428)},
    openapi_extra=takes_document(),
    operation_id="save_workflow",
)
async def save_workflow(
    request: Request,
    slug: SlugPath,
    if_match: Annotated[str | None, Header(description="The ETag of the draft that is changed, or *.")] = None,
    if_none_match: Annotated[str | None, Header(description="* for a draft that must be new.")] = None,
) -> Response:
    """Save the draft. 412 when somebody else changed it meanwhile, 428 when neither header is there."""
    expected = expected_tag(if_match, if_none_match)
    document = _named(await _document(request), slug)
    core, caller = core_of(request), caller_of(request)
    if expected == "*":
        await core.workflows.draft(caller.group, slug)  # If-Match: * asks for one that exists
    try:
        draft = await core.workflows.save(caller.group, document, caller.actor, expected)
    except PenstockError as error:
        if error.code == "workflow.exists":
            raise HttpError(412, "etag.mismatch", f"there is a draft of {slug!r} already") from None
        raise
    return _draft(draft, 201 if expected is None else 200)


@router.post(
    "/workflows/{slug}/publish",
    response_model=models.Version,
    openapi_extra=takes(models.Publish, required=False),
    operation_id="publish_workflow",
)
async def publish_workflow(request: Request, slug: SlugPath) -> Response:
    """The draft as the next version; the newest one when nothing has changed. 422 with every problem in it."""
    asked = await bodies.read_model(request, models.Publish)
    caller = caller_of(request)
    version = await core_of(request).gate.publish(caller.group, slug, caller.actor, asked.note)
    return json_answer(_version(version), headers=_at_version(version))


@router.post(
    "/workflows/{slug}/validate",
    response_model=models.Validity,
    openapi_extra=takes_document(required=False),
    operation_id="validate_workflow",
)
async def validate_workflow(request: Request, slug: SlugPath) -> Response:
    """What is wrong with the draft, or with the document in the body. An answer in any case: see `valid`."""
    core, group = core_of(request), caller_of(request).group
    try:
        source = await bodies.read_document(request)
    except Invalid as error:
        return json_answer(_validity(error.problems))
    if source is None:
        source = Source((await core.workflows.draft(group, slug)).document)
    try:
        workflow = await _accept(core, source)
    except Invalid as error:
        return json_answer(_validity(error.problems))
    preflight = await core.gate.preflight(workflow, group)
    return json_answer({**_validity(workflow.warnings), "preflight": [p.to_dict() for p in preflight]})


@router.get("/workflows/{slug}/schema", response_model=dict[str, Any], operation_id="show_input_schema")
async def show_input_schema(request: Request, slug: SlugPath, version: VersionQuery = None) -> Response:
    """The JSON Schema of the inputs: of the draft, or of a version."""
    core, group = core_of(request), caller_of(request).group
    if version is None:
        document = (await core.workflows.draft(group, slug)).document
    else:
        document = (await core.workflows.version(group, slug, version)).document
    inputs, schemas = document.get("inputs"), document.get("schemas")
    schema: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    schema |= inputs if isinstance(inputs, dict) else {}
    if isinstance(schemas, dict) and schemas:
        schema["schemas"] = schemas
    return json_answer(schema)


@router.get("/workflows/{slug}/versions", response_model=models.VersionPage, operation_id="list_versions")
async def list_versions(request: Request, slug: SlugPath, cursor: Cursor = None, limit: Limit = PAGE) -> Response:
    """The versions, the newest first."""
    core, group = core_of(request), caller_of(request).group
    page = await core.workflows.versions(group, slug, cursor, limit)
    if not page.items:
        await core.workflows.draft(group, slug)  # says 404 for a workflow that is not there
    return json_answer({"items": [_version_item(v) for v in page.items], "cursor": page.cursor})


@router.get("/workflows/{slug}/versions/compare", response_model=models.Differences, operation_id="compare_versions")
async def compare_versions(
    request: Request,
    slug: SlugPath,
    old: Annotated[int, Query(alias="from", ge=1, le=2**31 - 1)],
    new: Annotated[int | None, Query(alias="to", ge=1, le=2**31 - 1, description="The newest by default.")] = None,
) -> Response:
    """What changed between two versions: nodes and edges added, removed and changed, down to their fields."""
    core, group = core_of(request), caller_of(request).group
    return json_answer(await core.gate.compare(group, slug, old, new or 0))


@router.get("/workflows/{slug}/versions/{number}", response_model=models.Version, operation_id="show_version")
async def show_version(request: Request, slug: SlugPath, number: Number) -> Response:
    """A version with its document; its ETag is the fingerprint."""
    version = await core_of(request).workflows.version(caller_of(request).group, slug, number)
    return json_answer(_version(version), headers={"ETag": quote(version.fingerprint)})


@router.post(
    "/workflows/{slug}/versions/{number}/restore", response_model=models.Version, operation_id="restore_version"
)
async def restore_version(request: Request, slug: SlugPath, number: Number) -> Response:
    """An old version as the draft and as the newest version."""
    caller = caller_of(request)
    version = await core_of(request).gate.restore(caller.group, slug, number, caller.actor)
    return json_answer(_version(version), headers=_at_version(version))


async def _document(request: Request) -> dict[str, Any]:
    source = await bodies.read_document(request)
    if source is None:
        raise HttpError(400, "body.missing", "send the workflow's document, as JSON or YAML")
    return source.data


async def _accept(core: Core, source: Source) -> Any:
    """The workflow in a text, read in a thread because it may be large. Raises Invalid with every problem."""
    return await asyncio.to_thread(native.accept, source.data, core.kinds, source.position, source.problems)


def _named(document: dict[str, Any], slug: str | None) -> dict[str, Any]:
    """The document, whose name is right. Raises Invalid, code `workflow.bad_name`."""
    name = document.get("name")
    message = None
    if not isinstance(name, str) or not SLUG.fullmatch(name):
        message = "a workflow's name is lower-case letters, digits and -, 63 at most"
    elif slug is not None and name != slug:
        message = f"the document is named {name!r}, not {slug!r}"
    if message is None:
        return document
    raise Invalid(message, code="workflow.bad_name", problems=[Problem("workflow.bad_name", message, "/name")])


def _validity(problems: Any) -> dict[str, Any]:
    shown = [problem.to_dict() for problem in problems]
    return {"valid": all(p.get("severity") == "warning" for p in shown), "problems": shown, "preflight": []}


def _draft(draft: Draft, status: int = 200) -> Response:
    body = {
        "slug": draft.slug,
        "document": draft.document,
        "etag": draft.etag,
        "latest": draft.latest,
        "updated_at": rfc3339(draft.updated_at),
        "updated_by": draft.updated_by,
    }
    headers = {"ETag": quote(draft.etag)}
    if status == 201:
        headers["Location"] = f"/api/v1/workflows/{draft.slug}"
    return json_answer(body, status, headers)


async def _item(core: Core, draft: Draft) -> dict[str, Any]:
    document = draft.document
    runs = (await core.runs.list(draft.group, limit=1, workflow=draft.slug)).items
    tags, minutes = document.get("tags"), document.get("minutes")
    return {
        "slug": draft.slug,
        **{name: _text(document.get(name)) for name in ("title", "description", "persona", "difficulty")},
        "tags": [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        "minutes": minutes if isinstance(minutes, int | float) and not isinstance(minutes, bool) else None,
        "latest": draft.latest,
        "etag": draft.etag,
        "updated_at": rfc3339(draft.updated_at),
        "updated_by": draft.updated_by,
        "last_run": {"run_id": r.run_id, "status": r.status, "created_at": rfc3339(r.created_at)}
        if (r := runs[0] if runs else None)
        else None,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _version_item(version: Version) -> dict[str, Any]:
    return {
        "slug": version.slug,
        "number": version.number,
        "fingerprint": version.fingerprint,
        "created_at": rfc3339(version.created_at),
        "created_by": version.created_by,
        "note": version.note,
    }


def _version(version: Version) -> dict[str, Any]:
    return {**_version_item(version), "document": version.document}


def _at_version(version: Version) -> dict[str, str]:
    return {"Location": f"/api/v1/workflows/{version.slug}/versions/{version.number}"}
