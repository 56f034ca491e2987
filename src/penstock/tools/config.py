"""How an MCP server is reached and what it is good for.

A server is a child process spoken to over its stdin and stdout, or an address spoken to over streamable HTTP. Next to
that stand the capabilities it serves (`code.scan` → its tool `scan_files`), so that a workflow can ask for what it
needs and not for who does it. Secrets are the caller's to fill in before a configuration comes here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..errors import Invalid, Problem

Protocol = Literal["auto", "legacy", "2026-07-28"]
Consent = Literal["ask", "allowed", "denied"]
SecretName = Annotated[str, Field(min_length=1, max_length=200)]
_INHERITED = ("PATH", "HOME", "LANG")


class ToolTraits(BaseModel):
    """What is known of one tool before it is asked; what is not said is taken from the server, or from the tool's own hints."""

    model_config = ConfigDict(extra="forbid")

    reads_private: bool | None = None
    sees_untrusted: bool | None = None
    sends_out: bool | None = None
    repeatable: bool | None = Field(
        default=None,
        description="Whether a call may be made again, here or elsewhere, when nobody knows if it was made.",
    )
    seconds: float | None = Field(default=None, gt=0, description="How long a call takes, for estimates.")
    bytes: int | None = Field(default=None, gt=0, description="How large a result is, for estimates.")


class ServerConfig(BaseModel):
    """One MCP server. Times are seconds; `env` is all a child gets besides PATH, HOME and LANG."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Short name, unique.")]
    title: str = ""
    description: str = ""
    transport: Literal["stdio", "http", "worker"] = "stdio"
    command: str | None = Field(default=None, description="The program of a stdio server.")
    args: list[str] = []
    env: dict[str, str] = {}
    env_secrets: dict[str, SecretName] = Field(default={}, description="Variable → name of the secret it holds.")
    cwd: str | None = None
    url: str | None = Field(default=None, description="The address of an HTTP server, with its path.")
    headers: dict[str, str] = {}
    header_secrets: dict[str, SecretName] = Field(default={}, description="Header → name of the secret it holds.")
    auth_secret: SecretName | None = Field(default=None, description="Name of the secret sent as the bearer token.")
    audience: str | None = Field(default=None, description="Whom the work sent to a remote worker is signed for.")
    capabilities: dict[str, str] = Field(default={}, description="Capability → name of the tool that serves it.")
    protocol: Protocol = Field(
        default="auto", description="legacy: the handshake of protocol versions before 2026-07-28."
    )
    start_timeout_seconds: float = Field(default=20.0, gt=0, le=600)
    timeout_seconds: float = Field(default=60.0, gt=0, le=86_400, description="For a call that does not say.")
    weight: Literal["light", "heavy"] = Field(
        default="light", description="A heavy server is chosen after a light one."
    )
    priority: int = Field(default=3, ge=1, le=6, description="The higher one is chosen; a step may prefer others.")
    fallback: bool = Field(default=False, description="Used only when no other server can be, and with consent.")
    consent: Consent = Field(default="ask", description="Whether this fallback may be used where a step does not say.")
    per_second: float | None = Field(default=None, gt=0, le=100_000, description="Calls a second at most.")
    per_minute: float | None = Field(default=None, gt=0, le=6_000_000, description="Calls a minute at most.")
    parallel: int = Field(default=64, ge=1, le=10_000, description="Calls at once at most; others wait.")
    max_result_bytes: int = Field(default=8 << 20, ge=1024, le=32 << 20, description="A longer answer is refused.")
    reads_private: bool = Field(default=False, description="Its tools see what is not for everybody.")
    sees_untrusted: bool = Field(default=False, description="Its tools bring in what strangers wrote.")
    sends_out: bool = Field(default=False, description="Its tools can take something out of the house.")
    tools: dict[str, ToolTraits] = Field(default={}, description="What is different for a tool, by its name.")
    check_results: bool = Field(
        default=True, description="Check each structured result against the tool's output schema."
    )
    enabled: bool = True

    @model_validator(mode="before")
    @classmethod
    def _transport_of_address(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "transport" in data or data.get("command"):
            return data
        kind = "http" if data.get("url") else "worker" if data.get("audience") else "stdio"
        return data | {"transport": kind}

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
        if self.transport == "worker" and not self.audience:
            raise ValueError("a remote worker needs an audience")
        return self

    def secret_names(self) -> set[str]:
        """The secrets it is reached with."""
        named = {*self.env_secrets.values(), *self.header_secrets.values()}
        return named | ({self.auth_secret} if self.auth_secret else set())

    def with_secrets(self, values: Mapping[str, str]) -> ServerConfig:
        """The same with the secrets filled in, to be reached and not to be shown. `values` has each by its name."""
        env = {variable: values[name] for variable, name in self.env_secrets.items()}
        headers = {header: values[name] for header, name in self.header_secrets.items()}
        if self.auth_secret:
            headers["Authorization"] = f"Bearer {values[self.auth_secret]}"
        return self.model_copy(update={"env": self.env | env, "headers": self.headers | headers})

    def manifest(self, tool: str) -> frozenset[str]:
        """What a call of `tool` touches, of {"private", "untrusted", "sends"}."""
        own = self.tools.get(same_spelling(tool, self.tools) or "") or ToolTraits()
        said = {
            "private": (own.reads_private, self.reads_private),
            "untrusted": (own.sees_untrusted, self.sees_untrusted),
            "sends": (own.sends_out, self.sends_out),
        }
        return frozenset(name for name, (of_tool, of_all) in said.items() if (of_all if of_tool is None else of_tool))

    def environment(self) -> dict[str, str]:
        """The child's whole environment."""
        return {name: os.environ[name] for name in _INHERITED if name in os.environ} | self.env


_TRANSPORTS = {"stdio": "stdio", "http": "http", "streamable-http": "http", "streamable_http": "http"}
_NOT_SHARED = ("type", "transport", "enabled", "disabled", "name")


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
    remote = "http" if "url" in row else "worker" if "audience" in row else "stdio"
    kind = row.get("type", row.get("transport", "stdio" if "command" in row else remote))
    out: dict[str, Any] = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or name}
    out["transport"] = _TRANSPORTS.get(kind, kind) if isinstance(kind, str) else kind
    known = ServerConfig.model_fields
    out |= {key: value for key, value in row.items() if key in known and key not in _NOT_SHARED}
    if not isinstance(out.get("tools", {}), dict):
        del out["tools"]  # elsewhere it is a list of the tools an editor may use
    out["enabled"] = row.get("enabled", True) and not row.get("disabled", False)
    return out


def builtin_servers() -> list[ServerConfig]:
    """The servers that come with Penstock: `code`, which reads folders of source code."""
    package = Path(__file__).resolve().parents[2]
    return [
        ServerConfig(
            name="code",
            title="Source code",
            description="Lists, reads and scans the files of a folder, draws the graph of its modules and answers questions to it.",
            command=sys.executable,
            # -P: nothing in the folder Penstock was started from can pass itself off as a module.
            args=["-P", "-m", "penstock.tools.code_server"],
            env={"PYTHONPATH": str(package)},
            capabilities={
                "code.files": "list_files",
                "code.read": "read_file",
                "code.scan": "scan_files",
                "code.graph": "knowledge_graph",
                "code.query": "query_graph",
                "code.change": "check_change",
            },
            timeout_seconds=300,
            priority=2,
            parallel=1_000,
            max_result_bytes=32 << 20,
            reads_private=True,
            sees_untrusted=True,  # the files may be a stranger's
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
