"""Who can do what is asked for, now: candidates from what servers declare, list, and were seen to do.

A server that declares its capabilities is taken at its word. One that declares none is asked for its tools, which may name some;
all of them are asked at the same time and only while nobody else who is ready offers it, so that a slow one delays nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import NotFound, PenstockError, Refused, Unavailable
from .client import nearest
from .config import ServerConfig, same_spelling
from .routing import Candidate, Wanted, rank, shown

if TYPE_CHECKING:
    from .registry import Servers

UNASKABLE = "could not ask it: "
NOT_ASKED = "not asked what it offers: another does it"


class Discovery:
    """See the module. `tried` in the methods has the servers that must not be chosen (again), and why."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._asking: dict[tuple[str, str], asyncio.Task[PenstockError | None]] = {}

    def offered(self, config: ServerConfig, group: str) -> Mapping[str, str] | None:
        """Capability → tool, as declared, else as the tools said; None when they were not asked."""
        if config.capabilities or not config.enabled:
            return config.capabilities
        tools = self._servers.standing(config.name, group).tools
        return None if tools is None else {c: tool.name for tool in tools.values() for c in tool.capabilities}

    async def best(self, wanted: Wanted, group: str) -> Candidate:
        """The best of all that needs nobody's consent. Raises as `refusal` says."""
        ranked = await self.ranked(wanted, group, {})
        for one in ranked:
            if one.score > 0 and not (one.fallback and one.consent is None):
                return one
        raise self.refusal(wanted, group, ranked)

    async def ranked(self, wanted: Wanted, group: str, tried: Mapping[str, str], ask: bool = True) -> list[Candidate]:
        """Every server that offers some of it or could not be asked, the best first; without `ask` nobody is asked. Raises
        NotFound `tool.no_server`, `tool.unknown` for a server that is named and is not there."""
        await self._servers.fresh(group)
        if wanted.tool is None and not wanted.capabilities:
            raise NotFound(f"name a tool of server {wanted.server!r}, or a capability", code="tool.unknown")
        if wanted.server is not None:
            configs = [self._servers.config(wanted.server, group)]
        else:
            configs = [config for config in self._servers.configs(group) if config.enabled]
        found: dict[str, Candidate] = {}
        unasked = []
        for config in configs:
            if config.name not in tried and self._must_ask(config, wanted, group):
                unasked.append(config)
            elif (one := self._candidate(config, wanted, group, tried)) is not None:
                found[config.name] = one
        if not ask:
            return rank(found.values(), wanted)
        if unasked and _any_ready(found, wanted):
            found |= {c.name: self._bare(c, group, out=NOT_ASKED) for c in unasked}
        elif unasked:
            await self._ask_all(unasked, found, wanted, group, tried)
        return rank(found.values(), wanted)

    async def _ask_all(
        self,
        unasked: list[ServerConfig],
        found: dict[str, Candidate],
        wanted: Wanted,
        group: str,
        tried: Mapping[str, str],
    ) -> None:
        """Ask until one that is ready offers it, or all have answered."""
        waiting = {self.ask(config, group): config for config in unasked}
        while waiting and not _any_ready(found, wanted):
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                config = waiting.pop(task)
                if (error := task.result()) is not None:
                    if wanted.server is not None:
                        raise error
                    trouble = UNASKABLE + error.message.partition("\n")[0]
                    found[config.name] = self._bare(config, group, out=trouble)
                elif (one := self._candidate(config, wanted, group, tried)) is not None:
                    found[config.name] = one
        found |= {config.name: self._bare(config, group, out=NOT_ASKED) for config in waiting.values()}

    def ask(self, config: ServerConfig, group: str) -> asyncio.Task[PenstockError | None]:
        """Ask a server for its tools, once however many want to know; what comes of it is in its standing, or an error."""
        key = (group, config.name)
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = self._servers.aside(self._listed(config.name, group))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return task

    async def _listed(self, name: str, group: str) -> PenstockError | None:
        try:
            await self._servers.tools(name, group)
        except PenstockError as error:
            return error
        return None

    # -------------------------------------------------------------------------------------------------- candidates

    def _must_ask(self, config: ServerConfig, wanted: Wanted, group: str) -> bool:
        if wanted.capabilities and self.offered(config, group) is None:
            return True
        return wanted.tool is not None and self._servers.standing(config.name, group).tools is None

    def _candidate(
        self, config: ServerConfig, wanted: Wanted, group: str, tried: Mapping[str, str]
    ) -> Candidate | None:
        """None where it offers nothing of what is wanted, and was not named either."""
        offered = self.offered(config, group) or {}
        lacks = tuple(c for c in wanted.capabilities if same_spelling(c, offered) is None)
        exact = all(c in offered for c in wanted.capabilities)
        out = f"tried before: {tried[config.name]}" if config.name in tried else ""
        tool = wanted.tool or ""
        if lacks and len(lacks) == len(wanted.capabilities) and wanted.server is None:
            return None
        if wanted.tool is not None and not out:
            known = self._servers.standing(config.name, group).tools or {}
            named = same_spelling(wanted.tool, known)
            if named is None and wanted.server is None:
                return None
            out = "" if named else f"has no tool {wanted.tool!r}{nearest(wanted.tool, known)}"
            tool, exact = named or "", exact and named == wanted.tool
        elif wanted.capabilities and (named := same_spelling(wanted.capabilities[0], offered)) is not None:
            tool = offered[named]
        fields: dict[str, Any] = {"tool": tool, "lacks": lacks, "exact": exact, "out": out}
        fields["consent"] = _consent(config, wanted)
        return self._bare(config, group, **fields)

    def _bare(self, config: ServerConfig, group: str, **fields: Any) -> Candidate:
        servers = self._servers
        standing = servers.standing(config.name, group)
        if servers.ended(config.name, group) and standing.health == "healthy":
            standing.ill("its session ended")
        return Candidate(
            server=config.name,
            health=standing.health,
            ill=standing.error,
            breaker_wait=standing.breaker.wait,
            rate_wait=standing.rate.wait(standing.clock()),
            load=standing.load,
            heavy=config.weight == "heavy",
            latency=standing.latency,
            priority=config.priority,
            fallback=config.fallback,
            **fields,
        )

    # ----------------------------------------------------------------------------------------------------- refusal

    def refusal(self, wanted: Wanted, group: str, ranked: list[Candidate]) -> PenstockError:
        """Why nobody does it: NotFound `tool.no_server`, `tool.unknown` when nobody offers it; Unavailable `tool.no_server`
        when somebody who might could not be asked, `tool.unavailable` when those who offer it cannot be used now; Refused
        `tool.consent_denied` when only fallbacks are left that must not be used."""
        unasked = [(one.server, one.out) for one in ranked if one.out.startswith(UNASKABLE)]
        troubles = [f"could not ask {server}: {why.removeprefix(UNASKABLE)}" for server, why in unasked]
        fit = [one for one in ranked if one.tool and not one.lacks and not one.out]
        tried = [one for one in ranked if one.out.startswith("tried before")]
        if fit and all(one.fallback and one.consent is not True for one in fit):
            left = ", ".join(one.server for one in fit)
            message = f"only a fallback is left for {wanted} ({left}), and there is no consent to use it"
            return Refused(message, code="tool.consent_denied", detail={"candidates": shown(ranked)})
        if fit or tried:
            reasons = "; ".join(f"{one.server}: {one.reason}" for one in [*fit, *tried])
            detail: dict[str, Any] = {"candidates": shown(ranked)}
            if waits := [one.breaker_wait or one.rate_wait for one in fit]:
                detail["retry_after"] = round(max(0.0, min(waits)), 3)
            message = f"no server that offers {wanted} can be used now ({reasons})"
            return Unavailable(message, code="tool.unavailable", detail=detail)
        known = {c for config in self._servers.configs(group) if config.enabled for c in config.capabilities}
        if wanted.server is not None and not troubles:
            return self._not_there(wanted, group, ranked[0])
        hint = nearest(wanted.capabilities[0], known).replace("it has", "there are") if wanted.capabilities else ""
        if troubles:
            message = f"no reachable server offers {wanted}{hint} ({'; '.join(troubles)})"
            return Unavailable(message, code="tool.no_server")
        return NotFound(f"no server offers {wanted}{hint}", code="tool.no_server")

    def _not_there(self, wanted: Wanted, group: str, one: Candidate) -> NotFound:
        if one.lacks:
            offered = self.offered(self._servers.config(one.server, group), group) or {}
            hint = nearest(one.lacks[0], offered)
            return NotFound(f"server {one.server!r} does not offer {one.lacks[0]!r}{hint}", code="tool.no_server")
        return NotFound(f"server {one.server!r} {one.out}", code="tool.unknown")


def _any_ready(found: Mapping[str, Candidate], wanted: Wanted) -> bool:
    ranked = rank(found.values(), wanted)
    return bool(ranked) and ranked[0].score > 0 and not ranked[0].fallback and ranked[0].health != "unhealthy"


def _consent(config: ServerConfig, wanted: Wanted) -> bool | None:
    """Whether a fallback may be used: the operator's no always stands, else the step's word counts before the server's."""
    if "denied" in (config.consent, wanted.fallback):
        return False
    return True if (wanted.fallback or config.consent) == "allowed" else None
