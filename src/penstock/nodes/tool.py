"""One MCP call.

The document says what is needed (a capability) or who does it (a server and a tool). The router decides, the journal says why
(`route.chosen`), and the decision is kept: replayed, it is the same. A call of a tool that only reads may be made again after a
crash; any other is kept the moment it returns and never made twice. The policies of the run's group are asked before and after it.

When the chosen server is gone, another that offers the same does it, if that can do no harm: when the call never got there, or
when the tool only reads or may be repeated. Any other call may have had its effect, so it fails by name, and the step's retry makes
it again at the same server, with the same idempotency key. A server marked as a fallback is used with consent only.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import PenstockError
from ..guardrails.guard import call_tool
from ..ports import Done, StepContext
from ..tools.registry import Servers
from ..tools.routing import Wanted
from .tool_route import Route, Router


class ToolConfig(BaseModel):
    """`with` of a tool step: what to call, and with what."""

    model_config = ConfigDict(extra="forbid")

    capabilities: list[str] = Field(
        [], description="What the server must offer, all of it; the first one names the tool."
    )
    server: str | None = Field(None, description="A server by name, instead of any that fits.")
    tool: str | None = Field(None, description="A tool by name, instead of the capability's.")
    arguments: dict[str, Any] = Field({}, description="The tool's arguments, checked against its own schema.")
    timeout_seconds: float | None = Field(None, gt=0, le=86_400, description="For this call; by default the server's.")
    prefer: list[str] = Field([], max_length=20, description="Servers to choose before others, the best first.")
    fallback: Literal["ask", "allowed", "denied"] | None = Field(
        None, description="Whether a server marked as a fallback may be used; by default its own setting says."
    )

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
        """Raises what routing raises (see `Discovery.refusal`), what `Servers.call` raises, Refused `tool.consent_denied`, and
        what policies raise (see `guard.call_tool`)."""
        wanted = Wanted(
            tuple(config.capabilities),
            config.tool,
            config.server,
            tuple(config.prefer),
            config.fallback,
            _patience(config),
        )
        router = Router(self._servers, step, wanted)
        try:
            return Done(await router.follow(lambda route: self._result(step, config, route, router)))
        except PenstockError:
            kept = await router.kept("call")  # it was made before anybody kept routes
            if kept is None:
                raise
            return Done(kept)

    async def _result(self, step: StepContext, config: ToolConfig, route: Route, router: Router) -> Any:
        async def make(arguments: dict[str, Any]) -> Any:
            return await self._servers.call(
                route.server,
                route.tool,
                arguments,
                config.timeout_seconds,
                key=step.key,
                group=step.group,
                met=router.met,
                insist=route.alone,
            )

        call = {"server": route.server, "tool": route.tool}
        touches = self._servers.manifest(route.server, route.tool, step.group)
        return await call_tool(step, "call", call, config.arguments, make, touches, keep=not route.reads)


def _patience(config: ToolConfig) -> float:
    return min(60.0, config.timeout_seconds or 60.0)
