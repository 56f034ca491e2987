"""Options that many commands have, each said once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .link import Link, Place

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="PENSTOCK_DATA",
        help="The data folder; ~/.penstock by default.",
        show_default=False,
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="PENSTOCK_SERVER",
        help="Ask this server; by default the one that owns the data folder, if any.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where files go; DATA/results/RUN_ID by default.", show_default=False),
]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Go on where a list ended.", show_default=False)]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many.")]


def place(data: Path | None, server: str | None) -> Place:
    from .link import Place  # noqa: PLC0415 - not for --help

    return Place.at(data, server)


def go(work: Coroutine[Any, Any, int | None]) -> int:
    """Run a command's work to its end; returns its exit code."""
    import asyncio  # noqa: PLC0415 - a third of what --help costs

    from .logs import log_to_stderr  # noqa: PLC0415

    log_to_stderr()
    return asyncio.run(work) or 0


def ask(where: Place, work: Callable[[Link], Awaitable[int | None]], active: bool = False) -> int:
    """Do `work` with a link."""
    from .link import connect  # noqa: PLC0415

    async def linked() -> int | None:
        async with connect(where, active) as link:
            return await work(link)

    return go(linked())
