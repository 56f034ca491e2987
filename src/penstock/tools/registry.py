"""The servers a process knows, one warm session with each that is used, and what dealing with them has shown.

Every call of whoever it is for goes through `Servers.call`: the server's breaker, its rate and its places are asked there, and
what came of it is written into its `Standing`, by which others choose. Sessions belong to a group: its secrets open them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..errors import NotFound, PenstockError, Unavailable
from ..ports import Clock, Registry
from .client import Connection, Tool, nearest, repeats
from .config import ServerConfig, builtin_servers, same_spelling
from .credentials import Redaction, in_clear
from .discovery import Discovery
from .routing import Wanted
from .session import Repeatable, Unreached
from .sources import Known, Source, Sources
from .standing import ANSWERS, FAULTS, GONE, Seen, Standing

DEFAULT = "default"  # the group of who names none
PATIENCE = 60.0  # seconds a call waits for its server's rate
TICK = 0.5  # seconds between looks at what is due
CATALOG = 5.0  # seconds a list of all tools waits for servers that were not asked yet
MEASURED = 16  # of so many results one is measured

Secret = Callable[[str, str], Awaitable[str]]  # (group, name): the value; raises NotFound
Met = Callable[[str, str], None]  # (server, state): a breaker moved under a call


class Session(Protocol):
    """What a server is spoken to through; `client.Connection` is one. `closed` turns True when the server has gone."""

    config: ServerConfig
    closed: bool

    @property
    def protocol_version(self) -> str: ...

    @property
    def listed(self) -> Mapping[str, Tool] | None: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def tools(self, again: bool = False) -> dict[str, Tool]: ...

    async def tool(self, name: str) -> Tool: ...

    async def call(
        self, name: str, arguments: dict[str, Any], seconds: float | None = None, key: str | None = None
    ) -> Any: ...


Connect = Callable[[str, ServerConfig], Session]  # (group, configuration with its secrets filled in)


class _Link:
    """A session and what must not be told of it."""

    def __init__(self, session: Session, plain: ServerConfig, redaction: Redaction) -> None:
        self.session, self.plain, self.redaction = session, plain, redaction


class Servers:
    """Holds configurations, connects when first needed, keeps one session a server, and connects anew when it died.

    `registry` has the groups' own servers, `read` gives those of a file when it changed, `secret` fills in what configurations
    name; `connect` makes the sessions of a transport that is not MCP's. `aclose` when done: it ends every child.
    """

    def __init__(
        self,
        configs: Iterable[ServerConfig] = (),
        *,
        builtin: bool = True,
        registry: Registry | None = None,
        read: Callable[[], Sequence[ServerConfig] | None] | None = None,
        secret: Secret | None = None,
        connect: Mapping[str, Connect] | None = None,
        clock: Clock = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sources = Sources(configs, builtin_servers() if builtin else (), registry, read, clock)
        self._secret, self._connect = secret, dict(connect or {})
        self._clock, self._chance = clock, chance
        self._links: dict[tuple[str, str], _Link] = {}
        self._opening: dict[tuple[str, str], asyncio.Lock] = {}
        self._standings: dict[tuple[str, str], Standing] = {}
        self._aside: set[asyncio.Task[Any]] = set()
        self._looks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._closed = False
        self.discovery = Discovery(self)

    # ------------------------------------------------------------------------------------------ configurations

    def configs(self, group: str = DEFAULT) -> list[ServerConfig]:
        """All of a group's, as of the last look (see `fresh`)."""
        return list(self._sources.of(group).configs.values())

    def source(self, name: str, group: str = DEFAULT) -> Source:
        """Where a server comes from: registry, file or builtin."""
        return self._sources.of(group).sources[name]

    async def fresh(self, group: str = DEFAULT, at_once: bool = False) -> Known:
        """Look for changes that this or another process made; `at_once` even when the last look was a moment ago."""
        known = await self._sources.look(group, at_once)
        self._drop_changed(group)
        return known

    def replace(self, configs: Iterable[ServerConfig]) -> None:
        """Hold these (and the built-in ones they do not override) from now on. A session whose configuration changed or
        went is closed once the calls on it are abandoned or done."""
        self._sources.replace(configs)
        for group in self._sources.groups():
            self._drop_changed(group)

    def _drop_changed(self, group: str) -> None:
        known = self._sources.of(group).configs
        for key, link in list(self._links.items()):
            if key[0] == group and known.get(key[1]) != link.plain:
                self._drop(key)
        for key, standing in list(self._standings.items()):
            if key[0] == group and known.get(key[1]) != standing.config:
                del self._standings[key]

    def _drop(self, key: tuple[str, str]) -> None:
        if (link := self._links.pop(key, None)) is not None:
            self.aside(link.session.close())

    def aside(self, work: Any) -> asyncio.Task[Any]:
        """Have something done while nobody waits for it; `aclose` does."""
        task = asyncio.get_running_loop().create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return task

    def config(self, name: str, group: str = DEFAULT) -> ServerConfig:
        """The server `name` means. Raises NotFound `tool.no_server`."""
        configs = self._sources.of(group).configs
        found = same_spelling(name, configs)
        if found is None:
            raise NotFound(f"there is no server {name!r}{nearest(name, configs)}", code="tool.no_server")
        if not configs[found].enabled:
            raise NotFound(f"server {found!r} is switched off", code="tool.no_server")
        return configs[found]

    def capabilities(self, group: str = DEFAULT) -> dict[str, list[str]]:
        """Each capability that is declared, or that a server's tools were seen to name, and who offers it."""
        out: dict[str, list[str]] = {}
        for config in self.configs(group):
            for capability in self.discovery.offered(config, group) or () if config.enabled else ():
                out.setdefault(capability, []).append(config.name)
        return out

    def manifest(self, server: str, tool: str, group: str = DEFAULT) -> frozenset[str]:
        """What a call touches, as declared: of {"private", "untrusted", "sends"}. Nothing for an unknown server."""
        configs = self._sources.of(group).configs
        found = same_spelling(server, configs)
        return configs[found].manifest(tool) if found is not None else frozenset()

    async def resolve(
        self,
        capabilities: Sequence[str] = (),
        server: str | None = None,
        tool: str | None = None,
        *,
        group: str = DEFAULT,
    ) -> tuple[ServerConfig, str]:
        """The best server for it and the tool's name, without reaching the server; a fallback only where its own setting
        allows it. Raises NotFound `tool.no_server`, `tool.unknown`; Unavailable `tool.no_server`."""
        best = await self.discovery.best(Wanted(tuple(capabilities), tool, server), group)
        return self.config(best.server, group), best.tool

    # ---------------------------------------------------------------------------------------------------- sessions

    def standing(self, name: str, group: str = DEFAULT) -> Standing:
        """What is known of a server. Raises NotFound."""
        return self.standing_of(self.config(name, group), group)

    def standing_of(self, config: ServerConfig, group: str = DEFAULT) -> Standing:
        """The same for a configuration of the group, one that is switched off included."""
        found = self._standings.get((group, config.name))
        if found is None or found.config != config:
            found = self._standings[group, config.name] = Standing(config, self._clock)
        return found

    def ended(self, name: str, group: str = DEFAULT) -> bool:
        """Whether there was a session with this server, and it ended by itself."""
        link = self._links.get((group, name))
        return link is not None and link.session.closed

    async def _link(self, name: str, group: str) -> _Link:
        config = self.config(name, group)
        key = (group, config.name)
        if self._closed:
            raise Unreached("this process is about to end", code="tool.server_broken")
        link = self._links.get(key)
        if link is None or link.session.closed:
            async with self._opening.setdefault(key, asyncio.Lock()):
                link = self._links.get(key)
                if link is not None and link.session.closed:
                    await link.session.close()  # its process is reaped before another takes its place
                    link = None
                if link is None:
                    link = self._links[key] = await self._new_link(group, config)
        await link.session.open()
        return link

    async def _new_link(self, group: str, config: ServerConfig) -> _Link:
        values: dict[str, str] = {}
        for name in sorted(config.secret_names()):
            if self._secret is None:
                raise NotFound(f"server {config.name!r} needs the secret {name!r}", code="secret.not_found")
            values[name] = await self._secret(group, name)
        make = self._connect.get(config.transport, _mcp)
        hidden = [*values.values(), *(value for _, _, value in in_clear(config))]
        return _Link(make(group, config.with_secrets(values)), config, Redaction(hidden))

    @contextlib.asynccontextmanager
    async def _noted(
        self, standing: Standing, group: str, met: Met | None = None, proof: bool = True
    ) -> AsyncGenerator[None]:
        """Enter the breaker, and write down what came of it. Without `proof` a success closes the breaker, so that calls are
        tried again, and does not make calls that failed forgotten."""
        name = standing.config.name
        if not standing.breaker.try_enter():
            wait = standing.breaker.wait
            message = (
                f"server {name!r} failed {standing.breaker.failures} times in a row and is left alone for {wait:.0f} s"
            )
            raise Unreached(message, code="tool.circuit_open", detail={"retry_after": round(wait, 3)})
        if standing.breaker.probing and met is not None:
            met(name, "half_open")
        standing.under_way += 1
        moved: str | None = None
        try:
            yield
        except PenstockError as error:
            if error.code in FAULTS:
                moved = standing.breaker.ended(False)
            elif error.code in ANSWERS:
                moved = standing.breaker.ended(True)
                standing.well()
            else:  # it was not asked
                standing.breaker.left()
            if error.code in GONE:
                standing.ill(error.message)
            if error.code in GONE or error.code == "tool.refused":
                self._outdated(group, name)
            raise
        except BaseException:
            standing.breaker.left()
            raise
        else:
            if proof or standing.breaker.opened_at is not None:
                moved = standing.breaker.ended(True)
            standing.well()
        finally:
            standing.under_way -= 1
            if moved is not None and met is not None:
                met(name, moved)

    def _outdated(self, group: str, name: str) -> None:
        """A session over HTTP that is refused may have been opened with a secret that was changed since."""
        link = self._links.get((group, name))
        if link is not None and link.plain.secret_names():
            self._drop((group, name))

    def blame(self, name: str, error: PenstockError, group: str = DEFAULT, met: Met | None = None) -> None:
        """Count what a server did wrong outside of a call."""
        if (moved := self.standing(name, group).breaker.ended(False)) is not None and met is not None:
            met(name, moved)

    async def tools(self, server: str, group: str = DEFAULT, again: bool = False, met: Met | None = None) -> list[Tool]:
        """The server's tools; `again` asks for them although they are known. Raises NotFound `tool.no_server`, Unavailable."""
        await self.fresh(group)
        standing = self.standing(server, group)
        link = self._links.get((group, standing.config.name))
        if not again and link is not None and not link.session.closed and link.session.listed is not None:
            standing.tools = dict(link.session.listed)
            return list(standing.tools.values())
        async with self._noted(standing, group, met, proof=False):
            link = await self._link(server, group)
            began = time.perf_counter()
            try:
                standing.tools = await link.session.tools(again)
            except PenstockError as error:
                link.redaction.error(error)
                raise
            standing.took(time.perf_counter() - began)
            standing.protocol = link.session.protocol_version
        return list(standing.tools.values())

    async def catalog(self, group: str = DEFAULT, seconds: float = CATALOG) -> list[Standing]:
        """Every server that is switched on, with its tools where they are known. Those whose tools are not known are asked,
        all at the same time; who does not answer within `seconds` goes without."""
        await self.fresh(group)
        found = [self.standing(config.name, group) for config in self.configs(group) if config.enabled]
        asked = [self.discovery.ask(one.config, group) for one in found if one.tools is None]
        if asked:
            await asyncio.wait(asked, timeout=seconds)
        return found

    async def tool(self, server: str, name: str, group: str = DEFAULT, met: Met | None = None) -> Tool:
        """One tool. Raises NotFound `tool.no_server`, `tool.unknown`, Unavailable."""
        known = {tool.name: tool for tool in await self.tools(server, group, met=met)}
        found = same_spelling(name, known)
        if found is None:
            where = self.config(server, group).name
            raise NotFound(f"server {where!r} has no tool {name!r}{nearest(name, known)}", code="tool.unknown")
        return known[found]

    def repeats(self, server: str, tool: Tool, group: str = DEFAULT) -> bool:
        """Whether a call of this tool may be made again when nobody knows if it was made."""
        return repeats(self.config(server, group), tool)

    async def call(
        self,
        server: str,
        tool: str,
        arguments: dict[str, Any] | None = None,
        seconds: float | None = None,
        *,
        key: str | None = None,
        group: str = DEFAULT,
        met: Met | None = None,
        insist: bool = True,
    ) -> Any:
        """One call; its structured result as plain JSON. `seconds` limits it, by default the server's own limit; `key`
        goes along as an idempotency key; `met` hears of a breaker that moves. Errors: see `Connection.call`, and Unavailable
        `tool.circuit_open`, `tool.rate_limited`, `tool.busy`. When the session turns out to be dead, a call that never left,
        or that may be repeated, is made once more over a new one if `insist`; any other fails. `session.Unreached` and
        `session.Repeatable` say that it may be made elsewhere.
        """
        await self.fresh(group)
        standing = self.standing(server, group)
        limit = standing.config.timeout_seconds if seconds is None else seconds
        await self._turn(standing, limit)
        try:
            async with asyncio.timeout(limit):
                await standing.places.acquire()
        except TimeoutError:
            message = f"server {standing.config.name!r} is busy with {standing.config.parallel} calls"
            raise Unreached(message, code="tool.busy") from None
        try:
            async with self._noted(standing, group, met):
                began = time.perf_counter()
                try:
                    result = await self._made(server, tool, arguments or {}, limit, key, group, insist)
                finally:
                    spent = time.perf_counter() - began
        finally:
            standing.places.release()
        seen = standing.seen.setdefault(tool, Seen())
        seen.add(spent, len(json.dumps(result)) if seen.calls % MEASURED == 0 else 0)
        return result

    async def _turn(self, standing: Standing, limit: float) -> None:
        """Wait until the server's rate allows a call."""
        now = self._clock()
        wait = standing.rate.wait(now)
        if wait <= 0:
            standing.rate.take(now)
            return
        if wait > min(PATIENCE, limit):
            message = f"server {standing.config.name!r} takes its next call in {wait:.0f} s"
            raise Unreached(message, code="tool.rate_limited", detail={"retry_after": round(wait, 3)})
        await asyncio.sleep(standing.rate.take(now))

    async def _made(
        self, server: str, tool: str, arguments: dict[str, Any], limit: float, key: str | None, group: str, insist: bool
    ) -> Any:
        for last in (False, True) if insist else (True,):
            link = await self._link(server, group)
            try:
                return link.redaction.clean(await link.session.call(tool, arguments, limit, key))
            except PenstockError as error:
                link.redaction.error(error)
                if last or not isinstance(error, Repeatable):
                    raise
        raise AssertionError("the second time ends it")

    # ------------------------------------------------------------------------------------------------------ health

    async def probe(self, server: str, group: str = DEFAULT) -> dict[str, Any]:
        """Ask a server for its tools: {server, protocol, tools, milliseconds}. Raises as `tools` does."""
        began = time.perf_counter()
        name = self.config(server, group).name
        tools = await self.tools(name, group, again=True)
        spent = round((time.perf_counter() - began) * 1000, 1)
        names = sorted(tool.name for tool in tools)
        return {
            "server": name,
            "protocol": self.standing(name, group).protocol,
            "tools": names,
            "milliseconds": spent,
        }

    async def probe_due(self) -> None:
        """Look at each server whose turn it is, all at the same time. One that is started by us and was never used is left
        alone: to look at it would be to start it."""
        now = self._clock()
        due = []
        for group in self._sources.groups():
            await self.fresh(group)
            for config in self.configs(group):
                key = (group, config.name)
                if not config.enabled or key in self._looks:
                    continue
                standing = self.standing(config.name, group)
                used = standing.health != "unknown" or config.transport == "http"
                if used and standing.next_probe <= now and standing.breaker.wait == 0:
                    self._looks[key] = task = self.aside(self._look_at(key, standing))
                    due.append(task)
        if due:
            await asyncio.wait(due, timeout=TICK)

    async def _look_at(self, key: tuple[str, str], standing: Standing) -> None:
        try:
            await self.probe(standing.config.name, key[0])
        except PenstockError as error:
            standing.ill(error.message)
        finally:
            standing.probed(self._chance())
            self._looks.pop(key, None)

    async def probe_forever(self) -> None:
        """Keep looking whether the servers are well, until cancelled."""
        while True:
            await self.probe_due()
            await asyncio.sleep(TICK)

    def standings(self) -> dict[str, Standing]:
        """What is known of every server that was dealt with; those of other groups as GROUP/NAME."""
        return {
            name if group == DEFAULT else f"{group}/{name}": standing
            for (group, name), standing in sorted(self._standings.items())
        }

    def breakers(self) -> dict[str, dict[str, Any]]:
        """Each breaker's state by server: {state, failures, opened_at}."""
        return {name: standing.breaker.to_dict() for name, standing in self.standings().items()}

    async def aclose(self) -> None:
        """Close every session and wait for the children to be gone."""
        self._closed = True
        for task in self._looks.values():
            task.cancel()
        links = list(self._links.values())
        self._links.clear()
        await asyncio.gather(*(link.session.close() for link in links))
        while self._aside:
            await asyncio.gather(*self._aside, return_exceptions=True)


def _mcp(group: str, config: ServerConfig) -> Session:
    if config.transport == "worker":
        raise Unavailable("this process cannot reach remote workers", code="tool.server_broken")
    return Connection(config)
