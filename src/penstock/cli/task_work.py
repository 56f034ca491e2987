"""What `penstock tasks …` does, over the HTTP API on either side of a link."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import NotFound
from .failures import FAILED, PERSON, STATUS_EXIT, UsageError
from .inputs import read_value
from .link import Link
from .runs import age, more, took
from .terminal import out, out_json, printable, say, size, status_text, table

ENDED = frozenset({"completed", "failed", "cancelled"})
TURN = 20  # seconds one request waits


def read_body(
    type: str, arguments: list[str], plain: dict[str, Any], attempts: int, url: str | None, secret: str | None
) -> dict[str, Any]:
    """The body of POST /tasks. Raises UsageError `task.no_secret`."""
    if bool(url) != bool(secret):
        raise UsageError("--notify-url and --notify-secret go together", code="task.no_secret")
    body = {"type": type, "input": dict(map(_argument, arguments)), "retry": {"attempts": attempts}}
    body |= {name: value for name, value in plain.items() if value is not None}
    return body | ({"notify": {"url": url, "secret": secret}} if url else {})


def _argument(pair: str) -> tuple[str, Any]:
    """A name and its value: JSON where it is that, else the text; `@FILE` is a file's JSON."""
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise UsageError(f"--argument {pair}: write it as NAME=VALUE")
    if text.startswith("@"):
        return name, read_value(text, f"--argument {name}")
    try:
        return name, jsonlib.loads(text)
    except ValueError:
        return name, text


async def submit(link: Link, body: dict[str, Any], detach: bool, json: bool) -> int | None:
    if detach and link.local:
        message = "without a server the task would end with this command: leave --detach out, or start one: penstock up"
        raise UsageError(message, code="task.no_server")
    task = await link.call("POST", "/tasks", body)
    if detach:
        out_json(task) if json else out(task["task_id"])
        return None
    say(f"task {task['task_id']}{_expected(task['estimate'])}")
    path = f"/tasks/{quote(task['task_id'], safe='')}"
    while task["status"] not in ENDED and task["consent"] is None and task["status"] != "paused":
        task = await link.call("GET", path, wait=TURN)
    if link.local and task["status"] in ENDED and task["notification"] is not None:
        async for _ in link.follow(task["task_id"]):  # whoever is to be told is told by this process
            pass
        task = await link.call("GET", path)
    if json:
        out_json(task)
    elif task["status"] == "completed":
        _put(await _content(link, task))
    _say_why(task)
    return exit_of(task)


def exit_of(task: dict[str, Any]) -> int:
    if task["status"] in ENDED:
        return STATUS_EXIT[task["status"]]
    return PERSON if task["consent"] is not None or task["status"] == "paused" else FAILED


def _expected(estimate: dict[str, Any] | None) -> str:
    if estimate is None or estimate["server"] is None:
        return ""
    parts = [f", for {estimate['server']}/{estimate['tool']}"]
    if estimate["seconds"] is not None:
        parts.append(f", about {estimate['seconds']:g} s")
    if estimate["bytes"] is not None:
        parts.append(f" and {size(estimate['bytes'])}")
    return "".join(parts)


def _say_why(task: dict[str, Any]) -> None:
    """What is to be said beside the result."""
    if task["error"] is not None and task["status"] in ENDED:
        say(printable(f"{task['error']['message']} [{task['error']['code']}]"))
        say(printable(task["error"]["hint"]))
    if task["consent"] is not None:
        say(printable(f"{task['consent']['title']} ({' or '.join(task['consent']['choices'])})"))
        say(f"answer it: penstock approvals answer {task['task_id']} call#1 {task['consent']['choices'][0]}")
    if task["notification"] is not None and task["notification"]["status"] == "failed":
        say(f"nobody could be told at {printable(task['notification']['url'])}")


async def show(link: Link, task_id: str, wait: float, json: bool) -> int | None:
    task = await link.call("GET", f"/tasks/{quote(task_id, safe='')}", wait=wait)
    if json:
        out_json(task)
        return None
    route, told = task["route"], task["notification"]
    about = [("task", task["task_id"]), ("type", task["type"]), ("status", task["status"])]
    about.append(("sent", age(task["created_at"])))
    if task["ended_at"]:
        about.append(("took", took(task["created_at"], task["ended_at"])))
    if route:
        about.append(("server", f"{route['server']}/{route['tool']}: {route['reason']}"))
    if task["progress"]["attempt"] > 1:
        about.append(("attempt", task["progress"]["attempt"]))
    if task["pointer"]:
        about.append(("result", f"{size(task['pointer']['size'])} of {task['pointer']['mime']}"))
    if task["result"] is not None:
        about.append(("", jsonlib.dumps(task["result"], ensure_ascii=False)[:800]))
    if told:
        about.append(("notified", f"{told['status']} at {told['url']}, {len(told['attempts'])} attempts"))
    for name, value in about:
        out(f"{name + ':' if name else '':<13}{printable(str(value))}")
    _say_why(task)
    return None


async def ls(link: Link, page: dict[str, Any], json: bool) -> int | None:
    answer = await link.call("GET", "/tasks", **page)
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["task_id"],
            status_text(one["status"]),
            printable(one["type"] or ""),
            one["server"] or "",
            age(one["created_at"]),
            one["error"] or "",
        )
        for one in answer["items"]
    ]
    table(
        ("TASK", "STATUS", "TYPE", "SERVER", "SENT", ""),
        rows,
        "no tasks; send one: penstock tasks submit code.files -a path=.",
    )
    more(answer)
    return None


async def result(link: Link, task_id: str, target: Path | None) -> int | None:
    task = await link.call("GET", f"/tasks/{quote(task_id, safe='')}")
    if task["pointer"] is None:
        _say_why(task)
        message = f"task {task_id} is {task['status']}: it has no result"
        raise NotFound(message, code="result.not_found")
    content = await _content(link, task)
    if target is None:
        _put(content)
        return None
    try:
        target.expanduser().write_bytes(content.encode() if isinstance(content, str) else content)  # noqa: ASYNC240 - the last thing done
    except OSError as error:
        raise UsageError(f"--out {target}: {(error.strerror or str(error)).lower()}", code="out.unwritable") from None
    say(f"{size(task['pointer']['size'])} in {target}")
    return None


def _put(content: str | bytes) -> None:
    if isinstance(content, str):
        out(content)
    else:
        sys.stdout.buffer.write(content)


async def _content(link: Link, task: dict[str, Any]) -> str | bytes:
    """The result: JSON as text, a file as it is."""
    if task["pointer"]["mime"] != "application/json":
        return await link.content(task["task_id"], task["pointer"]["digest"])
    value = await link.call("GET", f"/results/{quote(task['task_id'], safe='')}")
    return jsonlib.dumps(value, ensure_ascii=False, separators=(",", ":"))
