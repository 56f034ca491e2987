"""The groups of commands: runs, workflows, secrets, approvals, dead-letters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .options import ask, place

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.", show_default=False)]
Slug = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its slug.", show_default=False)]
Edit = Annotated[
    list[str] | None,
    typer.Option(
        "--edit", metavar="STEP=JSON", help="A step's new input; @FILE for a file's content.", show_default=False
    ),
]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Do not stay with the run.")]

runs = typer.Typer(help="Look at runs, and steer them.", no_args_is_help=True)
workflows = typer.Typer(help="The catalog: drafts, versions, what changed.", no_args_is_help=True)
secrets = typer.Typer(help="Secrets, kept encrypted; no command shows a value.", no_args_is_help=True)
approvals = typer.Typer(help="Questions that runs ask people.", no_args_is_help=True)
letters = typer.Typer(help="Runs that failed, or wait to be fixed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(runs, name="runs")
    app.add_typer(workflows, name="workflows")
    app.add_typer(secrets, name="secrets")
    app.add_typer(approvals, name="approvals")
    app.add_typer(letters, name="dead-letters")


# ----------------------------------------------------------------------------------------------------------- runs


@runs.command("ls")
def runs_ls(
    status: Annotated[str | None, typer.Option(help="Only those in this status.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only those of this workflow.")] = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Runs, the newest first."""
    from . import runs as command  # noqa: PLC0415 - `--help` loads none of what commands do

    filters = {"status": status, "workflow": workflow, "limit": limit, "cursor": cursor}
    return ask(place(data, server), lambda link: command.ls(link, filters, json))


@runs.command("show")
def runs_show(
    run_id: RunId,
    at: Annotated[int | None, typer.Option(min=1, help="As it was after this event.")] = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """A run: its status, steps, errors and files."""
    from . import runs as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.show(link, run_id, at, json))


