"""The way of one call: chosen once, kept, and chosen anew only when the server that was chosen is of no use.

Each choice is kept under `route`, `route:2` …, and that one was left under `route/left`, so a step that goes on after a crash, a
retry or a question goes on with the last of them; what failed in an earlier attempt may be tried again. Before a choice stands
the server has been reached, so a server that is gone is found out here and not by the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..engine.events import BreakerMoved, ConsentGiven, RouteChosen
from ..errors import NotFound, PenstockError, Refused
from ..ports import StepContext, Wait
from ..tools.client import Tool as RemoteTool
from ..tools.registry import Servers
from ..tools.routing import Candidate, Wanted, shown
from ..tools.session import Repeatable, Unreached
from ..tools.standing import FAULTS

PROMPT = 1.5  # seconds for a known server to be reached while others could do it
MOST = 20  # servers that one call tries
ALLOW, DENY = "allow", "deny"

T = TypeVar("T")


class _NotKept(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Route:
    """`reads`: the tool only reads. `repeats`: a call may be made again. `alone`: nobody else could do it. `fresh`: chosen just
    now, so no call was made yet."""

    number: int
    server: str
    tool: str
    reads: bool
    repeats: bool
    alone: bool
    fresh: bool


class Router:
    """The choices of one step."""

    def __init__(self, servers: Servers, step: StepContext, wanted: Wanted) -> None:
        self._servers, self._step, self._wanted = servers, step, wanted
        self.tried: dict[str, str] = {}

    def met(self, server: str, state: str) -> None:
        """A breaker moved under this step: the journal says so."""
        self._step.record(BreakerMoved(self._step.step_id, f"server {server}", state))

    async def first(self) -> Route:
        """The server to call: the last that was chosen, if the step was under way before."""
        route = await self._chosen(1, None)
        while not route.fresh and (left := await self.kept(_left(route.number))) is not None:
            if left["attempt"] == self._step.attempt:
                self.tried[route.server] = left["why"]
            route = await self._chosen(route.number + 1, None)
        return route

    async def another(self, last: Route, error: PenstockError) -> Route:
        """Another server than the last, after its failure. Raises that failure when there is none."""
        self._blame(last.server, error)

        async def left() -> dict[str, Any]:
            return {"attempt": self._step.attempt, "why": self.tried[last.server]}

        await self._step.once(_left(last.number), left)
        return await self._chosen(last.number + 1, error)

    async def follow(self, call: Callable[[Route], Awaitable[T]]) -> T:
        """The call's result, from the first server that can be asked and, where that does no harm, from another after it.
        Raises what it came to at the last one."""
        route = await self.first()
        while True:
            await self._step.note(f"{route.server}/{route.tool}")
            try:
                return await call(route)
            except PenstockError as error:
                if len(self.tried) >= MOST or not _elsewhere(error, route):
                    raise
                route = await self.another(route, error)

    async def kept(self, key: str) -> Any:
        """What the step has kept under `key`, or None."""

        async def never() -> Any:
            raise _NotKept

        try:
            return await self._step.once(key, never)
        except _NotKept:
            return None

    async def _chosen(self, number: int, failure: PenstockError | None) -> Route:
        made: list[dict[str, Any]] = []

        async def choose() -> dict[str, Any]:
            made.append(await self._choose(_key(number), failure))
            return made[0]

        return _route(number, await self._step.once(_key(number), choose), bool(made))

    async def _choose(self, key: str, failure: PenstockError | None) -> dict[str, Any]:
        step, group = self._step, self._step.group
        while True:
            ranked = await self._servers.discovery.ranked(self._wanted, group, self.tried)
            best = ranked[0] if ranked and ranked[0].score > 0 else None
            if best is None:
                refusal = self._servers.discovery.refusal(self._wanted, group, ranked)
                raise refusal if failure is None or isinstance(refusal, Refused) else failure
            if best.fallback and not await self._consent(best):
                self.tried[best.server] = "no consent to use a fallback"
                failure = Refused(
                    f"only the fallback {best.server!r} is left for {self._wanted}, and there is no consent to use it",
                    code="tool.consent_denied",
                )
                continue
            alone = not any(one.score > 0 for one in ranked[1:])
            try:
                tool = await self._reach(best, alone)
            except PenstockError as error:
                self._blame(best.server, error)
                failure = error
                continue
            candidates = shown(ranked, best.server)
            step.record(RouteChosen(step.step_id, key, best.server, tool.name, candidates, best.fallback))
            repeats = self._servers.repeats(best.server, tool, group)
            kept = {"server": best.server, "tool": tool.name, "reads": tool.read_only}
            return {**kept, "repeats": repeats, "alone": alone}

    async def _reach(self, best: Candidate, alone: bool) -> RemoteTool:
        """The tool, as its server lists it. One that was used before is given little time when others could do it."""
        known = not alone and best.health != "unknown"
        try:
            async with asyncio.timeout(PROMPT if known else None):
                return await self._servers.tool(best.server, best.tool, self._step.group, self.met)
        except TimeoutError:
            message = f"server {best.server!r} could not be reached within {PROMPT:g} s"
            raise Unreached(message, code="tool.unreached") from None
        except NotFound as error:
            if error.code != "tool.unknown" or self._wanted.tool is not None:
                raise
            message = f"server {best.server!r} claims {self._wanted} and has no tool {best.tool!r}"
            lie = NotFound(message, code="tool.false_claim")
            self._servers.blame(best.server, lie, self._step.group, self.met)
            raise lie from None

    async def _consent(self, best: Candidate) -> bool:
        step, by, granted = self._step, "policy", best.consent
        if granted is None:
            answer = await step.wait_for(f"consent:{best.server}", Wait(ask=_question(best, self._wanted, self.tried)))
            granted, by = answer["decision"] == ALLOW, str(answer.get("by") or "nobody")
        step.record(ConsentGiven(step.step_id, best.server, granted, by))
        return granted

    def _blame(self, server: str, error: PenstockError) -> None:
        self.tried[server] = error.message.partition("\n")[0][:300]


def _elsewhere(error: PenstockError, route: Route) -> bool:
    """Whether the call may be made at another server. One that was chosen by an earlier delivery or attempt may have been
    made by it."""
    if route.repeats:
        return error.code in FAULTS or isinstance(error, Unreached | Repeatable)
    return route.fresh and isinstance(error, Unreached | Repeatable)


def _key(number: int) -> str:
    return "route" if number == 1 else f"route:{number}"


def _left(number: int) -> str:
    return f"{_key(number)}/left"


def _route(number: int, kept: dict[str, Any], fresh: bool) -> Route:
    return Route(number, kept["server"], kept["tool"], kept["reads"], kept["repeats"], kept.get("alone", True), fresh)


def _question(best: Candidate, wanted: Wanted, tried: dict[str, str]) -> dict[str, Any]:
    failed = "".join(f"\n- {server}: {why}" for server, why in tried.items())
    message = f"No other server can be used for {wanted} now.{failed}\n\n{best.server} is marked as a fallback: {best.reason}."
    return {
        "title": f"May the fallback {best.server} be used?",
        "message": message,
        "choices": [ALLOW, DENY],
        "comment": "optional",
        "on_timeout": DENY,
    }
