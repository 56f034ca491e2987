"""The two outer walls of the cpython runtime, as command lines and file rules: bubblewrap, or Landlock alone.

Either way the code sees the interpreter, its standard library without site-packages, the shared libraries those load, and
what the job allows. Bubblewrap builds a file system of just that, in new namespaces. Landlock leaves the file system as
it is and forbids opening the rest, so names and sizes of other files stay visible there; it needs Linux 5.13 and no
privilege. bwrap(1), landlock(7).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import Unavailable
from .job import Job

HERE = Path(__file__).parent
GUEST = "/penstock"
SCRATCH = "/tmp"
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from inside.guest import main; main()"
FLAGS = ("-I", "-S", "-B", "-X", "utf8")
PACKAGES = frozenset({"site-packages", "dist-packages"})
DEVICES = ("/dev/null", "/dev/urandom")
PUBLIC = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
# What looking up a host and checking a certificate reads.
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/ssl/certs", "/etc/pki")

# Runs in a bare interpreter: load every extension module of the standard library, then list what the loader mapped.
PROBE = """
import ctypes, importlib, json, os, sys
folders = [path for path in sys.path if os.path.isdir(path)]
for folder in folders:
    for file in os.listdir(folder):
        name = file.partition(".")[0]
        if file.endswith(".so") and not name.startswith(("_test", "_tkinter", "_ctypes_test", "xx")):
            try: importlib.import_module(name)
            except Exception: pass
for name in ("libgcc_s.so.1", "libstdc++.so.6", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"):
    try: ctypes.CDLL(name)
    except OSError: pass
class Info(ctypes.Structure): _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]
found = []
@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
def visit(info, size, data):
    found.append(os.fsdecode(info.contents.name or b""))
    return 0
ctypes.CDLL(None).dl_iterate_phdr(visit, None)
json.dump({"folders": folders, "libraries": [os.path.normpath(p) for p in found if p.startswith("/")]}, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that runs jobs: its binary, the folders of its standard library, the libraries they load."""

    executable: str
    folders: tuple[str, ...]
    libraries: tuple[str, ...]


async def find_interpreter() -> Interpreter:
    """This process's own Python, outside any virtual environment. Takes a tenth of a second: ask once."""
    executable = _base_python()
    process = await asyncio.create_subprocess_exec(
        executable, *FLAGS, "-c", PROBE, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, env={}
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise Unavailable(f"The interpreter {executable} does not start.", code="sandbox.unavailable", retryable=False)
    found = json.loads(out)
    inside = tuple(f"{folder}/" for folder in found["folders"])
    libraries = tuple(sorted({path for path in found["libraries"] if not path.startswith(inside)}))
    return Interpreter(executable, tuple(_outermost(found["folders"])), libraries)


def _base_python() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def command(interpreter: Interpreter, report: int, home: str = str(HERE)) -> list[str]:
    """The guest's command line; its report goes to descriptor `report`."""
    return [interpreter.executable, *FLAGS, "-c", BOOT, home, str(report)]


def bubblewrap(binary: str, interpreter: Interpreter, job: Job, report: int, scratch_mb: int) -> list[str]:
    """The command line that runs the guest behind bubblewrap."""
    line = [binary, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    if job.network:
        line.append("--share-net")
    for path in _present(interpreter.executable, *interpreter.folders, *interpreter.libraries, *PUBLIC):
        line += ["--ro-bind", path, path]
    for folder in interpreter.folders:
        for path in _present(*(f"{folder}/{name}" for name in sorted(PACKAGES))):
            line += ["--tmpfs", path]
    for path in DEVICES:
        line += ["--dev-bind", path, path]
    line += ["--ro-bind", str(HERE / "inside"), f"{GUEST}/inside"]
    line += ["--size", str(scratch_mb * 1024 * 1024), "--tmpfs", SCRATCH, "--chdir", SCRATCH]
    for path in _present(*(NETWORK if job.network else ())):
        line += ["--ro-bind", path, path]
    for path in job.read:
        line += ["--ro-bind", path, path]
    for path in job.write:
        line += ["--bind", path, path]
    # The root itself is a writable tmpfs without a size until it is made read-only.
    line += ["--remount-ro", "/", "--", *command(interpreter, report, GUEST)]
    return line


def landlock(interpreter: Interpreter, job: Job, scratch: str | None) -> dict[str, Any]:
    """The file rules for `inside.confine`. Rules only add up, so what must stay hidden below a folder is left out by
    naming everything beside it."""
    read: list[str] = [*interpreter.libraries, *PUBLIC, *DEVICES, *job.read]
    for folder in interpreter.folders:
        read += [entry.path for entry in os.scandir(folder) if entry.name not in PACKAGES]
    if job.network:
        read += NETWORK
    return {"read": _present(*read), "write": list(job.write), "list": list(interpreter.folders), "scratch": scratch}


def _present(*paths: str) -> list[str]:
    return [path for path in dict.fromkeys(paths) if Path(path).exists()]


def _outermost(folders: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for folder in sorted(folders):
        if not any(folder.startswith(f"{other}/") for other in kept):
            kept.append(folder)
    return kept
