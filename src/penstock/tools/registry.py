"""The servers a process knows, and one warm session with each that has been used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import NotFound, PenstockError, Unavailable
from .client import Connection, Tool, nearest
from .config import ServerConfig, builtin_servers, same_spelling
from .session import Repeatable


class Servers:
    """Holds configurations, connects when first needed, keeps one session a server, and connects anew when it died.

    The order of the configurations is the order of preference when several servers offer a capability; the built-in
    ones come last. `aclose` when done: it ends every child.
    """

    def __init__(self, configs: Iterable[ServerConfig] = (), *, builtin: bool = True) -> None:
        self._configs: dict[str, ServerConfig] = {}
        self._builtin = {config.name: config for config in builtin_servers()} if builtin else {}
        self._connections: dict[str, Connection] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.replace(configs)

    # ------------------------------------------------------------------------------------------ configurations

    def configs(self) -> list[ServerConfig]:
        """All of them, in the order of preference."""
        return list(self._configs.values())

    def replace(self, configs: Iterable[ServerConfig]) -> None:
        """Hold these (and the built-in ones they do not override) from now on. A session whose configuration changed or
        went is closed once the calls on it are abandoned or done."""
        new = {config.name: config for config in configs}
        new |= {name: config for name, config in self._builtin.items() if name not in new}
        for name in [name for name in self._connections if new.get(name) != self._configs.get(name)]:
            connection = self._connections.pop(name)
            task = asyncio.get_running_loop().create_task(connection.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._configs = new

    def config(self, name: str) -> ServerConfig:
        """The server `name` means. Raises NotFound `tool.no_server`."""
        found = same_spelling(name, self._configs)
        if found is None:
            raise NotFound(f"there is no server {name!r}{nearest(name, self._configs)}", code="tool.no_server")
        if not self._configs[found].enabled:
            raise NotFound(f"server {found!r} is switched off", code="tool.no_server")
        return self._configs[found]

    def capabilities(self) -> dict[str, list[str]]:
        """Each declared capability, and the names of the servers that offer it, the preferred first."""
        out: dict[str, list[str]] = {}
        for config in self._configs.values():
            for capability in config.capabilities if config.enabled else ():
                out.setdefault(capability, []).append(config.name)
        return out

    # -------------------------------------------------------------------------------------------------- routing

    async def resolve(
        self, capabilities: Sequence[str] = (), server: str | None = None, tool: str | None = None
    ) -> tuple[ServerConfig, str]:
        """Who does it: the server (named, or the first with all the capabilities) and the tool (named, or the one that
        serves the first capability). Names match whatever their case and separators. Servers that declare no
        capabilities are asked for their tools, which may name some.

        Raises NotFound `tool.no_server`, `tool.unknown`; Unavailable when the named server cannot be asked.
        """
        if server is not None:
            return await self._on(self.config(server), capabilities, tool)
        enabled = [config for config in self._configs.values() if config.enabled]
        troubles: list[str] = []
        for config in enabled:
            if (capabilities and not config.capabilities) or (tool is not None and not capabilities):
                try:
                    return await self._on(config, capabilities, tool)
                except NotFound:
                    continue
                except PenstockError as error:
                    troubles.append(f"{config.name}: {error.message.splitlines()[0]}")
            elif capabilities and all(same_spelling(c, config.capabilities) for c in capabilities):
                return await self._on(config, capabilities, tool)
        asked = ", ".join(capabilities) if capabilities else f"a tool {tool!r}"
        known = {c for config in enabled for c in config.capabilities}
        hint = nearest(capabilities[0], known).replace("it has", "there are") if capabilities else ""
        trouble = f" (could not ask {'; '.join(troubles)})" if troubles else ""
        if troubles:
            raise Unavailable(f"no reachable server offers {asked}{hint}{trouble}", code="tool.no_server")
        raise NotFound(f"no server offers {asked}{hint}", code="tool.no_server")

    async def _on(
        self, config: ServerConfig, capabilities: Sequence[str], tool: str | None
    ) -> tuple[ServerConfig, str]:
        offered = dict(config.capabilities)
        if capabilities and not offered:
            offered = {c: t.name for t in await self.tools(config.name) for c in t.capabilities}
        for capability in capabilities:
            if same_spelling(capability, offered) is None:
                hint = nearest(capability, offered)
                raise NotFound(f"server {config.name!r} does not offer {capability!r}{hint}", code="tool.no_server")
        if tool is None:
            if not capabilities:
                raise NotFound(f"name a tool of server {config.name!r}, or a capability", code="tool.unknown")
            return config, offered[same_spelling(capabilities[0], offered) or ""]
        return config, (await self.tool(config.name, tool)).name

    # -------------------------------------------------------------------------------------------------- sessions

    async def _connection(self, name: str) -> Connection:
        config = self.config(name)
        connection = self._connections.get(config.name)
        if connection is None or connection.closed:
            if connection is not None:
                await connection.close()  # its process is reaped before another takes its place
                if self._connections.get(config.name) not in (None, connection):
                    return await self._connection(name)  # another caller was faster
            connection = self._connections[config.name] = Connection(config)
        await connection.open()
        return connection

    async def tools(self, server: str) -> list[Tool]:
        """The server's tools. Raises NotFound `tool.no_server`, Unavailable."""
        return list((await (await self._connection(server)).tools()).values())

    async def tool(self, server: str, name: str) -> Tool:
        """One tool. Raises NotFound `tool.no_server`, `tool.unknown`, Unavailable."""
        return await (await self._connection(server)).tool(name)

    async def call(
        self,
        server: str,
        tool: str,
        arguments: dict[str, Any] | None = None,
        seconds: float | None = None,
        *,
        key: str | None = None,
    ) -> Any:
        """One call; its structured result as plain JSON. `seconds` limits it, by default the server's own limit; `key`
        goes along as an idempotency key. Errors: see `Connection.call`. When the session turns out to be dead, a call
        that never left, or whose tool only reads, is made once more over a new one; any other fails.
        """
        try:
            return await (await self._connection(server)).call(tool, arguments or {}, seconds, key)
        except Repeatable:
            return await (await self._connection(server)).call(tool, arguments or {}, seconds, key)

    async def probe(self, server: str) -> dict[str, Any]:
        """Whether a server answers: {server, protocol, tools, milliseconds}. Raises as `tools` does."""
        began = time.perf_counter()
        connection = await self._connection(server)
        names = sorted(await connection.tools())
        spent = round((time.perf_counter() - began) * 1000, 1)
        return {
            "server": connection.config.name,
            "protocol": connection.protocol_version,
            "tools": names,
            "milliseconds": spent,
        }

    async def aclose(self) -> None:
        """Close every session and wait for the children to be gone."""
        connections = list(self._connections.values())
        self._connections.clear()
        await asyncio.gather(*(connection.close() for connection in connections), *self._closing)
