"""`penstock up`: everything in one process, until it is told to stop.

stdout gets one line, the URL to open; the log and everything said goes to stderr. SIGTERM and Ctrl-C stop it gently: no new
requests, running steps get some seconds to end, and what they do not finish goes on at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Conflict, Invalid, Unavailable
from .link import Place
from .logs import log_to_stderr
from .terminal import is_terminal, out, say

if TYPE_CHECKING:
    from ..app import Settings

PLANES = ("control", "data", "executor")


def check_planes(names: str) -> None:
    """Raises Invalid, code `plane.unknown`, or `plane.unavailable` for a combination that cannot be served."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := wanted - set(PLANES):
        raise Invalid(f"--plane {', '.join(sorted(unknown))}: the planes are {', '.join(PLANES)}", code="plane.unknown")
    if missing := [name for name in PLANES if name not in wanted]:
        hint = {"hint": f"this version serves all planes in one process: --plane {','.join(PLANES)}"}
        why = f"the planes {', '.join(missing)} would have to be reached over Kafka, for which there is no bus yet"
        raise Invalid(
            f"cannot serve {', '.join(sorted(wanted)) or 'no plane'} alone: {why}",
            code="plane.unavailable",
            detail=hint,
        )


def up(place: Place, host: str | None, port: int | None) -> int:
    """Serve until told to stop; returns the exit code."""
    from .settings import read_settings  # noqa: PLC0415 - `check_planes` alone does not need everything

    settings = read_settings(place, host=host, port=port)
    log_to_stderr(logging.INFO, as_json=not is_terminal(sys.stderr))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_up(settings, "port" not in settings.model_fields_set))


def _loop_factory() -> Any:
    with contextlib.suppress(ImportError):  # it is not for every system
        import uvloop  # noqa: PLC0415

        return uvloop.new_event_loop
    return None


async def _up(settings: Settings, any_port: bool) -> int:
    from ..api import serve  # noqa: PLC0415 - the web framework, which only this needs
    from ..api.auth import ensure_token  # noqa: PLC0415
    from ..api.server import listen  # noqa: PLC0415
    from ..app import Penstock  # noqa: PLC0415
    from .packaged import offer  # noqa: PLC0415

    try:
        async with Penstock(settings) as penstock:
            await offer(penstock)
            try:
                socket = listen(settings.host, settings.port)
            except Unavailable:
                if not any_port:
                    raise
                socket = listen(settings.host, 0)
                say(f"port {settings.port} is taken, so it is another this time; --port chooses one")

            def ready(url: str) -> None:
                out(f"{url}/?token={ensure_token(settings.token, settings.data)}")
                say(f"data is in {settings.data}; Ctrl-C stops, and what is under way goes on at the next start")

            await serve(penstock, sockets=[socket], ready=ready)
            say("stopping")
    except Conflict as error:
        if error.code == "data.in_use" and (url := _served_at(settings.data)):
            message = f"the data folder {settings.data} is served already"
            raise Conflict(message, code="data.in_use", detail={"hint": f"open {url}"}) from None
        raise
    return 0


def _served_at(data: Path) -> str | None:
    try:
        return str(json.loads((data / "server.json").read_text())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def migrate(place: Place) -> int:
    """Bring the schema of the database to this version."""
    from ..stores.migrations import migrate as bring  # noqa: PLC0415
    from .settings import read_settings  # noqa: PLC0415

    settings = read_settings(place)
    old, new = await bring(settings.journal or f"sqlite:///{settings.data / 'penstock.db'}")
    if old == new:
        say(f"the schema is {new}, which is the newest")
    else:
        say(f"the schema is now {new}" + (f"; it was {old}" if old else ", and new"))
    return 0
