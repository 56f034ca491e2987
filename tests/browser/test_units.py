"""The parts of the pages that need no browser: their own tests, their types and their lint, as `ui/build.py` runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.services import absent

UI = Path(__file__).parents[2] / "ui"


@pytest.mark.parametrize("what", ["test", "check"])
def test_the_pages_own_tests(what: str):
    if not (UI / "node_modules").is_dir():
        absent("the pages were not built: make ui")
    done = subprocess.run([sys.executable, UI / "build.py", what], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
