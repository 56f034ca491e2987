"""What came of a run of the suite, as JSON for the program that decides about a second chance: `.ci/suite.py`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SLOWEST = 10


class Outcome:
    """A plugin of the process that shares out the tests. What it writes:

    {"failed": {id: {"when": "setup" | "call" | "teardown", "line": the reason's first line}}, "passed": number, "skipped":
    {id: reason}, "slowest": [[seconds, id], …], "broken": [what went wrong that is no failure of a test, …]}
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed: dict[str, dict[str, str]] = {}
        self._skipped: dict[str, str] = {}
        self._passed = 0
        self._seconds: Counter[str] = Counter()
        self._broken: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.setdefault(report.nodeid, {"when": report.when, "line": _line(report)})
            if "crashed while running" in str(report.longrepr):  # the words of pytest-xdist
                self._broken.append(f"a worker died in {report.nodeid}")
        elif report.skipped:
            self._skipped[report.nodeid] = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
        elif report.when == "call":
            self._passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._broken.append(f"{report.nodeid} cannot be collected")

    def pytest_internalerror(self, excrepr: Any) -> None:
        self._broken.append("pytest failed inside")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        found = {
            "failed": self._failed,
            "passed": self._passed,
            "skipped": self._skipped,
            "slowest": sorted(((s, test) for test, s in self._seconds.items()), reverse=True)[:SLOWEST],
            "broken": self._broken,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]
