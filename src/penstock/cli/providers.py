"""`penstock providers …`. What the commands do is in `provider_work`, which `--help` does not load."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .options import ask, place

providers = typer.Typer(help="Providers of models: which are connected, and how they fare.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The provider, such as openai.", show_default=False)]


def register(app: typer.Typer) -> None:
    app.add_typer(providers, name="providers")


@providers.command("ls")
def providers_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """The providers whose models can be asked, connected or not."""
    from . import provider_work  # noqa: PLC0415 - `--help` loads none of what commands do

    return ask(place(data, server), lambda link: provider_work.ls(link, json))


@providers.command("set")
def providers_set(
    name: Name,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Another address than its own.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="A model it must have.")] = None,
    keyless: Annotated[bool, typer.Option("--no-key", help="It wants no key.")] = False,
    unverified: Annotated[bool, typer.Option("--unverified", help="Keep the key without trying it.")] = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Connect a provider. The key is asked for, or read from stdin; it is tried, and kept when it is taken."""
    from . import provider_work  # noqa: PLC0415

    key = None if keyless else provider_work.read_key(name)
    return ask(place(data, server), lambda link: provider_work.put(link, name, key, base_url, model, not unverified))


@providers.command("check")
def providers_check(name: Name, data: options.Data = None, server: options.Server = None) -> int:
    """Try the key that is there, now. Ends with 1 if it is not taken."""
    from . import provider_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: provider_work.check(link, name))


@providers.command("rm")
def providers_rm(name: Name, data: options.Data = None, server: options.Server = None) -> int:
    """Forget a provider and its key."""
    from . import provider_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: provider_work.remove(link, name))
