"""`penstock doctor`: what Penstock needs here, what of it there is, and what to do about the rest.

`fail` is what nothing works without, `warn` what some work will miss. Nothing is changed, and nothing is left behind.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ..errors import PenstockError
from . import failures
from .link import Place
from .terminal import console, out, out_json, printable, size

PORT = 7411
LITTLE, NOTHING = 1_000_000_000, 100_000_000  # bytes free on the disk: a warning, a failure


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    status: str  # ok, warn or fail
    found: str
    todo: str = ""


def doctor(place: Place, as_json: bool) -> int:
    """Say what was found; exit code 1 when something fails."""
    findings = [_safely(check, place) for check in CHECKS]
    if as_json:
        out_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    return failures.FAILED if any(f.status == "fail" for f in findings) else failures.COMPLETED


def _print(findings: list[Finding]) -> None:
    from rich.text import Text  # noqa: PLC0415 - not with --json

    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    icons = {"ok": "✓", "warn": "!", "fail": "✗"}
    screen = console(sys.stdout)
    with screen.capture() as captured:
        for one in findings:
            line = Text(f"{icons[one.status]} {one.status:<5}", style=colours[one.status])
            screen.print(line.append(f"{one.name:<12} {printable(one.found)}", style="default"), soft_wrap=True)
            if one.todo:
                screen.print(f"{'':<20}{printable(one.todo)}", soft_wrap=True)
    out(captured.get())


def _safely(check: Callable[[Place], Finding], place: Place) -> Finding:
    try:
        return check(place)
    except (OSError, PenstockError, sqlite3.Error, ValueError, subprocess.SubprocessError) as error:
        name = check.__name__.strip("_").replace("_", " ")
        return Finding(name, "fail", f"{type(error).__name__}: {error}")


def _python(place: Place) -> Finding:
    return Finding("python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def _sqlite(place: Place) -> Finding:
    if sqlite3.sqlite_version_info < (3, 35):
        return Finding("sqlite", "fail", sqlite3.sqlite_version, "a Python with SQLite 3.35 or newer is needed")
    return Finding("sqlite", "ok", sqlite3.sqlite_version)


def _data_folder(place: Place) -> Finding:
    folder = place.data
    if not folder.exists():
        parent = next(p for p in folder.parents if p.exists())
        if not os.access(parent, os.W_OK):
            return Finding(
                "data folder", "fail", f"{folder} cannot be made", f"allow writing to {parent}, or use --data"
            )
        return Finding("data folder", "ok", f"{folder}, made at the first start")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"penstock")
            os.fsync(file.fileno())
    except OSError as error:
        return Finding("data folder", "fail", f"{folder}: {error.strerror}", "allow writing to it, or use --data")
    if folder.stat().st_mode & 0o077:
        return Finding("data folder", "warn", f"{folder} is open to other users", f"chmod 700 {folder}")
    return Finding("data folder", "ok", str(folder))


def _disk(place: Place) -> Finding:
    folder = next(p for p in (place.data, *place.data.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    found = f"{size(free)} free"
    if free < NOTHING:
        return Finding("disk", "fail", found, "make room: runs stop when it is full")
    return (
        Finding("disk", "warn", found, "make room before long runs") if free < LITTLE else Finding("disk", "ok", found)
    )


def _database(place: Place) -> Finding:
    from ..stores.migrations import HEAD, REVISIONS  # noqa: PLC0415

    path = place.data / "penstock.db"
    if not path.exists():
        return Finding("database", "ok", "none yet")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        intact = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        connection.close()
    if intact != "ok":
        return Finding(
            "database", "fail", f"it is damaged: {intact}", "restore a copy; stop everything that uses it first"
        )
    if found == HEAD:
        return Finding("database", "ok", f"schema {found}, {size(path.stat().st_size)}")
    if found in REVISIONS:
        return Finding(
            "database", "warn", f"schema {found}; this version has {HEAD}", "penstock migrate, or just start it"
        )
    return Finding("database", "fail", f"schema {found} is newer than this version", "upgrade Penstock")


def _server(place: Place) -> Finding:
    server = place.server()
    if server is not None:
        return Finding("server", "ok", f"{server.url} serves this data folder")
    if (place.data / "server.json").exists():
        return Finding("server", "ok", "none; the last one did not stop in order, which the next start puts right")
    return Finding("server", "ok", "none runs on this data folder")


def _port(place: Place) -> Finding:
    server = place.server()
    if server is not None and server.url.endswith(f":{PORT}"):
        return Finding("port", "ok", f"{PORT} is this data folder's server")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return Finding("port", "warn", f"{PORT} is taken", "`penstock up` will choose another; --port says which")
    return Finding("port", "ok", f"{PORT} is free")


def _sandbox(place: Place) -> Finding:
    from ..nodes.sandbox.cpython import INSTALL, WALLS, CPython  # noqa: PLC0415

    async def holding() -> dict[str, str]:
        found = {}
        for wall in WALLS:
            try:
                found[wall] = await CPython((wall,)).wall() and "holds"
            except PenstockError:
                found[wall] = "does not hold"
        return found

    walls = asyncio.run(holding())
    found = ", ".join(f"{name} {state}" for name, state in walls.items())
    if "holds" not in walls.values():
        return Finding("sandbox", "warn", found, f"code nodes with runtime cpython are refused. {INSTALL}")
    return Finding("sandbox", "ok", found)


def _git(place: Place) -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "warn", "not found", "install it: survey then knows which files are ignored")
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=True)
    return Finding("git", "ok", done.stdout.strip().removeprefix("git version "))


def _ruff(place: Place) -> Finding:
    try:
        from ruff import find_ruff_bin  # noqa: PLC0415

        done = subprocess.run([find_ruff_bin(), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (ImportError, FileNotFoundError):
        return Finding("ruff", "warn", "not found", "install it (pip install ruff): survey finds defects with it")
    return Finding("ruff", "ok", done.stdout.strip().removeprefix("ruff "))


CHECKS = (_python, _sqlite, _data_folder, _disk, _database, _server, _port, _sandbox, _git, _ruff)
