"""What a run may spend, asked before anything is dispatched and before each call.

Money and tokens are exact decimals. A limit is inclusive: the last unit may be used, the next one may not. What is asked for
is added to what is reserved and spent already; if the sum passes the limit, nothing happens and the refusal names the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ..errors import Invalid
from .workflow import Limits

if TYPE_CHECKING:
    from .state import RunState

TEST_RUN = Limits(tokens=1000, seconds=60.0, iterations=5)
STEPS = 50_000  # activations of a run that sets no limit of its own: a runaway ends, honest work does not notice
PARALLEL = 1_000  # steps of one run in flight at once
DELIVERIES = 10  # sendings of one attempt: a step whose executor dies this often is what kills it
COSTS = ("tokens", "usd", "iterations")


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


def may_spend(state: RunState, cost: Mapping[str, Decimal]) -> tuple[str, Decimal, Decimal] | None:
    """None, or (limit, asked, left) of the first limit that `cost` would pass."""
    used = {"tokens": state.tokens, "usd": state.usd, "iterations": Decimal(state.iterations)}
    for name, amount in cost.items():
        limit = getattr(state.limits, name)
        if limit is not None and used[name] + amount > Decimal(str(limit)):
            return name, amount, Decimal(str(limit)) - used[name]
    return None


def out_of_time(seconds: float) -> dict[str, Any]:
    return _over("seconds", seconds, f"this run has used all of its {seconds:g} seconds")


def _over(name: str, limit: Any, message: str) -> dict[str, Any]:
    return {"code": f"limit.{name}", "message": message, "detail": {"limit": str(limit)}}
