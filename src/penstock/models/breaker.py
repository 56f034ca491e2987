"""A circuit breaker: when a model has failed several times in a row, nobody asks it for a while, and then one does.

Closed, it lets every request through. `FAILURES` failures in a row open it: requests are refused without being made. After
`PAUSE` seconds it is half open: one request goes through; its success closes the breaker, its failure opens it again. Only
failures of the provider count: being told that a request is wrong, or to wait, shows that somebody is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Unavailable
from ..ports import Clock

FAILURES = 5
PAUSE = 30.0  # seconds


@dataclass(slots=True)
class Breaker:
    """One for each provider and model."""

    name: str
    clock: Clock
    failures: int = 0
    opened_at: float | None = None
    probing: bool = False

    @property
    def state(self) -> str:
        if self.opened_at is None:
            return "closed"
        return "half_open" if self.clock() - self.opened_at >= PAUSE else "open"

    def enter(self) -> None:
        """Before a request. Raises Unavailable `model.circuit_open`. Follow it with exactly one of `ended` and `left`."""
        state = self.state
        if state == "closed":
            return
        if state == "open" or self.probing:
            left = max(0.0, PAUSE - (self.clock() - (self.opened_at or 0.0)))
            raise Unavailable(
                f"{self.name} failed {self.failures} times in a row and is left alone for {left:.0f} s more",
                code="model.circuit_open",
                detail={"retry_after": round(left, 3)},
            )
        self.probing = True

    def ended(self, well: bool) -> None:
        """The provider answered (`well`), or failed."""
        self.probing = False
        if well:
            self.failures, self.opened_at = 0, None
            return
        self.failures += 1
        if self.failures >= FAILURES:
            self.opened_at = self.clock()

    def left(self) -> None:
        """The request was given up by the one who made it: that says nothing about the provider."""
        self.probing = False

    def to_dict(self) -> dict[str, Any]:
        """For metrics: state, failures in a row, and when it opened (seconds since the epoch)."""
        return {"state": self.state, "failures": self.failures, "opened_at": self.opened_at}
