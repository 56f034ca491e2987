"""`penstock runs …`: look at runs, and steer them."""

from __future__ import annotations

import json as jsonlib
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..engine.events import event_dict
from ..errors import Conflict
from .failures import UsageError
from .inputs import read_values
from .link import Link
from .run import Options, attend
from .terminal import out, out_json, printable, say, short, size, status_text, table

SHOWN = 200  # characters of an error or a value in a line


def age(text: str | None) -> str:
    """How long ago, in the largest unit that is not zero."""
    if not text:
        return ""
    seconds = max(0.0, time.time() - datetime.fromisoformat(text).timestamp())
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def took(first: str | None, last: str | None) -> str:
    if not first or not last:
        return ""
    return short((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds())


def more(answer: dict[str, Any]) -> None:
    if answer.get("cursor"):
        say(f"there are more: --cursor {answer['cursor']}")


async def ls(link: Link, filters: dict[str, Any], json: bool) -> int | None:
    answer = await link.call("GET", "/runs", **filters)
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["run_id"],
            status_text(one["status"]),
            f"{one['workflow']} v{one['version']}",
            age(one["created_at"]),
            took(one["created_at"], one["updated_at"]),
            one["error"] or (f"{one['asks']} to answer" if one["asks"] else ""),
        )
        for one in answer["items"]
    ]
    table(
        ("RUN", "STATUS", "WORKFLOW", "STARTED", "TOOK", ""),
        rows,
        "no runs; start one: penstock run survey -i folder=.",
    )
    more(answer)
    return None


async def show(link: Link, run_id: str, at: int | None, json: bool) -> int | None:
    run = await link.call("GET", f"/runs/{_id(run_id)}", at=at, steps=100_000)
    if json:
        out_json(run)
        return None
    about = [
        ("run", run["run_id"]),
        ("workflow", f"{run['workflow']} version {run['version']} ({run['mode']})"),
        ("status", run["status"]),
        ("started", f"{run['created_at']} by {run['actor']}"),
        ("took", took(run["created_at"], run["ended_at"] or run["updated_at"])),
        ("inputs", _value(run["inputs"])),
    ]
    if run["forked_from"]:
        about.append(("forked from", f"{run['forked_from']['run']} at {run['forked_from']['at_seq']}"))
    if float(run["spent"]["tokens"]) or float(run["spent"]["usd"]):
        about.append(("spent", f"{run['spent']['tokens']} tokens, ${run['spent']['usd']}"))
    if run["error"]:
        about.append(("error", f"[{run['error'].get('code')}] {run['error'].get('message')}"))
    if run["outputs"] is not None:
        about.append(("outputs", _value(run["outputs"])))
    for name, value in about:
        out(f"{name + ':':<13}{printable(value)}")
    out("")
    rows = [
        (
            step["id"],
            status_text(step["status"]),
            took(step["attempts"][0]["scheduled_at"], step["ended_at"]) if step["attempts"] else "",
            f"{len(step['attempts'])} attempts" if len(step["attempts"]) > 1 else "",
            printable((step["error"] or {}).get("message", "") or (step["ask"] or {}).get("title", ""))[:SHOWN],
        )
        for step in run["steps"]
    ]
    table(("STEP", "STATUS", "TOOK", "", ""), rows, "no step has begun")
    if run["artifacts"]:
        out("")
        files = [(one["name"], size(one["size"]), one["mime"], one["step"]) for one in run["artifacts"]]
        table(("FILE", "SIZE", "TYPE", "STEP"), files, "")
    return None


async def events(link: Link, run_id: str, after: int, follow: bool, json: bool) -> int | None:
    last = None
    if not follow:
        last = (await link.call("GET", f"/runs/{_id(run_id)}"))["head"]
        if after >= last:
            return None
    stream = link.follow(run_id, after)
    try:
        async for batch in stream:
            for event in batch:
                made = event_dict(event)
                if json:
                    out_json(made)
                else:
                    at = time.strftime("%H:%M:%S", time.localtime(event.at)) + f"{event.at % 1:.3f}"[1:]
                    out(f"{event.seq:>6}  {at}  {event.kind:<16} {_value(made['data'])}")
                if event.seq == last:
                    return None
    finally:
        await stream.aclose()
    return None


async def cancel(link: Link, run_id: str, reason: str | None) -> int | None:
    await link.cancel(run_id, reason)
    if link.local:  # the run is stopped here and now, or not at all
        async for batch in link.follow(run_id):
            if batch[-1].kind == "run.cancelled":
                say(f"run {run_id} is cancelled")
        return None
    say(f"run {run_id} is being cancelled")
    return None


async def resume(link: Link, run_id: str, edits: list[str], stay: Options | None) -> int | None:
    body = {"edits": read_values(edits, "--edit")} if edits else {}
    try:
        await link.call("POST", f"/runs/{_id(run_id)}/resume", body)
    except Conflict as error:
        # A run that a stopped process left is running again as soon as this one is: there is nothing to resume, but to stay with.
        if error.code != "run.not_paused" or edits or stay is None or not await _goes_on(link, run_id):
            raise
    return await go_on(link, run_id, stay)


async def _goes_on(link: Link, run_id: str) -> bool:
    status = (await link.call("GET", f"/runs/{_id(run_id)}"))["status"]
    return status in ("queued", "running", "waiting")


async def fork(link: Link, run_id: str, at: int, edits: list[str], stay: Options | None) -> int | None:
    body: dict[str, Any] = {"at": at}
    if edits:
        body["edits"] = read_values(edits, "--edit")
    made = await link.call("POST", f"/runs/{_id(run_id)}/fork", body)
    return await go_on(link, made["run_id"], stay)


async def go_on(link: Link, run_id: str, stay: Options | None) -> int | None:
    """Stay with a run that was set going again, or, where it is a part of another, with the one that somebody started."""
    if stay is None:
        out(run_id)
        return None
    run = await link.call("GET", f"/runs/{_id(run_id)}")
    while run["parent"]:
        run = await link.call("GET", f"/runs/{_id(run['parent']['run'])}")
    return await attend(link, run["run_id"], stay)


async def export(link: Link, run_id: str, target: Path | None) -> int | None:
    """{penstock_journal: 1, run_id, workflow, version, document, events}: what tests/journals holds, and what replays."""
    run = await link.call("GET", f"/runs/{_id(run_id)}")
    version = await link.call("GET", f"/workflows/{quote(run['workflow'], safe='')}/versions/{run['version']}")
    found: list[dict[str, Any]] = []
    while len(found) < run["head"]:
        page = await link.call("GET", f"/runs/{_id(run_id)}/events", after=len(found))
        found += page["events"]
    made = {
        "penstock_journal": 1,
        "run_id": run_id,
        "workflow": run["workflow"],
        "version": run["version"],
        "document": version["document"],
        "events": found[: run["head"]],
    }
    text = jsonlib.dumps(made, ensure_ascii=False, indent=1)
    if target is None:
        out(text)
        return None
    try:
        target.expanduser().write_text(text + "\n", encoding="utf-8")  # noqa: ASYNC240 - the last thing this process does
    except OSError as error:
        raise UsageError(f"--out {target}: {(error.strerror or str(error)).lower()}", code="out.unwritable") from None
    say(f"{len(made['events'])} events in {target}")
    return None


def _id(run_id: str) -> str:
    return quote(run_id, safe="")


def _value(value: Any) -> str:
    text = printable(jsonlib.dumps(value, ensure_ascii=False))
    return text if len(text) <= 4 * SHOWN else text[: 4 * SHOWN] + "…"
