"""One MCP call.

The document says what is needed (a capability) or who does it (a server and a tool); the registry decides, and the log
tells what it decided. A call of a tool that only reads may be made again after a crash; any other is kept the moment it
returns and never made twice.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import Unavailable
from ..ports import Done, StepContext
from ..tools.registry import Servers


class ToolConfig(BaseModel):
    """`with` of a tool step: what to call, and with what."""

    model_config = ConfigDict(extra="forbid")

    capabilities: list[str] = Field([], description="What the server must offer; the first one names the tool.")
    server: str | None = Field(None, description="A server by name, instead of any that fits.")
    tool: str | None = Field(None, description="A tool by name, instead of the capability's.")
    arguments: dict[str, Any] = Field({}, description="The tool's arguments, checked against its own schema.")
    timeout_seconds: float | None = Field(None, gt=0, le=86_400, description="For this call; by default the server's.")

    @model_validator(mode="after")
    def _says_what(self) -> ToolConfig:
        if not self.capabilities and not self.tool:
            raise ValueError("name a capability or a tool")
        return self


class Tool:
    """The kind `tool`: its output is the tool's structured result."""

    name: ClassVar[str] = "tool"
    Config: ClassVar[type[BaseModel]] = ToolConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def run(self, step: StepContext, config: ToolConfig) -> Done:
        """Raises what `Servers.resolve` and `Servers.call` raise."""
        try:
            server, tool = await self._servers.resolve(config.capabilities, config.server, config.tool)
            reads = (await self._servers.tool(server.name, tool)).read_only
        except Unavailable:
            # The answer may be kept already, and then it does not matter that the server is gone.
            return Done(await step.once("call", lambda: self._blind(step, config)))
        await step.note(f"{server.name}/{tool}")
        if reads:
            return Done(await self._call(step, config, server.name, tool))
        return Done(await step.once("call", lambda: self._call(step, config, server.name, tool)))

    async def _call(self, step: StepContext, config: ToolConfig, server: str, tool: str) -> Any:
        return await self._servers.call(server, tool, config.arguments, config.timeout_seconds, key=step.key)

    async def _blind(self, step: StepContext, config: ToolConfig) -> Any:
        server, tool = await self._servers.resolve(config.capabilities, config.server, config.tool)
        return await self._call(step, config, server.name, tool)
