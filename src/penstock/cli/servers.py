"""`penstock servers …`: MCP servers. What the commands do is in `server_work`, which `--help` does not load."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .options import ask, place

servers = typer.Typer(help="MCP servers: what can be called, by whom, and how they fare.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The server.", show_default=False)]
Pairs = list[str] | None


def register(app: typer.Typer) -> None:
    app.add_typer(servers, name="servers")


@servers.command("ls")
def servers_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """The MCP servers, how they fare, and what each can do."""
    from . import server_work  # noqa: PLC0415 - `--help` loads none of what commands do

    return ask(place(data, server), lambda link: server_work.ls(link, json))


@servers.command("add")
def servers_add(
    name: Name,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND...", help="The program and its arguments, after --.", show_default=False),
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="A server over HTTP, instead of a program.")] = None,
    capability: Annotated[
        Pairs, typer.Option("--capability", "-c", metavar="NAME=TOOL", help="What it offers, and the tool for it.")
    ] = None,
    env: Annotated[Pairs, typer.Option("--env", metavar="NAME=VALUE", help="A variable of the program.")] = None,
    env_secret: Annotated[
        Pairs, typer.Option("--env-secret", metavar="NAME=SECRET", help="A variable, from a secret.")
    ] = None,
    header: Annotated[Pairs, typer.Option("--header", metavar="NAME=VALUE", help="A header over HTTP.")] = None,
    header_secret: Annotated[
        Pairs, typer.Option("--header-secret", metavar="NAME=SECRET", help="A header, from a secret.")
    ] = None,
    auth_secret: Annotated[
        str | None, typer.Option(metavar="SECRET", help="The secret that is sent as the bearer token.")
    ] = None,
    heavy: Annotated[bool, typer.Option("--heavy", help="Chosen after light ones.")] = False,
    fallback: Annotated[
        bool, typer.Option("--fallback", help="Used only when no other can be, and with consent.")
    ] = False,
    priority: Annotated[int | None, typer.Option(min=1, max=6, help="The higher one is chosen; 3 by default.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Even when there is one of this name.")] = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Register a server. `penstock servers import` takes those of an editor, with every setting."""
    from . import server_work  # noqa: PLC0415

    body = server_work.read_body(
        name,
        command or [],
        url,
        {
            "capabilities": capability,
            "env": env,
            "env_secrets": env_secret,
            "headers": header,
            "header_secrets": header_secret,
        },
        {
            "auth_secret": auth_secret,
            "weight": "heavy" if heavy else None,
            "fallback": fallback or None,
            "priority": priority,
        },
    )
    return ask(place(data, server), lambda link: server_work.add(link, body, replace))


@servers.command("rm")
def servers_rm(name: Name, data: options.Data = None, server: options.Server = None) -> int:
    """Forget a registered server."""
    from . import server_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: server_work.remove(link, name))


@servers.command("check")
def servers_check(
    name: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; all of them by default.", show_default=False)
    ] = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Ask servers for their tools, now. Ends with 1 if one does not answer."""
    from . import server_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: server_work.check(link, name or [], json))


@servers.command("import")
def servers_import(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An mcp.json; - for stdin.", show_default=False)],
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Register the servers of an `mcp.json`, as editors share it. What looks like a secret goes into the vault."""
    from . import server_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: server_work.import_file(link, file, json))


@servers.command("tools")
def servers_tools(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One server; all by default.", show_default=False)
    ] = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """The tools of servers; those that were not asked yet are asked."""
    from . import server_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: server_work.tools(link, name, json))


@servers.command("call")
def servers_call(
    name: Name,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="The tool.", show_default=False)],
    argument: Annotated[
        Pairs, typer.Option("--argument", "-a", metavar="NAME=JSON", help="An argument; @FILE for a file's content.")
    ] = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Try a tool, outside of any run; its result goes to stdout as JSON."""
    from . import server_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: server_work.call(link, name, tool, argument or []))
