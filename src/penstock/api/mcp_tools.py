"""Published workflows as MCP tools, on the official SDK's low-level server.

A tool is the newest version of a workflow: its inputs are the input schema, its outputs the structured content. A call is a
run: progress is told as steps end, a cancelled call cancels it, and its id goes back under `_meta`. What the caller did wrong,
and what went wrong in the run, is a tool error with a code, which a model can read; only a tool that does not exist is an
error of the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import anyio
import mcp_types as types
import orjson
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError

from .. import __version__
from ..engine.events import Event
from ..engine.view import RunView
from ..engine.workflow import Workflow
from ..errors import NotFound, PenstockError
from .auth import ACTOR, Caller
from .calls import Begun, Calls, Offer, Result, base_of, failure_of, needs_person, run_url
from .headers import trace_of

NAME = "penstock"
INSTRUCTIONS = (
    "Each tool is a workflow; a call runs it to its end and returns its outputs. `_meta` of the result names the run "
    "(penstock/run_id, penstock/run_url). A call whose `_meta` has an Idempotency-Key may be sent again: it is one run."
)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ENDED = {"step.completed": "completed", "step.failed": "failed", "step.cancelled": "cancelled"}
TOOLS = 500  # on a page of the list
FILES = 20  # artifacts in a result
FILE_BYTES = 256 * 1024  # of a text that comes with a result

Context = ServerRequestContext[Any, Any]


def manager_of(server: Server[Any], body_bytes: int) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=body_bytes)


def build_server(calls: Calls, caller: Caller | None = None, base: str = "") -> Server[Any]:
    """The server over any transport. `caller` and `base`, the address of the API, are for those transports that have no request
    to take them from."""
    tools = _Tools(calls, caller or Caller("default", ACTOR), base)
    server: Server[Any] = Server(
        NAME,
        version=__version__,
        title="Penstock",
        instructions=INSTRUCTIONS,
        on_list_tools=tools.list,
        on_call_tool=tools.call,
        get_tool_input_schema=lambda name: (
            None
        ),  # no header of ours repeats an argument: nothing to look up on each call
    )
    server.middleware.append(tools.cancellations)
    return server


class _Tools:
    def __init__(self, calls: Calls, caller: Caller, base: str) -> None:
        self._calls = calls
        self._caller = caller
        self._base = base
        self._under_way: dict[tuple[str, Any], anyio.CancelScope] = {}  # (session, request id), of the older protocol

    async def list(self, context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        cursor = params.cursor if params is not None else None
        try:
            offers, following = await self._calls.offers(self._who(context).group, cursor, TOOLS)
        except PenstockError as error:
            raise MCPError(types.INVALID_PARAMS, error.message, {"code": error.code}) from None
        return types.ListToolsResult(tools=[describe(offer) for offer in offers], next_cursor=following)

    async def call(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        who = self._who(context)
        try:
            offer = await self._calls.offer(who.group, params.name)
        except NotFound as error:
            message = f"there is no tool {params.name[:80]!r}"
            raise MCPError(types.INVALID_PARAMS, message, {"code": error.code}) from None
        place = self._place(context)
        with anyio.CancelScope() as scope:
            if place is not None:
                self._under_way[place] = scope
            try:
                return await self._run(context, who, offer, params.arguments or {})
            except PenstockError as error:
                return _failed(error)
            finally:
                if place is not None:
                    self._under_way.pop(place, None)
        return _failed(PenstockError("the call was cancelled, and its run with it", code="run.cancelled"))

    async def _run(
        self, context: Context, who: Caller, offer: Offer, arguments: dict[str, Any]
    ) -> types.CallToolResult:
        total = _total(offer.workflow)
        told = 0

        async def seen(view: RunView, events: Sequence[Event]) -> None:
            nonlocal told
            for event in events:
                if (how := ENDED.get(event.kind)) is not None and getattr(event.fact, "retry_at", None) is None:
                    told += 1
                    await context.session.report_progress(told, total, f"{event.fact.step} {how}")

        begun = await self._calls.begin(who, offer, arguments, _key(context.meta), _trace(context))
        async with self._calls.held(begun, who):
            result = await self._calls.follow(begun, seen)
        return await self._answer(begun, result, self._base_of(context))

    async def _answer(self, begun: Begun, result: Result, base: str) -> types.CallToolResult:
        meta: dict[str, Any] = {
            "penstock/run_id": result.run_id,
            "penstock/run_url": run_url(base, result.run_id),
            "penstock/status": result.status,
        }
        if begun.replayed:
            meta["penstock/replayed"] = True
        if result.status == "completed":
            text = await self._calls.text(result) if len(result.outputs) <= 1 else orjson.dumps(result.outputs).decode()
            return _result(text, result.outputs, meta, await self._files(result, base, text))
        if result.status == "waiting":
            run = {"run_id": result.run_id, "status": "waiting", "url": meta["penstock/run_url"]}
            run["questions"] = [question.to_dict() for question in result.questions]
            return _result(needs_person(result, base), {"run": run}, meta)
        return _failed(failure_of(result), meta)

    async def _files(self, result: Result, base: str, said: str) -> list[types.ContentBlock]:
        """The artifacts among the outputs: texts as they are, for models that cannot fetch them; others by their address."""
        blocks: list[types.ContentBlock] = []
        for handle in self._calls.handles(result)[:FILES]:
            name, mime = handle["name"], handle["mime"]
            uri = f"{base}/api/v1/runs/{result.run_id}/artifacts/{quote(name)}"
            text = await self._calls.text_of(handle, FILE_BYTES)
            if text is None or text == said:
                link = types.ResourceLink(type="resource_link", name=name, uri=uri, mime_type=mime, size=handle["size"])
                blocks.append(link)
            else:
                content = types.TextResourceContents(uri=uri, mime_type=mime, text=text)
                blocks.append(types.EmbeddedResource(type="resource", resource=content))
        return blocks

    async def cancellations(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Middleware: a cancellation of the older protocol comes in a request of its own."""
        if ctx.method == "notifications/cancelled" and ctx.request_id is None:
            place = self._place(ctx, (ctx.params or {}).get("requestId"))
            scope = self._under_way.get(place) if place is not None else None
            if scope is not None:
                scope.cancel()
        return await call_next(ctx)

    def _place(self, context: Context, request_id: Any = None) -> tuple[str, Any] | None:
        session = context.request.headers.get("mcp-session-id") if context.request is not None else None
        number = context.request_id if request_id is None else request_id
        return (session, number) if session and isinstance(number, int | str) else None

    def _who(self, context: Context) -> Caller:
        return self._caller if context.request is None else context.request.scope["penstock.caller"]

    def _base_of(self, context: Context) -> str:
        return self._base if context.request is None else base_of(context.request.scope)


