"""What is known of a server from dealing with it: whether it is well, how busy and how fast it is, what it offers.

Health follows what was seen: an answer of any kind shows that somebody is there; a session that could not be opened or that
ended by itself shows that nobody is. A single call that takes too long says nothing of health, but counts in the breaker.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..breaker import Breaker
from ..ports import Clock
from .config import ServerConfig
from .rate import Rate

if TYPE_CHECKING:
    from .client import Tool

RECENT = 0.3  # weight of the newest measurement in a moving average
PROBE = 30.0  # seconds between looks at a server that is well
SOON = 2.0  # seconds to the first look at one that is not; each further one takes twice as long
RARELY = 120.0
FAULTS = frozenset(
    {
        "tool.server_died",
        "tool.server_broken",
        "tool.timeout",
        "tool.bad_result",
        "tool.result_too_large",
        "tool.changed",
        "tool.false_claim",
    }
)
ANSWERS = frozenset({"tool.error", "tool.needs_input", "tool.refused"})
GONE = frozenset({"tool.server_died", "tool.server_broken"})


@dataclass(slots=True)
class Seen:
    """Moving averages of one tool's calls: seconds, and bytes of JSON."""

    calls: int = 0
    seconds: float = 0.0
    bytes: float = 0.0

    def add(self, seconds: float, size: int) -> None:
        """A call went well; `size` 0 where it was not measured."""
        weight = RECENT if self.calls else 1.0
        self.calls += 1
        self.seconds += weight * (seconds - self.seconds)
        if size:
            self.bytes += (RECENT if self.bytes else 1.0) * (size - self.bytes)


@dataclass(slots=True)
class Standing:
    """One server's. Times are seconds since the epoch; `latency` is that of listing its tools, in seconds."""

    config: ServerConfig
    clock: Clock
    breaker: Breaker = field(init=False)
    rate: Rate = field(init=False)
    places: asyncio.Semaphore = field(init=False)
    health: str = "unknown"
    error: str = ""
    checked_at: float | None = None
    latency: float | None = None
    protocol: str | None = None
    under_way: int = 0
    tools: dict[str, Tool] | None = None
    seen: dict[str, Seen] = field(default_factory=dict)
    next_probe: float = 0.0
    failed_probes: int = 0

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.config.name, self.clock)
        self.rate = Rate(self.config.per_second, self.config.per_minute)
        self.places = asyncio.Semaphore(self.config.parallel)

    @property
    def load(self) -> float:
        return min(1.0, self.under_way / self.config.parallel)

    def well(self) -> None:
        """It answered."""
        if self.checked_at is None:
            self.next_probe = self.clock() + PROBE
        self.health, self.error, self.checked_at, self.failed_probes = "healthy", "", self.clock(), 0

    def ill(self, why: str) -> None:
        """Nobody is there. Its probes start anew, soon."""
        if self.health != "unhealthy":
            self.failed_probes = 0
            self.next_probe = min(self.next_probe, self.clock() + SOON)
        self.health, self.error, self.checked_at = "unhealthy", why.partition("\n")[0][:300], self.clock()

    def took(self, seconds: float) -> None:
        self.latency = seconds if self.latency is None else self.latency + RECENT * (seconds - self.latency)

    def probed(self, chance: float) -> None:
        """Say when the next look is due; `chance` (0 to 1) spreads the looks of many servers."""
        wait = PROBE
        if self.health == "unhealthy":
            wait = min(RARELY, SOON * 2**self.failed_probes)
            self.failed_probes += 1
        self.next_probe = self.clock() + wait * (0.75 + chance / 2)

    def to_dict(self) -> dict[str, Any]:
        """For people and metrics: {health, error, checked_at, latency_ms, protocol, under_way, breaker}."""
        return {
            "health": self.health,
            "error": self.error or None,
            "checked_at": self.checked_at,
            "latency_ms": None if self.latency is None else round(self.latency * 1000, 1),
            "protocol": self.protocol,
            "under_way": self.under_way,
            "breaker": self.breaker.to_dict(),
        }
