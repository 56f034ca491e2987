"""MCP servers as they go over the wire. What one is reached with is asked for as `tools.config.ServerConfig`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from .models import Answered, Asked, Json


class Breaker(Answered):
    state: Literal["closed", "open", "half_open"]
    failures: int = Field(description="In a row.")
    opened_at: AwareDatetime | None


class Server(Answered):
    """A server and how it fares. How it is reached may hold secrets and is not shown."""

    name: str
    title: str
    description: str
    transport: Literal["stdio", "http", "worker"]
    source: Literal["registry", "file", "builtin"] = Field(description="Where it is written down.")
    enabled: bool
    capabilities: dict[str, str] = Field(description="Capability → tool, as declared or as its tools said.")
    weight: Literal["light", "heavy"]
    priority: int
    fallback: bool
    consent: Literal["ask", "allowed", "denied"]
    per_second: float | None
    per_minute: float | None
    parallel: int
    secrets: list[str] = Field(description="Names of the secrets it is reached with.")
    health: Literal["healthy", "unhealthy", "unknown"]
    error: str | None = Field(description="What was wrong when it was last unhealthy.")
    checked_at: AwareDatetime | None
    latency_ms: float | None
    protocol: str | None = Field(description="Version of MCP that is spoken with it.")
    under_way: int = Field(description="Calls that it has now.")
    breaker: Breaker
    tools: list[str] | None = Field(description="None where it was not asked yet.")


class Servers(Answered):
    items: list[Server]


class Tool(Answered):
    name: str
    title: str
    description: str
    input_schema: dict[str, Json]
    output_schema: dict[str, Json] | None
    reads_only: bool
    repeatable: bool = Field(description="Whether a call may be made again when nobody knows if it was made.")
    touches: list[Literal["private", "sends", "untrusted"]]
    calls: int = Field(description="Made by this process.")
    seconds: float | None = Field(description="How long they took lately.")
    bytes: int | None = Field(description="How large results were lately.")


class ServerDetail(Server):
    config: dict[str, Json] = Field(description="As it was written, values that look like secrets left out.")
    offers: list[Tool] | None


class Checked(Answered):
    ok: bool
    server: str
    protocol: str | None
    tools: list[str]
    milliseconds: float
    error: dict[str, Json] | None


class Try(Asked):
    arguments: dict[str, Json] = Field(default={}, description="Checked against the tool's own schema.")
    seconds: float | None = Field(default=None, gt=0, le=3600, description="By default the server's own limit.")


class Tried(Answered):
    ok: bool
    result: Json
    milliseconds: float
    error: dict[str, Json] | None


class MovedSecret(Answered):
    server: str
    name: str


class Imported(Answered):
    added: list[str]
    replaced: list[str]
    secrets: list[MovedSecret] = Field(description="Values that stood in the file and are in the vault now.")
    missing: list[str] = Field(description="Secrets that are named and not set yet.")


class Offer(Answered):
    server: str
    tool: str
    health: Literal["healthy", "unhealthy", "unknown"]
    fallback: bool


class Capability(Answered):
    name: str
    servers: list[Offer]


class Capabilities(Answered):
    items: list[Capability]
