"""The semgrep server through a real stdio process. Semgrep itself is 335 MB: what needs it runs only when PENSTOCK_TEST_SEMGREP is
set, to 1 (it is installed for the test) or to a folder (where it is, or is installed and left)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from tests.tools.test_code_server import Tools, connect

from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

SOURCE = str(Path(__file__).parents[2] / "src")
MODULE = ["-P", "-m", "penstock.tools.semgrep_server"]
WANTED = os.environ.get("PENSTOCK_TEST_SEMGREP", "")

FLOW = """import subprocess

from flask import request


def run():
    name = request.args.get("name")
    command = "ls " + name
    subprocess.run(command, shell=True)


def fine():
    subprocess.run(["ls", request.args.get("name")])
"""
PAGE = "const box = document.getElementById('b')\nbox.innerHTML = location.hash.slice(1)\n"
OWN = """rules:
  - id: team.no-print
    languages: [python]
    severity: INFO
    message: Use the log.
    pattern: print(...)
"""


def parameters(*words: str) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=[*MODULE, *words], env={"PYTHONPATH": SOURCE})


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.fixture
async def absent(tmp_path: Path) -> AsyncIterator[Tools]:
    async for one in connect(parameters("--home", str(tmp_path / "home"))):
        yield one


class TestWithoutSemgrep:
    async def test_it_says_so_and_how_to_install_it(self, absent: Tools, tmp_path: Path) -> None:
        status = await absent.call("semgrep_status")
        assert status == {"installed": False, "version": None, "home": str(tmp_path / "home")}
        result = await absent.client.call_tool("semgrep_scan", {"root": str(tmp_path)})
        assert (result.meta or {})["penstock/code"] == "semgrep.absent"
        assert f"python -m penstock.tools.semgrep_server install --home {tmp_path / 'home'}" in str(result.content)
        assert not (tmp_path / "home").exists(), "nothing is made that nobody asked for"

    async def test_what_is_half_installed_is_not_there(self, absent: Tools, tmp_path: Path) -> None:
        write(tmp_path, {"home/env/bin/semgrep": "#!/bin/sh\nexit 1\n"})
        assert await absent.refused("semgrep_scan", root=str(tmp_path)) == "semgrep.absent"

    async def test_wrong_arguments_are_named(self, absent: Tools, tmp_path: Path) -> None:
        assert await absent.refused("semgrep_scan") == "arguments.invalid"
        assert await absent.refused("semgrep_scan", root=str(tmp_path / "no")) == "path.not_found"
        assert await absent.refused("semgrep_dance") == "tool.unknown"

    async def test_its_capability_is_found_by_asking_it(self, tmp_path: Path) -> None:
        config = ServerConfig(
            name="semgrep",
            command=sys.executable,
            args=[*MODULE, "--home", str(tmp_path)],
            env={"PYTHONPATH": SOURCE},
        )
        servers = Servers([config])
        try:
            found, tool = await servers.resolve(["code.semgrep"])
        finally:
            await servers.aclose()
        assert (found.name, tool) == ("semgrep", "semgrep_scan")

    def test_wrong_words_on_the_command_line(self) -> None:
        words = [sys.executable, *MODULE, "--rooot", "x"]
        env = {**os.environ, "PYTHONPATH": SOURCE}
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "--root" in done.stderr

    def test_an_installation_that_fails_says_why_and_is_not_taken_for_one(self, tmp_path: Path) -> None:
        words = [sys.executable, *MODULE, "install", "--home", str(tmp_path / "home")]
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": SOURCE, "UV_OFFLINE": "1"}
        env |= {
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "UV_NO_CONFIG": "1",
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": "/dev/null",
        }
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "semgrep could not be installed" in done.stderr
        assert not (tmp_path / "home/ready").exists()


@pytest.fixture(scope="module")
async def tools(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tools]:
    home = tmp_path_factory.mktemp("semgrep") if WANTED == "1" else Path(WANTED)
    async with Client(parameters("--home", str(home), "--install"), cache=None, read_timeout_seconds=1800) as client:
        listed = await client.list_tools()
        yield Tools(client, {tool.name: tool.output_schema for tool in listed.tools})


class TestForReal:
    __test__ = bool(WANTED)

    async def test_flows_of_data_are_found(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, {"app/run.py": FLOW, "web/page.js": PAGE, "app/clean.py": "print(1)\n"})
        found = await tools.call("semgrep_scan", root=str(tmp_path))
        assert [(f["path"], f["line"], f["rule"], f["severity"]) for f in found["findings"]] == [
            ("app/run.py", 9, "python.request-to-shell", "high"),
            ("web/page.js", 2, "javascript.address-to-page", "high"),
        ]
        assert found["findings"][0]["cwe"] == "CWE-78"
        assert found["counts"]["by_severity"] == {"high": 2, "medium": 0, "low": 0}
        assert found["scanned"] == 3
        status = await tools.call("semgrep_status")
        assert (status["installed"], status["version"]) == (True, found["version"])

    async def test_every_bundled_rule_is_one_that_semgrep_takes(self, tools: Tools, tmp_path: Path) -> None:
        from penstock.tools.semgrep_server.scan import BUNDLED

        text = BUNDLED.read_text()
        write(tmp_path, {"a.py": "x = 1\n"})
        assert (await tools.call("semgrep_scan", root=str(tmp_path), rules_text=text))["findings"] == []

    async def test_paths_and_rules_of_ones_own(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, {"rules/team.yaml": OWN, "a.py": "print(1)\n", "b.py": "print(2)\nprint(3)\n"})
        found = await tools.call("semgrep_scan", root=str(tmp_path), paths=["b.py"], rules=["rules"], max_findings=1)
        assert [(f["path"], f["rule"], f["severity"]) for f in found["findings"]] == [("b.py", "team.no-print", "low")]
        assert (found["counts"]["findings"], found["truncated"]) == (2, True)
        same = await tools.call("semgrep_scan", root=str(tmp_path), paths=["a.py"], rules_text=OWN)
        assert [f["rule"] for f in same["findings"]] == ["team.no-print"]

    async def test_what_cannot_be_parsed_is_said(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, {"bad.py": "def f(:\n  print(\n"})
        found = await tools.call("semgrep_scan", root=str(tmp_path), rules_text=OWN)
        assert found["findings"] == []
        assert "bad.py" in {entry["path"] for entry in found["skipped"]}

    async def test_bad_rules_rules_of_the_network_and_paths_that_lead_out(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, {"a.py": "print(1)\n", "rules.yaml": "rules: [{id: a}]\n", "odd.yaml": "a: [\n"})
        root = str(tmp_path)
        for rules in ("rules.yaml", "odd.yaml", "p/python", "auto", "https://example.org/r.yaml"):
            assert await tools.refused("semgrep_scan", root=root, rules=[rules]) == "semgrep.bad_rules", rules
        assert await tools.refused("semgrep_scan", root=root, paths=["../x"]) == "path.outside_root"
        assert await tools.refused("semgrep_scan", root=root, paths=["no.py"]) == "path.not_found"
        assert await tools.refused("semgrep_scan", root=root, rules=["../rules.yaml"]) == "path.outside_root"
        assert await tools.refused("semgrep_scan", root=root, seconds=0.01) == "semgrep.timeout"
