"""Limits that runs share: of a group, of a workflow, of a run and all that it began.

A run's own limits are in its journal, and the engine asks them there. These are not in any one journal: they are sums over
many, kept as rows that the journals' commits add to in the same transaction as the events that say so. Whoever asks for money
is first told how much of each sum is used, as far as that can be known; the engine refuses on that. Two who ask at the same
moment, in two processes, are told the same; then the bound on the row lets one commit, and the other one asks again.

A budget is {tokens?, usd?, iterations?, per: day | month}, under the name `group` or `workflow:SLUG`. Days are those of UTC, and
what a call came to belongs to the day on which it was asked for.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from .engine.document import COSTS, Limits
from .engine.news import Room
from .engine.state import RunState
from .errors import Invalid, Problem
from .ports import Charge, Clock, Usage

NANO = Decimal(1_000_000_000)
PERIODS = ("day", "month")
GROUP = "group"

Budgets = Callable[[str], Awaitable[Mapping[str, Mapping[str, Any]]]]  # of a group, by name


class Purse:
    """Asked by control alone: `rooms` before money is reserved, `charges` with each commit."""

    def __init__(self, usage: Usage, budgets: Budgets, clock: Clock) -> None:
        self.usage = usage
        self._budgets = budgets
        self._clock = clock
        self._known: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    async def rooms(self, state: RunState) -> list[Room]:
        """What is used, now, of every limit that this run shares with others."""
        budgets = self._known[state.group] = await self._budgets(state.group)
        wanted = [
            (level, (scope, period_of(budget["per"], self._clock())), budget["per"], Limits.from_dict(costs_of(budget)))
            for level, scope in _scopes(state)
            if (budget := budgets.get(scope)) is not None
        ]
        root, limits = _tree(state)
        if limits.costs:
            wanted.append(("run", (f"run:{root}", ""), None, limits))
        if not wanted:
            return []
        used = await self.usage.used(state.group, [place for _, place, _, _ in wanted])
        out: list[Room] = []
        for level, place, per, limits in wanted:
            tokens, nano, iterations = used.get(place, (0, 0, 0))
            amounts = {"tokens": Decimal(tokens), "usd": Decimal(nano) / NANO, "iterations": Decimal(iterations)}
            for cost in COSTS:
                if (most := getattr(limits, cost)) is not None:
                    out.append(Room(level, cost, Decimal(str(most)), amounts[cost], per))
        return out

    def charges(self, state: RunState) -> tuple[Charge, ...]:
        """What the events not yet committed add to each sum, with the bounds that `rooms` last saw."""
        budgets = self._known.get(state.group, {})
        root, limits = _tree(state)
        sums: dict[tuple[str, str], tuple[int, int, int]] = {}
        bounds: dict[tuple[str, str], tuple[int | None, int | None, int | None]] = {}
        for at, cost, sign in state.charges:
            tokens, nano, iterations = whole_of(cost)
            amounts = (sign * tokens, sign * nano, sign * iterations)
            for _, scope in _scopes(state):
                for per in PERIODS:
                    place = (scope, period_of(per, at))
                    _add(sums, place, amounts)
                    budget = budgets.get(scope)
                    if budget is not None and budget["per"] == per:
                        bounds[place] = bounds_of(Limits.from_dict(costs_of(budget)))
            if limits.costs:
                _add(sums, (f"run:{root}", ""), amounts)
                bounds[f"run:{root}", ""] = bounds_of(limits)
        free = (None, None, None)
        # In one order everywhere, so that two commits which add to the same rows never wait for each other.
        return tuple(
            Charge(*place, *amounts, bounds.get(place, free)) for place, amounts in sorted(sums.items()) if any(amounts)
        )

    async def close(self, state: RunState) -> None:
        """The sum of a run that is over, and of all it began, is needed no more."""
        if state.limits.costs:
            await self.usage.forget(state.group, f"run:{state.run_id}")


def check_budget(name: str, body: Any) -> dict[str, Any]:
    """A budget as it is kept. Raises Invalid, code `budget.invalid`, with every problem."""
    problems: list[Problem] = []
    if name != GROUP and not name.startswith("workflow:"):
        message = f"a budget is that of the group, or of a workflow: `group` or `workflow:SLUG`, not {name!r}"
        raise Invalid(message, code="budget.bad_name")
    if not isinstance(body, dict):
        raise Invalid("a budget is a mapping with usd, tokens or iterations, and per", code="budget.invalid")
    limits = {cost: body[cost] for cost in COSTS if body.get(cost) is not None}
    try:
        Limits.from_dict(limits)
    except Invalid as error:
        problems += error.problems or ()
    problems += [
        Problem("budget.invalid", f"a budget has no {key!r}", f"/{key}", "usd, tokens, iterations, per")
        for key in body
        if key not in (*COSTS, "per")
    ]
    if body.get("per", "day") not in PERIODS:
        problems.append(Problem("budget.invalid", "per is day or month", "/per"))
    if not limits:
        problems.append(Problem("budget.invalid", "a budget bounds something: usd, tokens or iterations", ""))
    if problems:
        raise Invalid(problems[0].message, code="budget.invalid", problems=problems)
    return {**limits, "per": body.get("per", "day")}


def period_of(per: str, at: float) -> str:
    """The day or month of a time, such as `2026-11-20`, in UTC."""
    text = datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d")
    return text if per == "day" else text[:7]


def whole_of(cost: Mapping[str, Any]) -> tuple[int, int, int]:
    """(tokens, nano, iterations), each rounded up."""
    tokens, usd, iterations = (Decimal(str(cost.get(name, 0))) for name in COSTS)
    return (
        int(tokens.to_integral_value(ROUND_CEILING)),
        int((usd * NANO).to_integral_value(ROUND_CEILING)),
        int(iterations),
    )


def bounds_of(limits: Limits) -> tuple[int | None, int | None, int | None]:
    nano = None if limits.usd is None else int(limits.usd * NANO)
    return limits.tokens, nano, limits.iterations


def costs_of(budget: Mapping[str, Any]) -> dict[str, Any]:
    return {name: budget[name] for name in COSTS if name in budget}


def _scopes(state: RunState) -> Sequence[tuple[str, str]]:
    """(level, scope); a budget has the name of its scope."""
    return (("group", GROUP), ("workflow", f"workflow:{state.workflow.name}"))


def _tree(state: RunState) -> tuple[str, Limits]:
    if state.tree is not None:
        return state.tree["run"], Limits.from_dict(state.tree["limits"])
    return state.run_id, state.limits


Sum = tuple[int, int, int]


def _add(sums: dict[tuple[str, str], Sum], place: tuple[str, str], amounts: Sum) -> None:
    known = sums.get(place, (0, 0, 0))
    sums[place] = (known[0] + amounts[0], known[1] + amounts[1], known[2] + amounts[2])
