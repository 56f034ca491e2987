"""Waiting for runs, as a client that is not the browser would."""

from __future__ import annotations

from tests.browser.site import Site

ENDED = ("completed", "failed", "cancelled")


def until(site: Site, run: str, status: str) -> None:
    """Wait until the run has this status: each look waits for the journal to move on. AssertionError when it never will."""
    for _ in range(1_000_000):
        seen = site.api("GET", f"/runs/{run}?steps=0")
        if seen["status"] == status:
            return
        assert seen["status"] not in ENDED, seen
        site.api("GET", f"/runs/{run}/events?after={seen['head']}&limit=1", Prefer="wait=20")
    raise AssertionError(f"run {run} is never {status}")
