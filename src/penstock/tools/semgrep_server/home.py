"""The environment semgrep lives in: a virtual environment of its own, made when somebody asks for it, never ours.

semgrep is a third of a gigabyte and pins libraries that Penstock needs newer, so it is neither a dependency nor an extra. It
is whole when the file `ready` beside it says so, which is written last: an installation that was broken off is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..code_server.fence import CallFailed

WANTED = "semgrep>=1.182,<2"
INSTALL_SECONDS = 1800


class Home:
    """A folder with semgrep in it, or where it will be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()

    @property
    def command(self) -> Path:
        return self.folder / "env" / "bin" / "semgrep"

    def version(self) -> str | None:
        """Of the semgrep that is there; None without one."""
        try:
            said = (self.folder / "ready").read_text(encoding="utf-8").strip()
        except OSError:
            return None
        return said if said and self.command.is_file() else None

    def must_be_there(self) -> str:
        """Its version. Raises CallFailed `semgrep.absent`, which says how to install it."""
        if version := self.version():
            return version
        raise CallFailed(
            "semgrep.absent",
            f"semgrep is not installed in {self.folder}. To install it there (about 340 MB), run: "
            f"python -m penstock.tools.semgrep_server install --home {self.folder}",
        )

    def install(self, check: Callable[[], None] = lambda: None) -> str:
        """Make the environment, unless it is there; returns the version. Others who want the same wait. uv does it where there
        is one, else venv and pip. Raises CallFailed `semgrep.install_failed`; what `check` raises stops it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder / "lock", check):
            if version := self.version():
                return version
            env = self.folder / "env"
            shutil.rmtree(env, ignore_errors=True)
            python = env / "bin" / "python"
            if uv := _uv():
                _run([uv, "venv", "--quiet", "--python", sys.executable, str(env)], check)
                _run([uv, "pip", "install", "--quiet", "--python", str(python), WANTED], check)
            else:
                _run([sys.executable, "-m", "venv", str(env)], check)
                _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", WANTED], check)
            version = _run([str(self.command), "--version", "--disable-version-check"], check).strip()
            (self.folder / "ready").write_text(f"{version}\n", encoding="utf-8")
            return version

    def environment(self) -> dict[str, str]:
        """Of a semgrep process: nothing of ours but the path, a home of its own, and nothing that asks the network."""
        return {
            "PATH": os.pathsep.join((str(self.command.parent), os.environ.get("PATH", os.defpath))),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "SEMGREP_SEND_METRICS": "off",
            "SEMGREP_ENABLE_VERSION_CHECK": "0",
            "SEMGREP_SETTINGS_FILE": str(self.folder / "settings.yml"),
            "SEMGREP_LOG_FILE": str(self.folder / "semgrep.log"),
        }


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


@contextlib.contextmanager
def _alone(lock: Path, check: Callable[[], None]) -> Iterator[None]:
    with lock.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                check()
                time.sleep(0.2)
        yield


def _run(command: list[str], check: Callable[[], None]) -> str:
    try:
        return run(command, None, dict(os.environ), INSTALL_SECONDS, check)[1]
    except CallFailed as error:
        raise CallFailed("semgrep.install_failed", f"semgrep could not be installed: {error.message}") from None


def run(
    command: list[str],
    folder: Path | None,
    env: dict[str, str],
    seconds: float,
    check: Callable[[], None],
    fine: tuple[int, ...] = (0,),
) -> tuple[int, str]:
    """(exit code, stdout) of a process that ends with one of `fine`, killed when `check` raises. Raises CallFailed
    `semgrep.failed`, `semgrep.timeout`."""
    try:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise CallFailed("semgrep.failed", f"{command[0]} did not start: {error}") from error
    until = time.monotonic() + seconds
    try:
        while True:
            check()
            try:
                out, err = process.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    raise CallFailed("semgrep.timeout", f"{command[0]} took longer than {seconds:g} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode not in fine:
        told = (err or out).decode("utf-8", "replace").strip()[-2000:]
        raise CallFailed("semgrep.failed", f"{Path(command[0]).name} ended with {process.returncode}: {told}")
    return process.returncode, out.decode("utf-8", "replace")
