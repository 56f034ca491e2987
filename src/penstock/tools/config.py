"""How an MCP server is reached and what it is good for.

A server is a child process spoken to over its stdin and stdout, or an address spoken to over streamable HTTP. Next to
that stand the capabilities it serves (`code.scan` → its tool `scan_files`), so that a workflow can ask for what it
needs and not for who does it. Secrets are the caller's to fill in before a configuration comes here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import Invalid, Problem

Protocol = Literal["auto", "legacy", "2026-07-28"]
_INHERITED = ("PATH", "HOME", "LANG")


class ServerConfig(BaseModel):
    """One MCP server. Times are seconds; `env` is all a child gets besides PATH, HOME and LANG."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Short name, unique.")]
    title: str = ""
    description: str = ""
    transport: Literal["stdio", "http"] = "stdio"
    command: str | None = Field(default=None, description="The program of a stdio server.")
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = Field(default=None, description="The address of an HTTP server, with its path.")
    headers: dict[str, str] = {}
    capabilities: dict[str, str] = Field(default={}, description="Capability → name of the tool that serves it.")
    protocol: Protocol = Field(
        default="auto", description="legacy: the handshake of protocol versions before 2026-07-28."
    )
    start_timeout_seconds: float = Field(default=20.0, gt=0, le=600)
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400, description="For a call that does not say.")
    check_results: bool = Field(
        default=True, description="Check each structured result against the tool's output schema."
    )
    enabled: bool = True

    @model_validator(mode="before")
    @classmethod
    def _transport_of_address(cls, data: Any) -> Any:
        if isinstance(data, dict) and "transport" not in data and data.get("url") and not data.get("command"):
            return data | {"transport": "http"}
        return data

    @field_validator("url")
    @classmethod
    def _http_only(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^\s/]", url):
            raise ValueError("must start with http:// or https://")
        return url

    @model_validator(mode="after")
    def _reachable(self) -> ServerConfig:
        if self.transport == "stdio" and not self.command:
            raise ValueError("a stdio server needs a command")
        if self.transport == "http" and not self.url:
            raise ValueError("an HTTP server needs a url")
        return self

    def environment(self) -> dict[str, str]:
        """The child's whole environment."""
        return {name: os.environ[name] for name in _INHERITED if name in os.environ} | self.env


_TRANSPORTS = {"stdio": "stdio", "http": "http", "streamable-http": "http", "streamable_http": "http"}
_SAME_NAME = ("title", "description", "command", "args", "env", "cwd", "url", "headers", "capabilities", "protocol")


def parse_servers(data: Any) -> list[ServerConfig]:
    """Configurations from a list of them, from one, or from the `mcp.json` that editors and assistants share:
    `{"mcpServers": {NAME: {"command", "args", "env"} | {"url", "headers"}}}` (`servers` is the other spelling).

    Raises Invalid `server.invalid` with a problem for each thing wrong.
    """
    table = data.get("mcpServers", data.get("servers")) if isinstance(data, dict) else None
    if isinstance(table, dict):
        key = "mcpServers" if "mcpServers" in data else "servers"
        rows = [(f"/{key}/{_escape(name)}", _from_shared_form(name, row)) for name, row in table.items()]
    elif isinstance(data, list):
        rows = [(f"/{number}", row) for number, row in enumerate(data)]
    else:
        rows = [("", data)]
    found: list[ServerConfig] = []
    problems: list[Problem] = []
    for pointer, row in rows:
        try:
            found.append(ServerConfig.model_validate(row))
        except ValidationError as error:
            for item in error.errors():
                place = pointer + "".join(f"/{_escape(str(part))}" for part in item["loc"])
                problems.append(Problem("server.invalid", item["msg"].removeprefix("Value error, "), place))
    names = [config.name for config in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [Problem("server.invalid", f"two servers are called {name!r}") for name in twice]
    if problems:
        raise Invalid(f"{len(problems)} things are wrong with these servers", code="server.invalid", problems=problems)
    return found


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _from_shared_form(name: str, row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    kind = row.get("type", row.get("transport", "http" if "url" in row and "command" not in row else "stdio"))
    out: dict[str, Any] = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or name}
    out["transport"] = _TRANSPORTS.get(kind, kind) if isinstance(kind, str) else kind
    out |= {key: row[key] for key in _SAME_NAME if key in row}
    out["enabled"] = row.get("enabled", True) and not row.get("disabled", False)
    return out


def builtin_servers() -> list[ServerConfig]:
    """The servers that come with Penstock: `code`, which reads folders of source code."""
    package = Path(__file__).resolve().parents[2]
    return [
        ServerConfig(
            name="code",
            title="Source code",
            description="Lists, reads and scans the files of a folder, and draws the graph of its modules.",
            command=sys.executable,
            # -P: nothing in the folder Penstock was started from can pass itself off as a module.
            args=["-P", "-m", "penstock.tools.code_server"],
            env={"PYTHONPATH": str(package)},
            capabilities={
                "code.files": "list_files",
                "code.read": "read_file",
                "code.scan": "scan_files",
                "code.graph": "knowledge_graph",
            },
            timeout_seconds=300,
            check_results=False,  # the server and its schemas are one piece of code, under one test
        )
    ]


def spelled(name: str) -> str:
    """`name` without the differences people make without meaning them: case, `-`, `_`, `.`, `/`, blanks."""
    return re.sub(r"[-_./:\s]+", "", name).casefold()


def same_spelling(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` means: itself, or the only one spelled alike."""
    names = list(known)
    if name in names:
        return name
    alike = [other for other in names if spelled(other) == spelled(name)]
    return alike[0] if len(alike) == 1 else None