# ------------------------------------------------------------------------------------------------------ one tool


def describe(offer: Offer) -> types.Tool:
    """A workflow as a tool. Its name is the slug, which is a tool's name in every version of the protocol."""
    workflow = offer.workflow
    title = workflow.title or offer.slug
    return types.Tool(
        name=offer.slug,
        title=title,
        description=workflow.description or title,
        input_schema=input_schema(workflow),
        output_schema=output_schema(workflow),
        annotations=types.ToolAnnotations(
            title=title, read_only_hint=False, idempotent_hint=False, open_world_hint=True
        ),
        _meta={"penstock/version": offer.number, "penstock/tags": list(workflow.tags)},
    )


def input_schema(workflow: Workflow) -> dict[str, Any]:
    """The inputs as they are checked: what is not declared is refused, and `#/schemas/NAME` can be found."""
    schema: dict[str, Any] = {"$schema": DIALECT, "type": "object", **workflow.inputs}
    if workflow.schemas:
        schema["schemas"] = workflow.schemas
    if not any(key in schema for key in ("additionalProperties", "unevaluatedProperties")):
        composed = any(key in schema for key in ("allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas"))
        schema["unevaluatedProperties" if composed else "additionalProperties"] = False
    return schema


def output_schema(workflow: Workflow) -> dict[str, Any]:
    """The names of the outputs. None of them is promised: a run that waits for a person has not come to them."""
    names = workflow.document.get("outputs") or {}
    return {"$schema": DIALECT, "type": "object", "properties": {name: {} for name in names}}


def _total(workflow: Workflow) -> int | None:
    """How many steps there will be at most; None where lists or loops decide."""
    once = all(node.for_each is None and node.max_visits == 1 for node in workflow.nodes.values())
    return len(workflow.nodes) if once else None


def _key(meta: Mapping[str, Any] | None) -> str | None:
    for name, value in (meta or {}).items():
        if name.lower().rpartition("/")[2] == "idempotency-key" and value is not None:
            return str(value)
    return None


def _trace(context: Context) -> str | None:
    given = (context.meta or {}).get("traceparent")
    if given is None and context.request is not None:
        given = context.request.headers.get("traceparent")
    return trace_of(given) if isinstance(given, str) else None


def _result(
    text: str, structured: Mapping[str, Any], meta: dict[str, Any], files: Sequence[types.ContentBlock] = ()
) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text), *files]
    return types.CallToolResult(content=content, structured_content=dict(structured), _meta=meta)


def _failed(error: PenstockError, meta: dict[str, Any] | None = None) -> types.CallToolResult:
    """A tool error that a model can act on: the message with every problem, the code beside it."""
    lines = [f"{error.code}: {error.message}"]
    lines += [f"{p.pointer or '/'}: {p.message}" + (f" ({p.hint})" if p.hint else "") for p in error.problems[:20]]
    content: list[types.ContentBlock] = [types.TextContent(type="text", text="\n".join(lines))]
    told = {"penstock/code": error.code, "penstock/retryable": error.retryable, **(meta or {})}
    if isinstance(error.detail, dict) and (run_id := error.detail.get("run_id")):
        told.setdefault("penstock/run_id", run_id)
    return types.CallToolResult(content=content, is_error=True, _meta=told)