@runs.command("events")
def runs_events(
    run_id: RunId,
    after: Annotated[int, typer.Option(min=0, help="Only events after this seq.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until the run ends.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """A run's journal."""
    from . import runs as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.events(link, run_id, after, follow, json))


@runs.command("cancel")
def runs_cancel(
    run_id: RunId,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """End a run: steps in flight are stopped, then it is cancelled."""
    from . import runs as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.cancel(link, run_id, reason), active=True)


@runs.command("resume")
def runs_resume(
    run_id: RunId,
    edit: Edit = None,
    detach: Detach = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    out: options.Out = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Go on with a paused run, with other step inputs where they were the mistake; or with one that a stopped process left."""
    from . import run  # noqa: PLC0415
    from . import runs as command  # noqa: PLC0415

    stay = None if detach else run.Options(place(data, server), json, quiet, out)
    return ask(place(data, server), lambda link: command.resume(link, run_id, edit or [], stay), active=True)


@runs.command("fork")
def runs_fork(
    run_id: RunId,
    at: Annotated[int, typer.Option(min=1, help="The seq of the last event that is copied.")],
    edit: Edit = None,
    detach: Detach = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    out: options.Out = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """A new run with the beginning of this one, going on from there."""
    from . import run  # noqa: PLC0415
    from . import runs as command  # noqa: PLC0415

    stay = None if detach else run.Options(place(data, server), json, quiet, out)
    return ask(place(data, server), lambda link: command.fork(link, run_id, at, edit or [], stay), active=True)


@runs.command("export")
def runs_export(
    run_id: RunId,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The file; stdout by default.")] = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """A run's journal and the version it ran, as one JSON document that can be replayed anywhere."""
    from . import runs as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.export(link, run_id, out))


# ------------------------------------------------------------------------------------------------------ workflows


@workflows.command("ls")
def workflows_ls(
    search: Annotated[str | None, typer.Option(help="Only those whose slug or title holds this.")] = None,
    limit: options.Limit = 50,
    cursor: options.Cursor = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """The catalog, and what comes with Penstock."""
    from . import workflows as command  # noqa: PLC0415

    filters = {"search": search, "limit": limit, "cursor": cursor}
    return ask(place(data, server), lambda link: command.ls(link, filters, json))


@workflows.command("apply")
def workflows_apply(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Documents; - for stdin.")],
    publish: Annotated[bool, typer.Option("--publish", help="Publish each at once.")] = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Save documents as the drafts of their workflows. Nothing is saved unless all of them are right."""
    from . import workflows as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.apply(link, files, publish))


@workflows.command("show")
def workflows_show(
    slug: Slug,
    version: Annotated[int | None, typer.Option(min=1, help="A version; the draft by default.")] = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """A workflow's document, as YAML, and its versions."""
    from . import workflows as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.show(link, slug, version, json))


@workflows.command("diff")
def workflows_diff(
    slug: Slug,
    old: Annotated[int, typer.Argument(min=1, help="The version to compare from.")],
    new: Annotated[int, typer.Argument(min=1, help="The version to compare to.")],
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """What changed between two versions."""
    from . import workflows as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.diff(link, slug, old, new, json))


@workflows.command("restore")
def workflows_restore(
    slug: Slug,
    version: Annotated[int, typer.Argument(min=1, help="The version.")],
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """An old version again, as the newest one and as the draft."""
    from . import workflows as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.restore(link, slug, version))


@workflows.command("validate")
def workflows_validate(
    names: Annotated[list[str], typer.Argument(metavar="FILE|SLUG...", help="Documents or drafts.")],
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Say everything that is wrong with a document or a draft, and what stands in the way of running it here."""
    from . import workflows as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.validate(link, names, json))


@workflows.command("publish")
def workflows_publish(
    slug: Slug,
    note: Annotated[str, typer.Option(help="What is new, for the list of versions.")] = "",
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """The draft as the next version; a version never changes."""
    from . import workflows as command  # noqa: PLC0415

    return ask(place(data, server), lambda link: command.publish(link, slug, note))


# ------------------------------------------------------------------------------------------------- what there is


@secrets.command("set")
def secrets_set(
    name: Annotated[str, typer.Argument(help="Its name. The value is asked for, or read from stdin.")],
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Keep a secret. The value never stands on the command line, where others can read it."""
    from . import things  # noqa: PLC0415

    value = things.read_secret(name)
    return ask(place(data, server), lambda link: things.set_secret(link, name, value))


@secrets.command("ls")
def secrets_ls(json: options.Json = False, data: options.Data = None, server: options.Server = None) -> int:
    """Names of secrets."""
    from . import things  # noqa: PLC0415

    return ask(place(data, server), lambda link: things.list_secrets(link, json))


@secrets.command("rm")
def secrets_rm(
    name: Annotated[str, typer.Argument(help="Its name.")], data: options.Data = None, server: options.Server = None
) -> int:
    """Forget a secret."""
    from . import things  # noqa: PLC0415

    return ask(place(data, server), lambda link: things.remove_secret(link, name))


@secrets.command("rotate")
def secrets_rotate(data: options.Data = None, server: options.Server = None) -> int:
    """Seal every secret with a new key. Servers and runs go on meanwhile."""
    from . import things  # noqa: PLC0415

    return ask(place(data, server), things.rotate_secrets)


@approvals.command("ls")
def approvals_ls(
    limit: options.Limit = 50,
    cursor: options.Cursor = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Open questions."""
    from . import things  # noqa: PLC0415

    return ask(place(data, server), lambda link: things.list_approvals(link, {"limit": limit, "cursor": cursor}, json))


@approvals.command("answer")
def approvals_answer(
    run_id: RunId,
    step: Annotated[str, typer.Argument(help="The step that asks, such as review#1.")],
    decision: Annotated[str, typer.Argument(help="One of its choices, such as approve or reject.")],
    comment: Annotated[str | None, typer.Option(help="Why.")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", metavar="NAME=VALUE", help="A further field that is asked for.")
    ] = None,
    detach: Detach = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    out: options.Out = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Answer a question, and stay with the run."""
    from . import run, things  # noqa: PLC0415

    stay = None if detach else run.Options(place(data, server), json, quiet, out)
    return ask(
        place(data, server),
        lambda link: things.answer(link, run_id, step, decision, comment, field or [], stay),
        active=True,
    )


@letters.command("ls")
def letters_ls(
    limit: options.Limit = 50,
    cursor: options.Cursor = None,
    json: options.Json = False,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Failed and paused runs, with the step that failed and why."""
    from . import things  # noqa: PLC0415

    return ask(place(data, server), lambda link: things.list_letters(link, {"limit": limit, "cursor": cursor}, json))


@letters.command("redrive")
def letters_redrive(
    run_id: RunId,
    input: Annotated[
        str | None, typer.Option("--input", metavar="JSON", help="The failed step's new input; @FILE for a file's.")
    ] = None,
    detach: Detach = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    out: options.Out = None,
    data: options.Data = None,
    server: options.Server = None,
) -> int:
    """Try a failed run again from where it failed: a paused run is resumed, a failed one goes on as a new run."""
    from . import run, things  # noqa: PLC0415

    stay = None if detach else run.Options(place(data, server), json, quiet, out)
    return ask(place(data, server), lambda link: things.redrive(link, run_id, input, stay), active=True)
