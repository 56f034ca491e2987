"""What a provider's refusals and failures mean, in nouns of ours."""

from __future__ import annotations

from typing import Any

from ..errors import Invalid, PenstockError, Refused, TimedOut, Unavailable

SAID = 600  # characters of a provider's own words


def from_status(status: int, name: str, said: str, retry_after: float | None = None) -> PenstockError:
    """The error for an HTTP status. `said` is what the provider said, already without keys; `retry_after` in seconds."""
    said = said if len(said) <= SAID else said[:SAID] + " …"
    detail: dict[str, Any] = {"status": status}
    if retry_after is not None:
        detail["retry_after"] = retry_after
    match status:
        case 401 | 403:
            message = f"{name} does not accept the key: {said}"
            return Refused(message, code="model.bad_key", detail=detail)
        case 402:
            return Refused(f"{name}: the account has no credit: {said}", code="model.no_credit", detail=detail)
        case 404:
            return Invalid(f"there is no model {name} for this key: {said}", code="model.unknown", detail=detail)
        case 408 | 504:
            return TimedOut(f"{name} did not answer in time: {said}", code="model.timeout", detail=detail)
        case 429:
            return Unavailable(f"{name} allows no more requests now: {said}", code="model.rate_limited", detail=detail)
    if status >= 500:
        return Unavailable(f"{name} failed with status {status}: {said}", code="model.unavailable", detail=detail)
    return Invalid(f"{name} cannot take this request: {said}", code="model.bad_request", detail=detail)
