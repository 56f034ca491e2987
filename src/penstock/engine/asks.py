"""Questions to people: what is asked, and what may be answered."""

from __future__ import annotations

from typing import Any

from ..errors import Invalid
from .state import RunState


def asked_at(state: RunState, step: str) -> dict[str, Any] | None:
    """What is asked at this step now."""
    found = state.steps.get(step)
    return found.ask if found is not None and found.status == "waiting" else None


def check_answer(ask: dict[str, Any], decision: str, comment: str | None) -> None:
    """Raises Invalid when the answer is not one of those asked for."""
    choices = ask.get("choices") or ["approve", "reject"]
    if decision not in choices:
        raise Invalid(f"decision must be one of {', '.join(choices)}", code="approval.bad_decision")
    required = ask.get("comment") == "required" or (ask.get("comment") == "on_reject" and decision == "reject")
    if required and not (comment or "").strip():
        raise Invalid("this decision needs a comment", code="approval.comment_required")
