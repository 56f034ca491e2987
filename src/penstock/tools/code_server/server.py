"""The MCP server round the code tools, on the SDK's low-level `Server`.

A call's arguments are checked, the work runs in a thread (it reads files and waits for ruff), and a client that goes
away or cancels stops it at the next file. Whatever a caller did wrong comes back as an error result with a stable code
in its `_meta`, never as a broken session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel.server import Server
from pydantic import ValidationError

from .contract import (
    CAPABILITIES,
    RESULTS,
    TITLES,
    CheckChange,
    KnowledgeGraph,
    ListFiles,
    QueryGraph,
    ReadFile,
    ScanFile,
    ScanFiles,
)
from .fence import CallFailed, Fence

if TYPE_CHECKING:
    from .graph import Graph

NAME = "penstock-code"
INSTRUCTIONS = "Reads a folder of source code: its files, what is in them, what is wrong, how it hangs together."


def build_server(fence: Fence, version: str) -> Server[Any]:
    """The server, ready to be run over any transport."""
    tools: list[types.Tool] = []

    async def list_tools(_context: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        if not tools:
            tools.extend(_describe())
        return types.ListToolsResult(tools=tools)

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            if params.name not in TITLES:
                raise CallFailed("tool.unknown", f"there is no tool {params.name!r}")
            arguments = TITLES[params.name][1].model_validate(params.arguments or {})
            check = anyio.from_thread.check_cancelled
            result = await anyio.to_thread.run_sync(_run, fence, params.name, arguments, check)
        except ValidationError as error:
            told = "; ".join(f"{'/'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()[:10])
            return _failed("arguments.invalid", told)
        except CallFailed as error:
            return _failed(error.code, error.message)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=_digest(params.name, result))], structured_content=result
        )

    return Server(NAME, version=version, instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)


def _describe() -> list[types.Tool]:
    offers = {tool: capability for capability, tool in CAPABILITIES.items()}
    return [
        types.Tool(
            name=name,
            title=title,
            description=text,
            input_schema=model.model_json_schema(),
            output_schema=RESULTS[name],
            annotations=types.ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
            _meta={"penstock/capabilities": [offers[name]]} if name in offers else None,
        )
        for name, (title, model, text) in TITLES.items()
    ]


def _failed(code: str, message: str) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=message)]
    return types.CallToolResult(content=content, is_error=True, _meta={"penstock/code": code})


def _run(fence: Fence, name: str, arguments: Any, check: Callable[[], None]) -> dict[str, Any]:
    match arguments:
        case ListFiles():
            from .listing import list_files  # noqa: PLC0415  (each tool's imports are paid for by its first call)

            return list_files(
                fence.folder(arguments.path),
                include=arguments.include,
                exclude=arguments.exclude,
                max_files=arguments.max_files,
                max_bytes=arguments.max_bytes,
                check=check,
            )
        case ReadFile():
            from .reading import read_file  # noqa: PLC0415

            return read_file(
                fence.file(fence.folder(arguments.root), arguments.path),
                arguments.path,
                start_line=arguments.start_line,
                end_line=arguments.end_line,
                max_bytes=arguments.max_bytes,
                check=check,
            )
        case ScanFile() | ScanFiles():
            from .scanning import scan_files  # noqa: PLC0415

            paths = arguments.paths if isinstance(arguments, ScanFiles) else [arguments.path]
            root = fence.folder(arguments.root)
            if isinstance(arguments, ScanFile):
                fence.file(root, arguments.path)  # a single file that is not there is an error, not an empty result
            return scan_files(
                fence, root, paths, level=arguments.level, max_findings=arguments.max_findings, check=check
            )
        case KnowledgeGraph():
            return _graph(fence, arguments, check)
        case QueryGraph():
            return _query(fence, arguments, check)
        case CheckChange():
            from .change import check_change  # noqa: PLC0415

            return check_change(
                fence,
                fence.folder(arguments.root),
                [(change.path, change.text) for change in arguments.changes],
                level=arguments.level,
                max_findings=arguments.max_findings,
                check=check,
            )
        case _:
            raise CallFailed("tool.unknown", f"there is no tool {name!r}")


_MIMES = {
    "json": "application/json",
    "jsonld": "application/ld+json",
    "graphml": "application/graphml+xml",
    "turtle": "text/turtle",
}


def _graph(fence: Fence, arguments: KnowledgeGraph, check: Callable[[], None]) -> dict[str, Any]:
    from .graph import build  # noqa: PLC0415

    graph, summary = build(
        fence,
        fence.folder(arguments.root),
        arguments.paths,
        definitions=arguments.definitions,
        max_nodes=arguments.max_nodes,
        check=check,
    )
    out: dict[str, Any] = {"format": arguments.format, "mime": _MIMES[arguments.format]}
    if arguments.format == "json":
        out |= {"nodes": [{"id": key, **node} for key, node in graph.nodes.items()], "edges": graph.edge_rows()}
    else:
        out["document"] = _document(graph, arguments.format)
    return out | summary


def _document(graph: Graph, name: str) -> Any:
    from . import formats  # noqa: PLC0415

    return {"jsonld": formats.jsonld, "graphml": formats.graphml, "turtle": formats.turtle}[name](graph)


def _query(fence: Fence, arguments: QueryGraph, check: Callable[[], None]) -> dict[str, Any]:
    from .questions import DRAWN, ask  # noqa: PLC0415

    graph, skipped = DRAWN.graph(fence, fence.folder(arguments.root), arguments.paths, check)
    part, answer = ask(
        graph,
        arguments.question,
        arguments.of,
        to=arguments.to,
        along=list(arguments.along),
        direction=arguments.direction,
        depth=arguments.depth,
        limit=arguments.limit,
    )
    answer |= {"skipped": skipped, "format": arguments.format, "mime": _MIMES[arguments.format]}
    return answer if arguments.format == "json" else answer | {"document": _document(part, arguments.format)}


def _digest(name: str, result: dict[str, Any]) -> str:
    """One line for a reader, or a model, that does not look at structured content."""
    match name:
        case "list_files":
            counts = result["counts"]
            more = " (list cut short)" if result["truncated"] else ""
            return f"{counts['files']} files, {counts['lines']} lines, {counts['skipped']} left out{more}"
        case "read_file":
            return result["text"]
        case "knowledge_graph":
            return ", ".join(f"{count} {kind}" for kind, count in result["counts"].items())
        case "query_graph":
            shown = [node["id"] for node in result["nodes"] if node["id"] not in result["start"]] or result["start"]
            return " -> ".join(result["path"]) or ", ".join(shown[:50])
        case "check_change":
            return result["diff"]
        case _:
            counts = result["counts"]["by_severity"]
            return f"{result['scanned']} files scanned: " + ", ".join(f"{counts[s]} {s}" for s in counts)
