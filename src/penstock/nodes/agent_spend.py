"""What a request to a model may cost: asked for before it is made, at most what is left, and put right after.

Nobody knows before the answer how long it will be. So as much is reserved as it may be long at most, and where something
bounds what may be spent, the request itself says so to the provider: then what is reserved is what it can come to. When that
much is not left, a shorter answer is asked for, down to one that is hardly any.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from ..errors import Refused
from ..models.port import Reply, Request, Results, Usage
from ..models.prices import Prices
from ..ports import StepContext

EXPECTED = 256  # tokens of an answer that are reserved when nobody says how long it may be, and nothing bounds it
LONGEST = 4_096  # tokens of an answer where something does
SHORTEST = 16  # tokens below which there is no answer to be had
CHARACTERS = 3  # of a token, at least, in what is sent: an estimate on the safe side


class Reservation:
    """Money and tokens for one request. `request` is the one to make: its answer may be shorter than what was asked for."""

    def __init__(self, step: StepContext, prices: Prices, model: str, request: Request) -> None:
        self._step, self._prices, self._model = step, prices, model
        self.request = request
        self._key = ""
        self._asked: dict[str, Any] = {}

    async def take(self) -> None:
        """Raises Refused `limit.…`: then the request is not to be made."""
        request = self.request
        if request.max_tokens is None and self._step.limits:
            request = replace(request, max_tokens=LONGEST)
        for last in (False, True):
            usage = estimate(request)
            self._asked = cost_of(self._prices, self._model, usage)
            try:
                self._key = await self._step.spend(**self._asked, iterations=1)
            except Refused as refused:
                fits = None if last else self._fitting(refused, request)
                if fits is None:
                    raise
                request = replace(request, max_tokens=fits)
            else:
                self.request = request if self._step.limits else self.request
                return

    def _fitting(self, refused: Refused, request: Request) -> int | None:
        """How long an answer may be, in tokens, with what is left; None when that is too little."""
        detail = refused.detail if isinstance(refused.detail, dict) else {}
        usage = estimate(request)
        try:
            left = Decimal(str(detail.get("left")))
        except InvalidOperation:
            return None
        if detail.get("limit") == "tokens":
            most = int(left) - usage.input_tokens
        elif detail.get("limit") == "usd":
            fixed = self._prices.cost(self._model, replace(usage, output_tokens=0))
            whole = self._prices.cost(self._model, replace(usage, output_tokens=1_000_000))
            if fixed is None or whole is None or whole <= fixed:
                return None
            most = int((left - fixed) * 1_000_000 / (whole - fixed))
        else:
            return None
        return most if SHORTEST <= most < usage.output_tokens else None

    def give_back(self) -> None:
        """The request failed: what it would have cost is there for others; that it was made counts."""
        self._step.settle(self._key, iterations=1)

    def settle(self, usage: Usage) -> dict[str, Any]:
        """What it came to, as far as it was reserved; returns what goes beyond, which providers that take no bound can do."""
        cost = cost_of(self._prices, self._model, usage)
        amounts = {n: (Decimal(str(amount)), Decimal(str(self._asked.get(n, 0)))) for n, amount in cost.items()}
        self._step.settle(
            self._key, iterations=1, **{n: format(min(used, asked), "f") for n, (used, asked) in amounts.items()}
        )
        return {n: format(used - asked, "f") for n, (used, asked) in amounts.items() if used > asked}


def cost_of(prices: Prices, model: str, usage: Usage) -> dict[str, Any]:
    """As a step spends it; without usd where the price is unknown, which no limit of usd lets pass."""
    cost = prices.cost(model, usage)
    return {"tokens": usage.total} if cost is None else {"tokens": usage.total, "usd": format(cost, "f")}


def estimate(request: Request) -> Usage:
    """Tokens a request will take, as far as one can say before it is made."""
    size = len(request.system) + sum(len(t.description) + len(orjson.dumps(t.parameters)) for t in request.tools)
    for turn in request.turns:
        if isinstance(turn, Results):
            size += sum(len(result.text) for result in turn.results)
        else:
            size += len(turn.text)
        if isinstance(turn, Reply):
            size += sum(len(orjson.dumps(call.arguments)) for call in turn.calls)
    return Usage(size // CHARACTERS + 16, request.max_tokens or EXPECTED)
