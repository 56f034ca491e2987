"""`python -m penstock.tools.semgrep_server`: serves one client over stdio. `… install` makes semgrep's environment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from penstock import __version__

from ..code_server.fence import CallFailed, Fence
from .home import Home

_USAGE = """usage: python -m penstock.tools.semgrep_server [install] [--home DIR] [--root DIR ...] [--install]

  install       install semgrep into its home, unless it is there, and end
  --home DIR    where it is installed; by default tools/semgrep in the data folder (PENSTOCK_DATA, else ~/.penstock)
  --root DIR    read nothing outside DIR (may be repeated); without it, any folder
  --install     install it when the first scan is asked for, instead of refusing the scan
"""


def main() -> None:
    home = Path(os.environ.get("PENSTOCK_DATA") or Path.home() / ".penstock") / "tools" / "semgrep"
    roots: list[str] = []
    now = later = False
    rest = iter(sys.argv[1:])
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("-h", "--help"):
            sys.stdout.write(_USAGE)
            raise SystemExit(0)
        if word == "install":
            now = True
        elif word == "--install":
            later = True
        elif name in ("--home", "--root") and (value := value if equals else next(rest, "")):
            if name == "--home":
                home = Path(value)
            else:
                roots.append(value)
        else:
            sys.stderr.write(f"cannot understand {word!r}\n{_USAGE}")
            raise SystemExit(2)
    if now:
        _install(Home(home))
    else:
        _serve(Home(home), Fence(roots), later)


def _install(home: Home) -> None:
    try:
        version = home.install()
    except CallFailed as error:
        sys.stderr.write(f"{error.message}\n")
        raise SystemExit(1) from None
    sys.stdout.write(f"semgrep {version} is in {home.folder}\n")


def _serve(home: Home, fence: Fence, install: bool) -> None:
    import anyio  # noqa: PLC0415 - the usage message and the installation do without a server
    from mcp.server.stdio import stdio_server  # noqa: PLC0415

    from .server import build_server  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's: it closes our stdin when it is done

    async def run() -> None:
        server = build_server(home, fence, __version__, install)
        async with stdio_server() as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())

    anyio.run(run)


if __name__ == "__main__":
    main()
