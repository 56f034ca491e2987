"""`penstock policies …`. What the commands do is in `policy_work`, which `--help` does not load."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options
from .options import ask, place

policies = typer.Typer(help="Policies: what is asked round every call, and what they decide.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The policy.", show_default=False)]
Many = list[str] | None


def register(app: typer.Typer) -> None:
    app.add_typer(policies, name="policies")


@policies.command("ls")
def policies_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """The policies there are, and where each comes from."""
    from . import policy_work  # noqa: PLC0415 - `--help` loads none of what commands do

    return ask(place(data, server), lambda link: policy_work.ls(link, json))


@policies.command("set")
def policies_set(
    name: Name,
    source: Annotated[
        str | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="The policy, as YAML or JSON; - for stdin.", show_default=False
        ),
    ] = None,
    at: Annotated[
        Many, typer.Option("--at", metavar="POINT", help="A point at which it is asked, such as tool.call.")
    ] = None,
    when: Annotated[str | None, typer.Option(metavar="EXPRESSION", help="Its condition.")] = None,
    then: Annotated[
        str | None, typer.Option(metavar="OUTCOME", help="abort, deny, pause, require_approval, redact or allow.")
    ] = None,
    what: Annotated[Many, typer.Option(metavar="WHAT", help="What is redacted: secrets, pii or injection.")] = None,
    message: Annotated[str | None, typer.Option(help="What people are told.")] = None,
    priority: Annotated[int | None, typer.Option(help="An `allow` ends the say of policies with a lower one.")] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Ask it, or do not.", show_default=False)] = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Make a policy, or change those of its keys that are named. It holds at once, for running steps too."""
    from . import policy_work  # noqa: PLC0415

    keys = {"on": at, "when": when, "then": then, "what": what, "message": message, "priority": priority, "enabled": on}
    return ask(place(data, server), lambda link: policy_work.put(link, name, source, keys))


@policies.command("rm")
def policies_rm(name: Name, data: options.Data = None, server: options.Server = None) -> int:
    """Forget a policy, or what was changed of one that the installation has."""
    from . import policy_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: policy_work.remove(link, name))


@policies.command("test")
def policies_test(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN_ID]", help="A run; all it asked and heard is looked at.", show_default=False),
    ] = None,
    point: Annotated[
        str | None, typer.Option(metavar="POINT", help="Instead of a run: one call, at this point.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="VALUE", help="What is sent, or came back: text or JSON; @FILE for a file's.")
    ] = None,
    call: Annotated[
        str | None, typer.Option(metavar="JSON", help="What expressions see as `call`; @FILE for a file's.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Policies to try: {NAME: {on, when, then, …}}.")
    ] = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """What policies would say; nothing is done. Ends with 1 when something would not pass."""
    from . import policy_work  # noqa: PLC0415

    return ask(place(data, server), lambda link: policy_work.test(link, run, point, value, call, source, json))
