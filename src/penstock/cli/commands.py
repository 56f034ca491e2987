"""The command line: every command that stands for itself, and the groups."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from . import budgets, groups, mcp, options, policies, providers, servers, tasks, worker
from .options import go, place

app = typer.Typer(
    name="penstock",
    help="Run agentic workflows yourself: one gate, one record, and nothing paid for twice.",
    epilog="Exit codes: 0 completed, 1 failed, 2 wrong usage, 3 cancelled, 4 needs a person. "
    "--debug, anywhere, shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes round the help would take longer than everything else in it
    context_settings={"help_option_names": ["-h", "--help"]},
)
groups.register(app)
servers.register(app)
tasks.register(app)
policies.register(app)
budgets.register(app)
providers.register(app)
worker.register(app)
mcp.register(app)


class Mode(StrEnum):
    full_run = "full_run"
    test_run = "test_run"
    validate_only = "validate_only"


class Process(StrEnum):
    sequential = "sequential"
    hierarchical = "hierarchical"


@app.command()
def run(
    workflow: Annotated[
        str,
        typer.Argument(
            metavar="WORKFLOW", help="A file, or a slug of the catalog. `survey` and others come with Penstock."
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("-i", "--input", metavar="NAME=VALUE", help="An input; @FILE stands for a file's content."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--inputs", metavar="FILE", help="All inputs, as JSON or YAML; - for stdin.")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="test_run sets tight limits, validate_only runs nothing.")] = Mode.full_run,
    version: Annotated[int | None, typer.Option(min=1, help="A published version; the draft by default.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="NAME=NUMBER", help="A stricter limit: tokens, usd, seconds, steps, parallel."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    out: options.Out = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Run a workflow and stay with it to its result. Ctrl-C cancels the run; a second one leaves at once."""
    from . import run as command  # noqa: PLC0415 - `--help` loads none of what commands do

    stay = command.Options(place(data, server), json, quiet, out)
    return go(command.run(workflow, inputs or [], source, mode.value, limit or [], version, stay))


@app.command()
def up(
    data: options.Data = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; 7411 by default, 0 for any free one.")
    ] = None,
) -> int:
    """Serve everything. Prints the URL to open."""
    from . import serving  # noqa: PLC0415

    return serving.up(place(data, None), host, port)


@app.command()
def serve(
    plane: Annotated[
        str, typer.Option("--plane", metavar="NAMES", help="control,data,executor: all of them, for now.")
    ],
    data: options.Data = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 7411 by default.")] = None,
) -> int:
    """Serve some planes, in larger installations."""
    from . import serving  # noqa: PLC0415

    serving.check_planes(plane)
    return serving.up(place(data, None), host, port)


@app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="The format: crewai, or native for a document of ours.")],
    source: Annotated[str, typer.Argument(metavar="DIR", help="The folder; of native the file, - for stdin.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Save the workflow as a draft instead of printing it.")
    ] = False,
    name: Annotated[
        str, typer.Option(help="The workflow's slug; the folder's name by default.", show_default=False)
    ] = "",
    process: Annotated[
        Process | None, typer.Option(help="How a crew works; by default what its files say.", show_default=False)
    ] = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Take over what another product calls a workflow: print it as a document of ours, or save it. A document of ours is
    saved."""
    from . import imports  # noqa: PLC0415

    if format == imports.NATIVE:
        return options.ask(place(data, server), lambda link: imports.save_file(link, source))
    code, text = imports.convert(format, source, name, process.value if process else "", json)
    if text is None:
        return code
    if apply:
        return options.ask(place(data, server), lambda link: imports.save(link, text))
    if not json:
        imports.show(text)
    return code


@app.command()
def doctor(json: options.Json = False, data: options.Data = None) -> int:
    """Look at what Penstock needs here. Says what to do about what is missing."""
    from . import doctor as command  # noqa: PLC0415

    return command.doctor(place(data, None), json)


@app.command()
def migrate(data: options.Data = None) -> int:
    """Bring the database to the schema of this version. `up` and `run` do it by themselves."""
    from . import serving  # noqa: PLC0415

    return go(serving.migrate(place(data, None)))


@app.command()
def schema() -> int:
    """The JSON Schema of workflow documents, for editors."""
    from . import workflows  # noqa: PLC0415

    return workflows.print_schema()


@app.command()
def version() -> None:
    """The version of Penstock."""
    from .. import __version__  # noqa: PLC0415
    from .terminal import out as result  # noqa: PLC0415

    result(__version__)
