"""What `penstock providers …` does."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .link import Link
from .terminal import out_json, printable, say, table
from .things import read_secret

WORDS = {"connected": "connected", "unverified": "has a key that was not tried", "failed": "is not connected"}


def read_key(name: str) -> str:
    """The key, from a terminal or stdin."""
    return read_secret(f"the key of {name}")


async def ls(link: Link, json: bool) -> int | None:
    answer = await link.call("GET", "/providers")
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["name"],
            one["status"].replace("_", " "),
            one["checked_at"] or "",
            one["base_url"] or "",
            ", ".join(breaker["name"] for breaker in one["breakers"] if breaker["state"] != "closed"),
        )
        for one in answer["items"]
    ]
    table(("PROVIDER", "STATUS", "CHECKED", "ADDRESS", "LEFT ALONE"), rows, "no providers")
    return None


async def put(
    link: Link, name: str, key: str | None, base_url: str | None, model: str | None, verify: bool
) -> int | None:
    body: dict[str, Any] = {"verify": verify}
    body |= {k: v for k, v in (("key", key), ("base_url", base_url), ("model", model)) if v is not None}
    made = await link.call("PUT", f"/providers/{quote(name, safe='')}", body)
    say(f"{made['title']} {WORDS.get(made['status'], made['status'])}")
    return None


async def check(link: Link, name: str) -> int | None:
    found = await link.call("POST", f"/providers/{quote(name, safe='')}/check", {})
    why = f": {printable(found['error']['message'])}" if found["error"] else ""
    say(f"{found['title']} {WORDS.get(found['status'], found['status'])}{why}")
    return 0 if found["connected"] else 1


async def remove(link: Link, name: str) -> int | None:
    await link.call("DELETE", f"/providers/{quote(name, safe='')}")
    say(f"provider {name} is forgotten")
    return None
