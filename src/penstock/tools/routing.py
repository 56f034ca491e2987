"""Which server does it: the pure half of routing.

Out fall those that lack something, must not be used, or whose breaker is open. The rest are in tiers: ready; ready once their
rate allows it; unhealthy, as a last resort; fallbacks, which need consent, behind all others. Within a tier counts, in this order:
preference (the step's own list, then the server's priority), whether the names were spelled as asked, health, load, light before
heavy, and how fast it answered lately; the name breaks a tie. The score says all of this in one number: a thousand for each
step of preference, 400 for the spelling, 200 for health, up to 90 for idleness, 5 for being light, under 5 for speed; each tier
below the first divides it by ten, and 0 means that it cannot be chosen. So the scores alone are the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .config import same_spelling

LOOKED_AT = 40  # candidates that a journal names


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step asks for. `server` is one by name; `prefer` names servers, the best first; `patience` is how long (seconds) a
    server's rate may make it wait."""

    capabilities: tuple[str, ...] = ()
    tool: str | None = None
    server: str | None = None
    prefer: tuple[str, ...] = ()
    fallback: str | None = None  # ask, allowed or denied; None leaves it to the server's own setting
    patience: float = 60.0

    def __str__(self) -> str:
        return ", ".join(self.capabilities) if self.capabilities else f"a tool {self.tool!r}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server that may do it, as it is now; and, once ranked, its `score` and the `reason` for it. Times are seconds."""

    server: str
    tool: str = ""
    lacks: tuple[str, ...] = ()
    out: str = ""  # why it must not be used, if so
    exact: bool = True
    health: str = "unknown"
    ill: str = ""  # what was wrong when it was unhealthy
    breaker_wait: float = 0.0
    rate_wait: float = 0.0
    load: float = 0.0  # 0 to 1
    heavy: bool = False
    latency: float | None = None
    priority: int = 3
    fallback: bool = False
    consent: bool | None = None  # None: somebody has to be asked
    score: float = 0.0
    reason: str = ""

    def to_dict(self, chosen: bool = False) -> dict[str, Any]:
        """As the journal has it: {server, tool, score, chosen, reason}."""
        return {
            "server": self.server,
            "tool": self.tool,
            "score": self.score,
            "chosen": chosen,
            "reason": self.reason,
        }


def rank(candidates: Iterable[Candidate], wanted: Wanted) -> list[Candidate]:
    """All of them with score and reason, the best first; those that cannot be chosen come last."""
    return sorted((_scored(one, wanted) for one in candidates), key=lambda one: (-one.score, one.server))


def shown(ranked: Sequence[Candidate], chosen: str = "") -> list[dict[str, Any]]:
    """The candidates as a journal has them, no more than `LOOKED_AT`."""
    return [one.to_dict(one.server == chosen) for one in ranked[:LOOKED_AT]]


def _scored(one: Candidate, wanted: Wanted) -> Candidate:
    if why := _refusal(one, wanted):
        return replace(one, score=0.0, reason=why)
    preference, reasons = _preference(one, wanted)
    score = 1000.0 * preference
    score += 400 if one.exact else 0
    score += {"healthy": 200, "unknown": 100}.get(one.health, 0)
    score += 90 - 10 * min(9, int(max(0.0, one.load) * 10))
    score += 0 if one.heavy else 5
    score += 2.5 if one.latency is None else 4.9 / (1 + max(0.0, one.latency))
    reasons.append("named as it is" if one.exact else "named with another spelling")
    reasons.append(f"unhealthy ({one.ill}): a last resort" if one.health == "unhealthy" else one.health)
    reasons.append(f"load {one.load:.0%}")
    reasons.append("heavy" if one.heavy else "light")
    if one.latency is not None:
        reasons.append(f"{one.latency * 1000:.0f} ms")
    if one.rate_wait > 0:
        reasons.append(f"its rate allows the next call in {one.rate_wait:.1f} s")
    if one.fallback:
        reasons.append("a fallback, allowed" if one.consent else "a fallback, which needs consent")
    tier = _tier(one)
    return replace(one, score=round(score / 10**tier, 3 + tier), reason="; ".join(reasons))


def _refusal(one: Candidate, wanted: Wanted) -> str:
    if one.out:
        return one.out
    if one.lacks:
        return f"does not offer {', '.join(one.lacks)}"
    if one.breaker_wait > 0:
        ill = f" ({one.ill})" if one.ill else ""
        return f"left alone for {one.breaker_wait:.0f} s more after failures in a row{ill}"
    if one.rate_wait > wanted.patience:
        return f"its rate allows the next call only in {one.rate_wait:.0f} s"
    if one.fallback and one.consent is False:
        return "a fallback, which must not be used"
    return ""


def _preference(one: Candidate, wanted: Wanted) -> tuple[int, list[str]]:
    """1 to 9: up to 6 is a server's own priority, above is what the step prefers."""
    named = same_spelling(one.server, wanted.prefer)
    if wanted.server is None and named is None:
        return one.priority, [f"priority {one.priority}"]
    place = wanted.prefer.index(named) if named is not None else 0
    return 9 - min(place, 2), ["the server that is named" if wanted.server else f"preferred (place {place + 1})"]


def _tier(one: Candidate) -> int:
    well = one.health != "unhealthy"
    if one.fallback:
        return 3 if well and one.rate_wait <= 0 else 4
    if not well:
        return 2
    return 1 if one.rate_wait > 0 else 0
