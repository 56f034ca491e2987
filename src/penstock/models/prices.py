"""What a request costs: a dated table of dollars per million tokens, and exact arithmetic.

A model the table does not name has an unknown cost, which is None and never zero. An entry of the caller's replaces the
table's, so that a contract's own prices can be used. Some models cost more for long prompts: from the first token over a
threshold, the whole request is charged at the higher price, as providers do.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from ..errors import Invalid, Problem
from .port import Usage

MILLION = Decimal(1_000_000)
FIELDS = ("input", "output", "cached", "cache_write")
# Providers add the date of a snapshot to a model's name; the price is that of the name without it.
SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens. Without prices of their own, cached tokens and writes to the cache cost what input
    does. `above` holds (prompt tokens, price for longer prompts), ascending."""

    input: Decimal
    output: Decimal
    cached: Decimal
    cache_write: Decimal
    above: tuple[tuple[int, Price], ...] = ()

    def cost(self, usage: Usage) -> Decimal:
        price = self
        for threshold, higher in self.above:
            if usage.input_tokens > threshold:
                price = higher
        fresh = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        total = (
            fresh * price.input
            + usage.cached_tokens * price.cached
            + usage.cache_write_tokens * price.cache_write
            + usage.output_tokens * price.output
        )
        return total / MILLION


class Prices:
    """The table, with entries of the caller's before it: `{"provider:model": {"input": "1.25", "output": "10"}}`."""

    def __init__(self, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Raises Invalid `prices.invalid`, naming each entry that is wrong."""
        problems: list[Problem] = []
        self._own: dict[str, Price] = {}
        for name, row in (overrides or {}).items():
            try:
                self._own[name] = _price(row)
            except (KeyError, TypeError, ValueError, InvalidOperation) as error:
                text = f"{name}: needs `input` and `output`, numbers of at least 0 ({error})"
                problems.append(Problem("prices.invalid", text, f"/{name.replace('~', '~0').replace('/', '~1')}"))
        if problems:
            raise Invalid(problems[0].message, code="prices.invalid", problems=problems)

    @property
    def as_of(self) -> str:
        """The day the table was made, as YYYY-MM-DD."""
        return _table()["as_of"]

    def price(self, model: str) -> Price | None:
        """The price of `provider:model`, None when it is unknown."""
        if model.startswith("scripted:"):
            return _FREE
        for name in (model, SNAPSHOT.sub("", model)):
            if (own := self._own.get(name)) is not None:
                return own
            if (row := _table()["models"].get(name)) is not None:
                return _price(row)
        return None

    def cost(self, model: str, usage: Usage) -> Decimal | None:
        """US dollars of one request, exactly; None when the price is unknown."""
        price = self.price(model)
        return None if price is None else price.cost(usage)


@functools.cache
def _table() -> dict[str, Any]:
    return orjson.loads(importlib.resources.files("penstock.models").joinpath("prices.json").read_bytes())


def _price(row: Mapping[str, Any]) -> Price:
    if not isinstance(row, Mapping):
        raise TypeError("not an object")
    read = {name: Decimal(str(row[name])) for name in FIELDS if row.get(name) is not None}
    if unknown := set(row) - {*FIELDS, "above"}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if any(not value.is_finite() or value < 0 for value in read.values()):
        raise ValueError("below 0")
    base = Price(
        read["input"], read["output"], read.get("cached", read["input"]), read.get("cache_write", read["input"])
    )
    plain = {name: row[name] for name in FIELDS if row.get(name) is not None}
    above = sorted((int(start), _price({**plain, **higher})) for start, higher in (row.get("above") or {}).items())
    return Price(base.input, base.output, base.cached, base.cache_write, tuple(above)) if above else base


_FREE = Price(Decimal(0), Decimal(0), Decimal(0), Decimal(0))
