"""A circuit breaker: who has failed several times in a row is left alone for a while, and then tried once.

Closed, it lets every request through. `FAILURES` failures in a row open it: requests are refused without being made. After
`PAUSE` seconds it is half open: one request goes through; its success closes the breaker, its failure opens it again. Only
failures of the other side count: being told that a request is wrong, or to wait, shows that somebody is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .ports import Clock

FAILURES = 5
PAUSE = 30.0  # seconds


@dataclass(slots=True)
class Breaker:
    """One for each thing that can fail by itself."""

    name: str
    clock: Clock
    failures: int = 0
    opened_at: float | None = None
    probing: bool = False
    most: int = FAILURES
    pause: float = PAUSE

    @property
    def state(self) -> str:
        """closed, open or half_open."""
        if self.opened_at is None:
            return "closed"
        return "half_open" if self.clock() - self.opened_at >= self.pause else "open"

    @property
    def wait(self) -> float:
        """Seconds until a request may be made; 0 when one may be made now. Half open, with one under way: the whole pause."""
        state = self.state
        if state == "closed" or (state == "half_open" and not self.probing):
            return 0.0
        if state == "half_open":
            return self.pause
        return max(0.0, self.pause - (self.clock() - (self.opened_at or 0.0)))

    def try_enter(self) -> bool:
        """Whether a request may be made now. After True follows exactly one of `ended` and `left`."""
        state = self.state
        if state == "open" or (state == "half_open" and self.probing):
            return False
        self.probing = state == "half_open"
        return True

    def ended(self, well: bool) -> str | None:
        """The other side answered (`well`), or failed. The state it is in now, if it was in another before."""
        was, tried = self.opened_at, self.probing
        self.probing = False
        if well:
            self.failures, self.opened_at = 0, None
            return None if was is None else "closed"
        self.failures += 1
        if self.failures < self.most and was is None:
            return None
        self.opened_at = self.clock()
        return "open" if was is None or tried else None

    def left(self) -> None:
        """The request was given up by the one who made it: that says nothing about the other side."""
        self.probing = False

    def to_dict(self) -> dict[str, Any]:
        """For metrics: state, failures in a row, and when it opened (seconds since the epoch)."""
        return {"state": self.state, "failures": self.failures, "opened_at": self.opened_at}
