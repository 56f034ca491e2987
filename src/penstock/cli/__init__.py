"""The command `penstock`.

Declarations are here and in `commands` and `groups`; what a command does is in the module it names, and is loaded when it runs, so
that `penstock --help` costs no more than the parser. Every way to end is one function: `main` turns errors into one line and an
exit code (0 done, 1 failed, 2 wrong usage, 3 cancelled, 4 needs a person), and a traceback is shown to those who ask (`--debug`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line given (the process's own by default), and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if debug:
        given.remove("--debug")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before we began
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - as a stream, for as long as we live
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr] - a terminal without Unicode gets ? for ✓
    code = _run(given, debug)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    from ..errors import PenstockError  # noqa: PLC0415 - `main` is all that an import of this package needs
    from .commands import app  # noqa: PLC0415

    try:
        code = app(arguments, prog_name="penstock", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PenstockError as error:
        if debug:
            raise
        from . import failures  # noqa: PLC0415

        failures.show(error)
        return failures.exit_code(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        from .terminal import hang_up  # noqa: PLC0415

        hang_up(sys.stdout)
        return 0
    except Exception as error:
        if debug:
            raise
        return _unforeseen(error)


def _unforeseen(error: Exception) -> int:
    """What the parser and the operating system refuse has a message for people; anything else is a defect of ours."""
    from ..errors import PenstockError  # noqa: PLC0415
    from . import failures  # noqa: PLC0415

    said = getattr(error, "format_message", None)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        failures.show(PenstockError(f"{where}{(error.strerror or str(error)).lower()}", code="system"))
        return failures.FAILED
    if said is None:
        hint = {"hint": "this is a defect of Penstock: add --debug to see where, and report it"}
        failures.show(PenstockError(f"{type(error).__name__}: {error}", code="internal", detail=hint))
        return failures.FAILED
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "penstock")
    failures.show(failures.UsageError(said().rstrip("."), detail={"hint": f"see: {command} --help"}))
    return failures.USAGE
