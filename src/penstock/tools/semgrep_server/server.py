"""The MCP server round semgrep, on the SDK's low-level `Server`: two tools, which only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import anyio.from_thread
import anyio.to_thread
import mcp_types as types
from mcp.server.lowlevel.server import Server
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..code_server.fence import CallFailed, Fence
from .home import Home
from .scan import scan

NAME = "penstock-semgrep"
INSTRUCTIONS = "Looks for patterns and flows of data in source code, with semgrep and rules on this machine."

Path = Annotated[str, Field(min_length=1, max_length=4096)]
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}


class Scan(BaseModel):
    """Arguments of `semgrep_scan`."""

    model_config = ConfigDict(extra="forbid")

    root: Path = Field(description="The folder the paths are relative to; nothing outside it is read.")
    paths: list[Path] = Field(
        [], max_length=5000, description="Files and folders, relative to the root; by default all."
    )
    rules: list[Path] = Field([], max_length=100, description="Files or folders of rules, relative to the root.")
    rules_text: str | None = Field(None, max_length=1 << 20, description="Rules as YAML.")
    max_findings: int = Field(1000, ge=1, le=20_000, description="Return at most this many, the worst first.")
    seconds: float = Field(300, gt=0, le=3600, description="How long semgrep may take.")


class Status(BaseModel):
    """`semgrep_status` takes nothing."""

    model_config = ConfigDict(extra="forbid")


RESULTS: dict[str, dict[str, Any]] = {
    "semgrep_scan": {
        "type": "object",
        "required": ["findings", "counts", "scanned", "skipped", "truncated", "version"],
        "properties": {
            "findings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["path", "line", "column", "rule", "severity", "message"],
                    "properties": {
                        **dict.fromkeys(("path", "rule", "message", "hint", "cwe", "owasp"), _TEXT),
                        **{key: {"type": "integer", "minimum": 1} for key in ("line", "column", "end_line")},
                        "severity": {"enum": ["high", "medium", "low"]},
                    },
                },
            },
            "counts": {
                "type": "object",
                "required": ["findings", "by_severity", "by_rule"],
                "properties": {"findings": _COUNT, "by_severity": _COUNTS, "by_rule": _COUNTS},
            },
            "scanned": _COUNT,
            "skipped": {"type": "array", "items": {"type": "object", "properties": {"path": _TEXT, "reason": _TEXT}}},
            "truncated": {"type": "boolean"},
            "version": _TEXT,
        },
    },
    "semgrep_status": {
        "type": "object",
        "required": ["installed", "version", "home"],
        "properties": {"installed": {"type": "boolean"}, "version": {"type": ["string", "null"]}, "home": _TEXT},
    },
}
TOOLS: dict[str, tuple[str, type[BaseModel], str, list[str]]] = {
    "semgrep_scan": (
        "Scan with semgrep",
        Scan,
        "Defects that need more than a line to be seen, such as input that reaches a shell: semgrep with the rules that come "
        "with this server, or with your own.",
        ["code.semgrep"],
    ),
    "semgrep_status": ("Is semgrep there?", Status, "Which semgrep is installed, and where.", []),
}


def build_server(home: Home, fence: Fence, version: str, install: bool) -> Server[Any]:
    """The server, ready to be run over any transport. With `install` the first scan makes semgrep's environment."""

    async def list_tools(_context: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        hints = types.ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )
        tools = [
            types.Tool(
                name=name,
                title=title,
                description=text,
                input_schema=model.model_json_schema(),
                output_schema=RESULTS[name],
                annotations=hints,
                _meta={"penstock/capabilities": capabilities} if capabilities else None,
            )
            for name, (title, model, text, capabilities) in TOOLS.items()
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            if params.name not in TOOLS:
                raise CallFailed("tool.unknown", f"there is no tool {params.name!r}")
            arguments = TOOLS[params.name][1].model_validate(params.arguments or {})
            check = anyio.from_thread.check_cancelled
            result = await anyio.to_thread.run_sync(_run, home, fence, install, arguments, check)
        except ValidationError as error:
            told = "; ".join(f"{'/'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()[:10])
            return _failed("arguments.invalid", told)
        except CallFailed as error:
            return _failed(error.code, error.message)
        content: list[types.ContentBlock] = [types.TextContent(type="text", text=_digest(result))]
        return types.CallToolResult(content=content, structured_content=result)

    return Server(NAME, version=version, instructions=INSTRUCTIONS, on_list_tools=list_tools, on_call_tool=call_tool)


def _run(home: Home, fence: Fence, install: bool, arguments: BaseModel, check: Callable[[], None]) -> dict[str, Any]:
    if not isinstance(arguments, Scan):
        version = home.version()
        return {"installed": version is not None, "version": version, "home": str(home.folder)}
    root = fence.folder(arguments.root)
    if install:
        home.install(check)
    return scan(
        home,
        fence,
        root,
        arguments.paths,
        rules=arguments.rules,
        rules_text=arguments.rules_text,
        max_findings=arguments.max_findings,
        seconds=arguments.seconds,
        check=check,
    )


def _failed(code: str, message: str) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=message)]
    return types.CallToolResult(content=content, is_error=True, _meta={"penstock/code": code})


def _digest(result: dict[str, Any]) -> str:
    if "installed" in result:
        return f"semgrep {result['version']} in {result['home']}" if result["installed"] else "semgrep is not installed"
    counts = result["counts"]["by_severity"]
    return f"{result['scanned']} files scanned: " + ", ".join(f"{counts[s]} {s}" for s in counts)
