"""`penstock worker`, and what an operator does about workers elsewhere: `keys` and `workers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .options import ask, place

keys = typer.Typer(help="Keys that work for remote workers is signed with.", no_args_is_help=True)
workers = typer.Typer(help="Tokens of remote workers that fetch their work.", no_args_is_help=True)

Audience = Annotated[str, typer.Argument(metavar="AUDIENCE", help="Whom the work is signed for.", show_default=False)]


def register(app: typer.Typer) -> None:
    app.add_typer(keys, name="keys")
    app.add_typer(workers, name="workers")
    app.command("worker")(worker)


def worker(
    audience: Annotated[str, typer.Option(metavar="NAME", help="Whom work must be signed for to be done here.")],
    tools: Annotated[
        str, typer.Option(metavar="NAMES", help="What is offered: servers, or SERVER/TOOL, separated by commas.")
    ],
    server: Annotated[
        str, typer.Option("--server", metavar="URL", envvar="PENSTOCK_SERVER", help="The Penstock it works for.")
    ],
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="PENSTOCK_WORKER_TOKEN",
            help="To fetch work with, from `penstock workers issue`.",
            show_default=False,
        ),
    ] = "",
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Be given work here instead of fetching it; port 0 for any free one."),
    ] = None,
    servers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its MCP servers; servers.json of the data folder by default."),
    ] = None,
    places: Annotated[int, typer.Option(min=1, max=256, help="How much it does at once.")] = 4,
    data: options.Data = None,
) -> int:
    """Run tools of this machine for a Penstock elsewhere. It fetches its work, so nothing here need be reachable."""
    from .working import Asked, work  # noqa: PLC0415 - `--help` loads none of what commands do

    return work(place(data, None), Asked(server, token, audience, tools, listen, servers, places))


@keys.command("ls")
def keys_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """The keys, the newest first: that one signs."""
    from . import working  # noqa: PLC0415

    return ask(place(data, server), lambda link: working.list_keys(link, json))


@keys.command("rotate")
def keys_rotate(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """Sign with a new key. The one before stays published until what it signed has expired."""
    from . import working  # noqa: PLC0415

    return ask(place(data, server), lambda link: working.rotate_keys(link, json))


@workers.command("ls")
def workers_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """Who may fetch work."""
    from . import working  # noqa: PLC0415

    return ask(place(data, server), lambda link: working.list_tokens(link, json))


@workers.command("issue")
def workers_issue(audience: Audience, data: options.Data = None, server: options.Server = None) -> int:
    """Make a token to fetch the work of one audience with. It is shown this once, and is good for nothing else."""
    from . import working  # noqa: PLC0415

    return ask(place(data, server), lambda link: working.issue_token(link, audience))


@workers.command("revoke")
def workers_revoke(audience: Audience, data: options.Data = None, server: options.Server = None) -> int:
    """End every token of an audience."""
    from . import working  # noqa: PLC0415

    return ask(place(data, server), lambda link: working.revoke_tokens(link, audience))
