"""The breaker of a model: one for each provider and model. See `penstock.breaker`."""

from __future__ import annotations

from .. import breaker
from ..errors import Unavailable

FAILURES, PAUSE = breaker.FAILURES, breaker.PAUSE


class Breaker(breaker.Breaker):
    """It says no by raising."""

    __slots__ = ()

    def enter(self) -> None:
        """Before a request. Raises Unavailable `model.circuit_open`. Follow it with exactly one of `ended` and `left`."""
        if not self.try_enter():
            raise Unavailable(
                f"{self.name} failed {self.failures} times in a row and is left alone for {self.wait:.0f} s more",
                code="model.circuit_open",
                detail={"retry_after": round(self.wait, 3)},
            )
