"""`penstock tasks …`: calls of tools, asked for by what they need. What the commands do is in `task_work`, which `--help` does not
load."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .options import ask, place

tasks = typer.Typer(help="One call of a tool each, by whichever server can do it.", no_args_is_help=True)

TaskId = Annotated[str, typer.Argument(metavar="TASK_ID", help="The task.", show_default=False)]


class Fallback(StrEnum):
    ask = "ask"
    allowed = "allowed"
    never = "never"


def register(app: typer.Typer) -> None:
    app.add_typer(tasks, name="tasks")


@tasks.command("submit")
def tasks_submit(
    type: Annotated[
        str, typer.Argument(metavar="TYPE", help="What kind of work; by default the capability that is asked for.")
    ],
    argument: Annotated[
        list[str] | None,
        typer.Option(
            "--argument", "-a", metavar="NAME=VALUE", help="An argument: JSON or text; @FILE for a file's JSON."
        ),
    ] = None,
    capability: Annotated[
        list[str] | None, typer.Option("--capability", "-c", metavar="NAME", help="What the server must offer.")
    ] = None,
    tool: Annotated[str | None, typer.Option(help="A tool by name.", show_default=False)] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="NAME", help="A server by name.", show_default=False)
    ] = None,
    fallback: Annotated[
        Fallback | None,
        typer.Option(help="Whether a fallback may be used; its own setting says by default.", show_default=False),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, max=86_400, help="Seconds one call may take; the server's by default.")
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, max=10, help="How often it may be tried.")] = 3,
    notify_url: Annotated[str | None, typer.Option(metavar="URL", help="Whom to tell when it has ended.")] = None,
    notify_secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="The secret that the notification is signed with.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for its end; needs a server.")] = False,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Have a tool called and wait for the result, which goes to stdout as JSON."""
    from . import task_work  # noqa: PLC0415 - `--help` loads none of what commands do

    plain = {"capabilities": capability, "tool": tool, "server": on, "timeout": timeout}
    body = task_work.read_body(type, argument or [], plain, attempts, notify_url, notify_secret)
    if fallback is not None:
        body["fallback"] = fallback.value
    return ask(place(data, server), lambda link: task_work.submit(link, body, detach, json), active=True)


@tasks.command("show")
def tasks_show(
    task_id: TaskId,
    wait: Annotated[float, typer.Option(min=0, max=60, help="Seconds to wait for its end.")] = 0,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """A task: its status, who does it and why, what went wrong and what to do about it."""
    from . import task_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: task_work.show(link, task_id, wait, json))


@tasks.command("ls")
def tasks_ls(
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Tasks, the newest first."""
    from . import task_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: task_work.ls(link, {"limit": limit, "cursor": cursor}, json))


@tasks.command("result")
def tasks_result(
    task_id: TaskId,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file; stdout by default.", show_default=False)
    ] = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """What a task came to, to stdout or into a file."""
    from . import task_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: task_work.result(link, task_id, out))
