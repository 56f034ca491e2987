"""The suite's own laws, each over a small suite of its own: nothing is left behind, and a second chance is told aloud.

Costs about 15 s.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.suite import leavings

ROOT = Path(__file__).parents[2]
TREE = """
    import os, subprocess, sys, time
    SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
    def tell(process):
        with open(os.environ["TOLD"], "w") as file:
            file.write(str(process.pid))
"""


class Small:
    """A suite of one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = folder / "told"
        self.environment = {k: v for k, v in os.environ.items() if k not in ("CI", "SUITE_OUTCOME", leavings.MARK)}
        self.environment |= {"TOLD": str(self.told), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
        self.environment["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        (folder / "tmp").mkdir()
        (folder / "pytest.ini").write_text("[pytest]\ntimeout = 60\naddopts = -p tests.suite.plugin -q -rfE\n")

    def command(self, text: str) -> list[str]:
        (self.folder / "test_it.py").write_text(textwrap.dedent(TREE) + textwrap.dedent(text))
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(self.folder)]

    def begin(self, text: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(text),
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, text: str, **more: str) -> tuple[int, str]:
        process = self.begin(text, **more)
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said

    def as_ci(self, text: str, *options: str) -> tuple[int, list[str]]:
        """What .ci/suite.py answers, and the lines it ends with. A Makefile stands for the project's."""
        arguments = " ".join(self.command(text)[3:])
        (self.folder / "Makefile").write_text(
            f"WORKERS = 0\ntest:\n\t@{sys.executable} -m pytest -n $(WORKERS) {arguments} $(ARGS)\n"
        )
        command = [sys.executable, str(ROOT / ".ci/suite.py"), *options, "--phase", "setup=3", "make", "-s", "test"]
        found = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return found.returncode, found.stdout.splitlines()


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def wait_for(done: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    return bool(leavings._process(pid))


LEAVES = """
    def test_it():
        tell(subprocess.Popen(SLEEP{}, start_new_session=True))
        open(os.path.join(os.environ["TMPDIR"], "left"), "w").close()
"""


@pytest.mark.parametrize("how", ["", ", env={}"], ids=["marked", "in an environment of its own"])
def test_what_a_test_leaves_is_named_and_ended(small: Small, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    (small.folder / "conftest.py").write_text("from tests.suite import plugin\nplugin.PATIENCE = 2\n")
    code, said = small.run(LEAVES.format(how))
    pid = int(small.told.read_text())
    assert code == 1, said
    assert f"process {pid} (" in said
    assert "folder left" in said
    assert re.search(r"1 failed, 1 passed", said)
    wait_for(lambda: not is_running(pid))
    wait_for(lambda: not list((small.folder / "tmp").iterdir()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_test_started_ends_with_a_suite_that_is_killed(small: Small, number: int) -> None:
    process = small.begin(
        "def test_it():\n    tell(subprocess.Popen(SLEEP, start_new_session=True))\n    time.sleep(600)"
    )
    wait_for(lambda: small.told.exists() and small.told.read_text())
    pid = int(small.told.read_text())
    assert is_running(pid)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not is_running(pid))
    wait_for(lambda: not list((small.folder / "tmp").iterdir()))


def test_in_ci_a_skip_is_a_failure_unless_it_names_the_platform(small: Small) -> None:
    text = """
        import pytest
        def test_a():
            pytest.skip("no such server")
        def test_b():
            pytest.skip("platform: only x86_64 has it")
    """
    assert "2 skipped" in small.run(text)[1]
    code, said = small.run(text, CI="true")
    assert code == 1
    assert "1 failed, 1 skipped" in said
    assert "no such server" in said


FLAKY = """
    import pathlib
    count = pathlib.Path(os.environ["TOLD"])
    def test_well():
        pass
    def test_flaky():
        before = count.read_text() if count.exists() else ""
        count.write_text(before + "x")
        assert len(before) == {}, "not yet"
"""


@pytest.mark.parametrize("failures", [1, 2])
def test_what_passes_at_last_is_flaky_and_told(small: Small, failures: int) -> None:
    code, lines = small.as_ci(FLAKY.format(failures))
    assert code == 0, lines
    assert [line for line in lines if line.startswith("FLAKY")] == [
        "FLAKY test_it.py::test_flaky - AssertionError: not yet"
    ]
    assert re.fullmatch(r"2 passed in \d+\.\d\ds", lines[-1])
    assert re.fullmatch(r"setup 3 s · test \d+ s", lines[-2])


def test_what_fails_three_times_fails(small: Small) -> None:
    code, lines = small.as_ci(FLAKY.format(3))
    assert code == 1
    assert small.told.read_text() == "xxx"
    assert not [line for line in lines if line.startswith("FLAKY")]
    assert "FAILED test_it.py::test_flaky - AssertionError: not yet" in lines[-8:]
    assert re.fullmatch(r"1 failed, 1 passed in \d+\.\d\ds", lines[-1])


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_it(n):\n    tell_once()\n    assert False\n",
        "tell_once()\nimport nothing_of_this_name\n",
        "def test_it():\n    tell_once()\n    os.kill(os.getpid(), 9)\n",
        LEAVES.replace("def test_it():", "def test_it():\n        tell_once()").format("") + "        assert False\n",
    ],
    ids=["over ten failures", "no collection", "a dead runner", "something left"],
)
def test_there_is_no_second_chance(small: Small, text: str) -> None:
    (small.folder / "conftest.py").write_text("from tests.suite import plugin\nplugin.PATIENCE = 0\n")
    once = "def tell_once():\n    with open('times', 'a') as file:\n        print('run', file=file)\n"
    code, lines = small.as_ci(once + textwrap.dedent(text))
    assert code == 1, lines
    assert not [line for line in lines if "chance 2" in line or line.startswith("FLAKY")]
    times = (small.folder / "times").read_text().split()
    assert times in (["run"], ["run"] * 11)


def test_a_suite_that_hangs_is_ended_with_its_stacks(small: Small) -> None:
    text = "def test_it():\n    tell(subprocess.Popen(SLEEP))\n    time.sleep(600)\n"
    code, lines = small.as_ci(text, "--limit", "18")  # of which the phase before has used 3
    assert code == 1
    assert lines[-1] == "BROKEN over the limit of 18 s: no second chance"
    assert [line for line in lines if line.endswith("in test_it")]
    wait_for(lambda: not is_running(int(small.told.read_text())))
