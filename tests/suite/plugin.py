"""Rules for a whole run of the suite: what it starts ends with it, what it leaves is a failure, and CI has no silent skips."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.suite import leavings
from tests.suite.outcome import Outcome

ROOT = Path(__file__).parents[2]
PLATFORM = "platform: "  # so begins the reason of a skip that CI lets pass
OUTCOME = "SUITE_OUTCOME"  # the variable with the path of the file that tells what came of the run
LEFT = "tests/suite/leavings.py::nothing_is_left"  # stands for a test in the summary


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(
        signal, "SIGUSR1"
    ):  # it writes the stacks of all threads to what was standard error before pytest captured it
        faulthandler.register(signal.SIGUSR1, os.dup(2), all_threads=True)
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(Run(config))
    if path := os.environ.pop(OUTCOME, None):
        config.pluginmanager.register(Outcome(Path(path)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """In CI a skip is a failure, unless its reason names the platform."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(PLATFORM):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, and the reason names no platform: {reason}"
    return report


class Run:
    """One run of the suite, in the process that shares out the tests: its mark, its folder for temporary files, its watcher."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mark = uuid.uuid4().hex
        os.environ.setdefault(
            "PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir()
        )  # what pytest keeps to be looked at stays there
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-tests-"))
        self._folder.chmod(0o711)  # Postgres runs as a user of its own and goes through this folder
        command = [sys.executable, "-m", "tests.suite.watcher", self._mark, str(os.getpid()), str(self._folder)]
        # The pipe to the watcher closes when this process has ended, after whatever libraries do at their exit.
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(self._folder)
        os.environ[leavings.MARK] = self._mark

    @pytest.hookimpl(trylast=True)  # after the workers have ended
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        until = time.monotonic() + PATIENCE
        while (left := self._left()) and time.monotonic() < until:  # what is ending need not have ended yet
            time.sleep(0.1)
        if left:
            text = "left by the tests, and ended now:\n" + "\n".join(left)
            report = pytest.TestReport(LEFT, (LEFT.partition("::")[0], 0, LEFT), {}, "failed", text, "call")
            self._config.hook.pytest_runtest_logreport(report=report)
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _left(self) -> list[str]:
        mine = {os.getpid(), self._watcher.pid}
        processes = leavings.marked(self._mark) | leavings.descendants(os.getpid())
        return [
            *sorted(str(process) for process in processes if process.pid not in mine),
            *(f"folder {path.name}" for path in leavings.folders(self._folder)),
        ]
