"""`penstock secrets`, `approvals` and `dead-letters`."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

from ..errors import NotFound
from .ask import make_answer
from .failures import UsageError
from .inputs import read_inputs, read_value
from .link import Link
from .run import Options
from .runs import age, go_on, more
from .terminal import is_terminal, out, out_json, printable, say, status_text, table

# -------------------------------------------------------------------------------------------------------- secrets


def read_secret(name: str) -> str:
    """The value: asked for twice at a terminal, else all of stdin, without the line end that editors and `echo` leave."""
    if not is_terminal(sys.stdin):
        value = sys.stdin.read()
        value = value[:-1] if value.endswith("\n") else value
    else:
        import getpass  # noqa: PLC0415

        value = getpass.getpass(f"value of {name}: ")
        if getpass.getpass("once more: ") != value:
            raise UsageError("the two are not the same; nothing was kept", code="secret.bad_value")
    if not value:
        raise UsageError("a secret has a value: pipe it in, or type it when asked", code="secret.bad_value")
    return value


async def set_secret(link: Link, name: str, value: str) -> int | None:
    await link.call("PUT", f"/secrets/{quote(name, safe='')}", {"value": value})
    say(f"secret {name} is kept")
    return None


async def list_secrets(link: Link, json: bool) -> int | None:
    answer = await link.call("GET", "/secrets")
    if json:
        out_json(answer)
    elif answer["names"]:
        out("\n".join(printable(name) for name in answer["names"]))
    else:
        say("no secrets")
    return None


async def remove_secret(link: Link, name: str) -> int | None:
    await link.call("DELETE", f"/secrets/{quote(name, safe='')}")
    say(f"secret {name} is gone")
    return None


async def rotate_secrets(link: Link) -> int | None:
    count = (await link.call("POST", "/secrets/rotate"))["sealed"]
    say(f"{count} {'secret' if count == 1 else 'secrets'} sealed with a new key")
    return None


# ------------------------------------------------------------------------------------------------------ approvals


async def list_approvals(link: Link, page: dict[str, Any], json: bool) -> int | None:
    answer = await link.call("GET", "/approvals", **page)
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["run_id"],
            one["step"],
            printable(one["ask"].get("title", "")),
            " | ".join(one["ask"].get("choices") or ["approve", "reject"]),
            age(one["asked_at"]),
        )
        for one in answer["items"]
    ]
    table(("RUN", "STEP", "QUESTION", "DECISIONS", "ASKED"), rows, "nobody is asked anything")
    more(answer)
    return None


async def answer(
    link: Link, run_id: str, step: str, decision: str, comment: str | None, fields: list[str], stay: Options | None
) -> int | None:
    schema = await _fields_of(link, run_id, step) if fields else {}
    values = read_inputs(fields, None, schema) if fields else None
    await link.answer(run_id, step, make_answer(decision, comment, values))
    return await go_on(link, run_id, stay)


async def _fields_of(link: Link, run_id: str, step: str) -> dict[str, Any]:
    run = await link.call("GET", f"/runs/{quote(run_id, safe='')}")
    asks = [one["ask"] for one in run["steps"] if one["id"] == step and one["ask"]]
    if not asks:
        raise NotFound(f"run {run_id} asks nothing at {step}", code="approval.not_found")
    return asks[0].get("fields") or {}


# --------------------------------------------------------------------------------------------------- dead letters


async def list_letters(link: Link, page: dict[str, Any], json: bool) -> int | None:
    answer = await link.call("GET", "/dead-letters", **page)
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["run_id"],
            status_text(one["status"]),
            one["workflow"],
            one["step"] or "",
            printable(f"{one['error'].get('message', '')} [{one['error'].get('code', '')}]"),
            age(one["failed_at"]),
        )
        for one in answer["items"]
    ]
    table(("RUN", "STATUS", "WORKFLOW", "STEP", "ERROR", "WHEN"), rows, "nothing has failed")
    more(answer)
    return None


async def redrive(link: Link, run_id: str, given: str | None, stay: Options | None) -> int | None:
    letter = await _letter(link, run_id)
    body = {} if given is None else {"input": read_value(given, "--input")}
    made = await link.call("POST", f"/dead-letters/{quote(letter['id'], safe='')}/redrive", body)
    return await go_on(link, made["run_id"], stay)


async def _letter(link: Link, run_id: str) -> dict[str, Any]:
    cursor = None
    while True:
        page = await link.call("GET", "/dead-letters", limit=200, cursor=cursor)
        for one in page["items"]:
            if run_id in (one["run_id"], one["id"]):
                return one
        cursor = page["cursor"]
        if cursor is None:
            hint = {"hint": f"what it stands at: penstock runs show {run_id}"}
            raise NotFound(
                f"run {run_id} has neither failed nor does it wait to be fixed",
                code="dead_letter.not_found",
                detail=hint,
            )
