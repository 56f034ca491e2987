"""What a worker can do: tools of its own MCP servers, and of those only the ones that whoever started it named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import Invalid, NotFound, PenstockError
from ..tools.client import Connection, Tool, nearest
from ..tools.config import ServerConfig, same_spelling
from ..tools.session import Repeatable


class Offer:
    """Sessions are opened when first needed, and anew when they died. `aclose` when done: it ends every child."""

    def __init__(self, configs: Iterable[ServerConfig], wanted: Sequence[str]) -> None:
        """`wanted` names servers, for all their tools, or SERVER/TOOL."""
        self._configs = {config.name: config for config in configs if config.enabled}
        self._wanted = list(wanted)
        self._connections: dict[str, Connection] = {}
        self._opening = asyncio.Lock()
        self._tools: dict[str, tuple[str, Tool]] = {}

    async def load(self) -> None:
        """Ask the servers for their tools. Where two have one of the same name, the later is SERVER.TOOL. Raises NotFound
        `tool.no_server`, `tool.unknown`, Invalid `worker.no_tools`, Unavailable."""
        for one in self._wanted:
            name, _, tool = one.partition("/")
            found = same_spelling(name, self._configs)
            if found is None:
                raise NotFound(f"there is no server {name!r}{nearest(name, self._configs)}", code="tool.no_server")
            connection = await self._connection(found)
            known = [await connection.tool(tool)] if tool else list((await connection.tools()).values())
            for each in known:
                self._tools[each.name if each.name not in self._tools else f"{found}.{each.name}"] = (found, each)
        if not self._tools:
            raise Invalid("a worker without tools has nothing to offer: name some", code="worker.no_tools")

    def listed(self) -> list[dict[str, Any]]:
        """The tools as the server is told of them."""
        return [self._described(name, server, tool) for name, (server, tool) in self._tools.items()]

    def _described(self, name: str, server: str, tool: Tool) -> dict[str, Any]:
        declared = [c for c, served in self._configs[server].capabilities.items() if served == tool.name]
        return {
            "name": name,
            "title": tool.title[:500],
            "description": tool.description[:10_000],
            "input_schema": tool.input_schema,
            "output_schema": tool.output_schema,
            "capabilities": list(dict.fromkeys([*declared, *tool.capabilities])),
            "read_only": tool.read_only,
            "destructive": tool.destructive,
            "idempotent": tool.idempotent,
        }

    async def call(self, name: str, arguments: dict[str, Any], seconds: float, key: str) -> Any:
        """One call; its result as plain JSON. Raises NotFound `tool.unknown`, and as `Connection.call`."""
        if name not in self._tools:
            raise NotFound(f"this worker does not offer {name!r}", code="tool.unknown")
        server, tool = self._tools[name]
        try:
            return await (await self._connection(server)).call(tool.name, arguments, seconds, key)
        except Repeatable:
            return await (await self._connection(server)).call(tool.name, arguments, seconds, key)

    async def _connection(self, name: str) -> Connection:
        async with self._opening:
            known = self._connections.get(name)
            if known is None or known.closed:
                if known is not None:
                    await known.close()  # its process is reaped before another takes its place
                known = self._connections[name] = Connection(self._configs[name])
        await known.open()
        return known

    async def aclose(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))


def told(error: PenstockError) -> dict[str, Any]:
    """An error as it goes back."""
    out = error.to_dict()
    if problems := out.pop("problems", None):
        out.setdefault("detail", {"problems": problems})
    return out
