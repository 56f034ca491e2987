"""`penstock budgets …`: what a group and its workflows may use in a day or a month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from . import options
from .options import ask, place

if TYPE_CHECKING:
    from .link import Link

budgets = typer.Typer(help="What a group and its workflows may use in a day or a month.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="`group`, or `workflow:SLUG`.", show_default=False)]


def register(app: typer.Typer) -> None:
    app.add_typer(budgets, name="budgets")


@budgets.command("ls")
def budgets_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """The budgets, and what is used of each."""

    from .terminal import out_json, table  # noqa: PLC0415 - not for --help

    async def ls(link: Link) -> None:
        answer = await link.call("GET", "/budgets")
        if json:
            out_json(answer)
            return
        rows = [
            (one["name"], cost, f"{one['used'][cost]} of {one[cost]}", f"{one['per']} {one['period']}")
            for one in answer["items"]
            for cost in ("usd", "tokens", "iterations")
            if one[cost] is not None
        ]
        table(("BUDGET", "OF", "USED", "PER"), rows, "no budgets")

    return ask(place(data, server), ls)


@budgets.command("set")
def budgets_set(
    name: Name,
    usd: Annotated[str | None, typer.Option(help="US dollars.")] = None,
    tokens: Annotated[int | None, typer.Option(min=0, help="Tokens of all models together.")] = None,
    iterations: Annotated[int | None, typer.Option(min=0, help="Turns of agents.")] = None,
    per: Annotated[str, typer.Option(help="day or month, of UTC.")] = "day",
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Set a budget. It holds from the next call on, for runs in progress too; what was used before counts."""
    asked = {"usd": usd, "tokens": tokens, "iterations": iterations, "per": per}
    body = {key: value for key, value in asked.items() if value is not None}

    from .terminal import say  # noqa: PLC0415

    async def put(link: Link) -> None:
        await link.call("PUT", f"/budgets/{quote(name, safe=':')}", body)
        say(f"budget of {name} set")

    return ask(place(data, server), put)


@budgets.command("rm")
def budgets_rm(name: Name, data: options.Data = None, server: options.Server = None) -> int:
    """Bound this no longer."""

    from .terminal import say  # noqa: PLC0415

    async def remove(link: Link) -> None:
        await link.call("DELETE", f"/budgets/{quote(name, safe=':')}")
        say(f"budget of {name} removed")

    return ask(place(data, server), remove)


@budgets.command("usage")
def budgets_usage(
    period: Annotated[
        str, typer.Argument(help="A day such as 2026-11-20 or a month; today by default.", show_default=False)
    ] = "",
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """What the group and each of its workflows used."""

    from .terminal import out_json, table  # noqa: PLC0415

    async def usage(link: Link) -> None:
        answer = await link.call("GET", f"/usage?period={quote(period)}")
        if json:
            out_json(answer)
            return
        rows = [(one["scope"], one["usd"], str(one["tokens"]), str(one["iterations"])) for one in answer["items"]]
        table(("OF", "USD", "TOKENS", "TURNS"), rows, f"nothing was used ({answer['period']})")

    return ask(place(data, server), usage)
