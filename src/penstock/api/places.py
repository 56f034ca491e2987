"""A step of a run as one opaque, URL-safe word: what approvals and dead letters are called."""

from __future__ import annotations

import base64
import binascii
import re

from ..errors import NotFound

_RUN = re.compile(r"[A-Za-z0-9_-]{1,80}")


def make_id(run_id: str, step: str) -> str:
    return base64.urlsafe_b64encode(f"{run_id}\n{step}".encode()).decode().rstrip("=")


def read_id(word: str, code: str) -> tuple[str, str]:
    """(run, step). Raises NotFound with this code for a word that was not made here."""
    try:
        run_id, _, step = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode().partition("\n")
        if make_id(run_id, step) == word and _RUN.fullmatch(run_id) and step.isprintable():
            return run_id, step
    except (ValueError, binascii.Error):
        pass
    raise NotFound(f"there is no {word[:80]!r} here", code=code)
