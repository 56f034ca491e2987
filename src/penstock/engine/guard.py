"""What a run may spend, asked before anything is dispatched and before each call.

Money and tokens are exact decimals. A limit is inclusive: the last unit may be used, the next one may not. What is asked for
is added to what is reserved and spent already; if the sum passes the limit, nothing happens and the refusal names the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ..errors import Invalid
from .document import COSTS, Limits

if TYPE_CHECKING:
    from .document import Node
    from .news import Room
    from .state import RunState, Step

TEST_RUN = Limits(tokens=1000, seconds=60.0, iterations=5)
STEPS = 50_000  # activations of a run that sets no limit of its own: a runaway ends, honest work does not notice
PARALLEL = 1_000  # steps of one run in flight at once
DELIVERIES = 10  # sendings of one attempt: a step whose executor dies this often is what kills it


def limits_for(document: Limits, asked: Mapping[str, Any] | None, mode: str) -> Limits:
    """The limits of a run: the strictest of the document's, those asked for, and the mode's."""
    limits = document
    if asked:
        limits = limits.merge(Limits.from_dict(dict(asked)))
    if mode == "test_run":
        limits = limits.merge(TEST_RUN)
    return limits


def steps_left(state: RunState) -> int:
    """How many more activations this run may have."""
    return (state.limits.steps or STEPS) - state.steps_used


def out_of_steps(state: RunState) -> dict[str, Any]:
    limit = state.limits.steps or STEPS
    return _over("steps", limit, f"this run has used all of its {limit} steps")


def room(state: RunState) -> int:
    """How many more steps may be in flight now."""
    return (state.limits.parallel or PARALLEL) - state.in_flight


def may_begin_again(state: RunState) -> dict[str, Any] | None:
    limit = state.limits.iterations
    if limit is not None and state.iterations + 1 > limit:
        return _over("iterations", limit, f"this run has used all of its {limit} iterations")
    return None


def read_cost(cost: Mapping[str, Any]) -> dict[str, Decimal]:
    """Amounts by name. Raises Invalid, code `spend.invalid`, for an unknown name, a negative or a non-number."""
    out: dict[str, Decimal] = {}
    for name, amount in cost.items():
        if name not in COSTS:
            raise Invalid(f"spend: unknown cost {name!r}; known: {', '.join(COSTS)}", code="spend.invalid")
        try:
            value = Decimal(str(amount))
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or value < 0:
            raise Invalid(f"spend: {name} must be a number of at least 0, not {amount!r}", code="spend.invalid")
        out[name] = value
    return out


def bounds(state: RunState, node: Node) -> dict[str, Any]:
    """What bounds a step's spending, by level, for those who want to ask for no more than there can be."""
    if node.limits is None and not state.limits.costs:
        return {}
    of_node = node.limits or Limits()
    levels = {
        "call": (of_node.call or Limits()).merge(state.limits.call),
        "step": of_node.merge(state.limits.step),
        "run": state.limits,
    }
    shown = {level: {n: v for n, v in limits.to_dict().items() if n in COSTS} for level, limits in levels.items()}
    return {level: limits for level, limits in shown.items() if limits}


def tree_of(state: RunState) -> dict[str, Any] | None:
    """What bounds a run together with all that it begins: {run, limits}; None where nothing does."""
    limits = {n: v for n, v in state.limits.to_dict().items() if n in COSTS}
    return {"run": state.run_id, "limits": limits} if limits else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """`level`: whose limit it is: call, step, run, workflow or group; `per`: its period, where it has one."""

    level: str
    limit: str
    asked: Decimal | None  # None: nobody knows how much it costs
    left: Decimal
    per: str | None = None


def may_spend(state: RunState, step: Step, cost: Mapping[str, Decimal], rooms: Sequence[Room] = ()) -> Refusal | None:
    """None, or the first limit that `cost` would pass: from the narrowest, a call's, to those that runs share."""
    nothing: dict[str, Decimal] = {name: Decimal(0) for name in COSTS}
    of_node = state.workflow.nodes[step.node].limits or Limits()
    within = of_node.merge(state.limits.step)
    priceless = "tokens" in cost and "usd" not in cost  # what costs nobody knows how much is not free
    levels: tuple[tuple[str, Limits, Mapping[str, Decimal]], ...] = (
        ("call", (of_node.call or Limits()).merge(state.limits.call), nothing),
        ("step", within, step.spent or nothing),
        ("run", state.limits, {"tokens": state.tokens, "usd": state.usd, "iterations": Decimal(state.iterations)}),
    )
    for level, limits, used in levels:
        for name, amount in cost.items():
            limit = getattr(limits, name)
            if limit is not None and used[name] + amount > Decimal(str(limit)):
                return Refusal(level, name, amount, max(Decimal(str(limit)) - used[name], Decimal(0)))
        if priceless and limits.usd is not None:
            return Refusal(level, "usd", None, max(limits.usd - used["usd"], Decimal(0)))
    for room in rooms:
        if priceless and room.limit == "usd":
            return Refusal(room.level, "usd", None, max(room.most - room.used, Decimal(0)), room.per)
        amount = cost.get(room.limit)
        if amount is not None and room.used + amount > room.most:
            return Refusal(room.level, room.limit, amount, max(room.most - room.used, Decimal(0)), room.per)
    return None


def about(state: RunState) -> dict[str, Any]:
    """What a step, and the policies of its run, are told of the run."""
    return {
        "workflow": state.workflow.name,
        "version": state.version,
        "mode": state.mode,
        "actor": state.actor,
        "tokens": int(state.tokens),
        "usd": format(Decimal(state.usd), "f"),
    }


def out_of_time(seconds: float) -> dict[str, Any]:
    return _over("seconds", seconds, f"this run has used all of its {seconds:g} seconds")


def _over(name: str, limit: Any, message: str) -> dict[str, Any]:
    return {"code": f"limit.{name}", "message": message, "detail": {"limit": str(limit)}}
