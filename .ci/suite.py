"""Run the tests as CI does: with a limit for the whole, a second chance that is told aloud, and a summary that says what failed.

    python .ci/suite.py [--limit SECONDS] [--phase NAME=SECONDS ...] COMMAND...

COMMAND runs the tests strictly: `make test`. When at most TESTS of them fail, COMMAND runs these again with `WORKERS=0` and
`ARGS=@FILE`, CHANCES times at most. What passes then is printed as FLAKY and counts as a defect; what never passes fails CI.
There is no second chance for a test that cannot be collected, for a worker or a pytest that died, or for processes that the
tests left behind. The last lines of the log: failures, flaky tests, the slowest, seconds of each phase, pytest's summary.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.suite.leavings import descendants  # noqa: E402 - of this checkout, which is no package on the path

LIMIT = 25 * 60  # seconds for everything, from setup to the last chance
TESTS, CHANCES = 10, 2
SHOWN = 20  # failures; the log has the others
FOLDER = Path("build/ci")
LEFT = "tests/suite/leavings.py::nothing_is_left"  # no test that could run again


@dataclass
class Suite:
    command: list[str]
    until: float  # on the monotonic clock
    flaky: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    def run(self, *more: str) -> dict[str, Any]:
        """Run the command to its end. What came of it, as tests/suite/outcome.py writes it; empty where it wrote nothing."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        outcome = FOLDER / "outcome.json"
        outcome.unlink(missing_ok=True)
        environment = {**os.environ, "SUITE_OUTCOME": str(outcome.resolve())}
        process = subprocess.Popen([*self.command, *more], env=environment)
        timer = threading.Timer(max(0.0, self.until - time.monotonic()), self._stop)
        timer.start()
        code = process.wait()
        timer.cancel()
        try:
            found = json.loads(outcome.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        found["code"] = code
        return found

    def _stop(self) -> None:
        """The time is up: write the stacks of whatever runs tests, and end it all."""
        self.stopped = True
        for one in descendants(os.getpid()):
            if one.runs_tests():
                one.signal(signal.SIGUSR1)
        time.sleep(5)  # for the stacks to be written
        for one in descendants(os.getpid()):
            one.signal(signal.SIGKILL)

    def again(self, first: dict[str, Any]) -> list[str]:
        """Give what failed its further chances. The ids that failed each time."""
        left = sorted(first["failed"])
        for chance in range(CHANCES):
            if not left or self.stopped:
                break
            say(f"\n{len(left)} failed; chance {chance + 2} of {CHANCES + 1} for these alone")
            ids = FOLDER / "again.txt"
            ids.write_text("\n".join(left) + "\n", encoding="utf-8")
            found = self.run("WORKERS=0", f"ARGS=@{ids}")
            if found.get("broken", True):
                break
            passed = [test for test in left if test not in found["failed"]]
            if found["passed"] < len(passed):  # so not all of them ran
                break
            self.flaky |= {test: first["failed"][test]["line"] for test in passed}
            left = [test for test in left if test in found["failed"]]
        return left


def deserves_again(first: dict[str, Any]) -> bool:
    failed = first.get("failed", {})
    return 0 < len(failed) <= TESTS and not first["broken"] and LEFT not in failed


def tell(first: dict[str, Any], left: list[str], suite: Suite, phases: list[str], began: float) -> None:
    """The end of the log. Its last line is that of pytest, in which a flaky test is one that passed."""
    failed, flaky = first["failed"], suite.flaky
    say("")
    for test in left[:SHOWN]:
        say(f"FAILED {test} - {failed[test]['line']}")
    if len(left) > SHOWN:
        say(f"FAILED … and {len(left) - SHOWN} more")
    for broken in first["broken"]:
        say(f"BROKEN {broken}")
    for test, line in flaky.items():
        say(f"FLAKY {test} - {line}")
    for seconds, test in first["slowest"]:
        say(f"{seconds:7.1f} s  {test}")
    took = time.monotonic() - began
    say(" · ".join("{} {} s".format(*phase.split("=")) for phase in [*phases, f"test={took:.0f}"]))
    errors = sum(failed[test]["when"] != "call" for test in left)
    passed = first["passed"] + sum(failed[test]["when"] != "teardown" for test in flaky)
    counts = {"failed": len(left) - errors, "passed": passed, "skipped": len(first["skipped"]), "errors": errors}
    say(", ".join(f"{n} {word}" for word, n in counts.items() if n or word == "passed") + f" in {took:.2f}s")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--limit", type=float, default=LIMIT)
    parser.add_argument("--phase", action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    began = time.monotonic()
    spent = sum(float(phase.partition("=")[2]) for phase in given.phase)
    suite = Suite(given.command, began + given.limit - spent)
    first = suite.run()
    if suite.stopped or "failed" not in first:
        why = f"over the limit of {given.limit:.0f} s" if suite.stopped else "the tests did not come to their end"
        say(f"\nBROKEN {why}: no second chance")
        return 1
    left = suite.again(first) if deserves_again(first) else sorted(first["failed"])
    if suite.stopped:
        first["broken"].append(f"over the limit of {given.limit:.0f} s")
    tell(first, left, suite, given.phase, began)
    return 1 if left or first["broken"] or (first["code"] and not suite.flaky) else 0


if __name__ == "__main__":
    sys.exit(main())
