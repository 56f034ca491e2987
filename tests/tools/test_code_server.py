"""The bundled server's tools, on real folders, through a real stdio process and the official client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from mcp import Client, StdioServerParameters
from tests.tools.conftest import started

from penstock.tools.config import builtin_servers

pytestmark = pytest.mark.anyio

BUILTIN = builtin_servers()[0]
# Put together here, so that this file is not itself a finding.
AWS_KEY = "AK" + "IAQWERTYUIOPASDFGH"
KEY_HEAD = "-----BEGIN RSA " + "PRIVATE KEY-----"
OURS, THEIRS = "<" * 7 + " ours", ">" * 7 + " theirs"


def parameters(*args: str) -> StdioServerParameters:
    return StdioServerParameters(command=BUILTIN.command or "", args=[*BUILTIN.args, *args], env=BUILTIN.env)


class Tools:
    """The client; `call` checks each result against the tool's declared schema."""

    def __init__(self, client: Client, schemas: dict[str, Any]) -> None:
        self.client = client
        self._schemas = schemas

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        result = await self.client.call_tool(name, arguments)
        assert not result.is_error, result.content
        assert result.structured_content is not None
        jsonschema.validate(result.structured_content, self._schemas[name])
        return result.structured_content

    async def refused(self, name: str, **arguments: Any) -> str:
        result = await self.client.call_tool(name, arguments)
        assert result.is_error, result.structured_content
        return (result.meta or {})["penstock/code"]


async def connect(server: Any, mode: str = "auto") -> AsyncIterator[Tools]:
    async with Client(server, mode=mode, cache=None) as client:
        listed = await client.list_tools()
        yield Tools(client, {tool.name: tool.output_schema for tool in listed.tools})


@pytest.fixture(scope="module")
async def tools() -> AsyncIterator[Tools]:
    async for one in connect(parameters()):
        yield one


@pytest.fixture(scope="module", params=["auto", "legacy", "http"])
async def everywhere(request: pytest.FixtureRequest) -> AsyncIterator[Tools]:
    if request.param == "http":
        with started([*BUILTIN.args, "--http", "0"], env=BUILTIN.environment()) as url:
            async for one in connect(url):
                yield one
    else:
        async for one in connect(parameters(), request.param):
            yield one


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def git(root: Path, *words: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *who, *words], cwd=root, env=env, check=True, capture_output=True)


def paths(result: dict[str, Any]) -> list[str]:
    return [entry["path"] for entry in result["files"]]


def reasons(result: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["reason"] for entry in result["skipped"]}


class TestContract:
    async def test_every_tool_says_what_it_takes_and_returns_and_that_it_only_reads(self, everywhere: Tools) -> None:
        listed = {tool.name: tool for tool in (await everywhere.client.list_tools()).tools}
        assert set(BUILTIN.capabilities.values()) <= set(listed)
        for tool in listed.values():
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            assert tool.output_schema is not None
            jsonschema.Draft202012Validator.check_schema(tool.output_schema)
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
        named = {c: tool.name for tool in listed.values() for c in (tool.meta or {}).get("penstock/capabilities", [])}
        assert named == BUILTIN.capabilities

    async def test_all_of_it_over_every_transport_and_protocol(self, everywhere: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="import os\nprint(undefined)\n")
        assert paths(await everywhere.call("list_files", path=str(tmp_path))) == ["a.py"]
        assert (await everywhere.call("read_file", root=str(tmp_path), path="a.py", end_line=1))[
            "text"
        ] == "import os\n"
        scanned = await everywhere.call("scan_files", root=str(tmp_path), paths=["a.py"])
        assert [f["rule"] for f in scanned["findings"]] == ["F821", "F401"]
        graph = await everywhere.call("knowledge_graph", root=str(tmp_path), paths=["a.py"])
        assert graph["counts"]["modules"] == 1
        assert await everywhere.refused("list_files", path=str(tmp_path / "no")) == "path.not_found"

    async def test_wrong_arguments_and_unknown_tools_are_named(self, tools: Tools) -> None:
        assert await tools.refused("list_files") == "arguments.invalid"
        assert await tools.refused("list_files", path="/tmp", nonsense=1) == "arguments.invalid"
        assert await tools.refused("scan_files", root="/tmp", paths=["x"], level="shallow") == "arguments.invalid"
        assert await tools.refused("list_fishes") == "tool.unknown"

    async def test_wrong_words_on_the_command_line(self) -> None:
        done = subprocess.run(  # noqa: ASYNC221
            [sys.executable, *BUILTIN.args, "--root"],
            env=BUILTIN.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "--root" in done.stderr


class TestConfinement:
    async def test_nothing_outside_the_root_of_a_call_is_read(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, secret_dot_txt="s", root__a_dot_txt="a")
        root = tmp_path / "root"
        (root / "link.txt").symlink_to(tmp_path / "secret.txt")
        (root / "folder").symlink_to(tmp_path)
        for path in (
            "../secret.txt",
            str(tmp_path / "secret.txt"),
            "link.txt",
            "folder/secret.txt",
            "a/../../secret.txt",
        ):
            assert await tools.refused("read_file", root=str(root), path=path) == "path.outside_root", path
            assert await tools.refused("scan_files", root=str(root), paths=["a.txt", path]) == "path.outside_root"
            assert await tools.refused("scan_file", root=str(root), path=path) == "path.outside_root"
        (root / "link.py").symlink_to(tmp_path / "secret.txt")
        assert await tools.refused("knowledge_graph", root=str(root), paths=["link.py"]) == "path.outside_root"
        listed = await tools.call("list_files", path=str(root))
        assert paths(listed) == ["a.txt"]
        assert set(reasons(listed).values()) == {"link_outside_root"}

    async def test_with_roots_given_no_other_folder_is_read(self, tmp_path: Path) -> None:
        write(tmp_path, inside__a_dot_txt="a", inside_too__b_dot_txt="b", other__c_dot_txt="c")
        (tmp_path / "inside" / "way_out").symlink_to(tmp_path / "other")
        async for tools in connect(parameters("--root", str(tmp_path / "inside"))):
            assert paths(await tools.call("list_files", path=str(tmp_path / "inside"))) == ["a.txt"]
            for other in ("other", "inside_too", "inside/../other", "inside/way_out", "."):
                assert await tools.refused("list_files", path=str(tmp_path / other)) == "path.outside_root", other
                assert await tools.refused("read_file", root=str(tmp_path / other), path="c.txt") == "path.outside_root"

    @pytest.mark.parametrize("path", ["", "\0", "a\0b", "x" * 5000, "no/such/file", "."])
    async def test_odd_paths_are_refused_by_name(self, tools: Tools, tmp_path: Path, path: str) -> None:
        code = await tools.refused("read_file", root=str(tmp_path), path=path)
        assert code in {"arguments.invalid", "path.invalid", "path.not_found", "path.not_a_file"}

    async def test_a_pipe_is_never_waited_for(self, tools: Tools, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.py")
        assert await tools.refused("read_file", root=str(tmp_path), path="pipe.py") == "path.not_a_file"
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=["pipe.py"])
        assert scanned["skipped"] == [{"path": "pipe.py", "reason": "path.not_a_file"}]
        assert reasons(await tools.call("list_files", path=str(tmp_path))) == {"pipe.py": "not_a_file"}


class TestListing:
    async def test_what_git_ignores_is_left_out_in_a_checkout(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, _dot_gitignore="*.log\nbuild/\n", a_dot_py="x = 1\n", noise_dot_log="n", build__b_dot_py="b")
        write(tmp_path, src__new_dot_js="let a\n")
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", "a.py")
        listed = await tools.call("list_files", path=str(tmp_path))
        assert listed["source"] == "git"
        assert paths(listed) == [".gitignore", "a.py", "src/new.js"]
        assert paths(await tools.call("list_files", path=str(tmp_path / "src"))) == ["new.js"]

    async def test_a_folder_git_ignores_can_itself_be_listed(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, _dot_gitignore="out/\n", out__a_dot_py="x = 1\n")
        git(tmp_path, "init", "-q")
        assert paths(await tools.call("list_files", path=str(tmp_path / "out"))) == ["a.py"]

    async def test_a_repository_cannot_make_git_run_its_programs(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="x = 1\n")
        git(tmp_path, "init", "-q")
        hook = tmp_path / ".git" / "trap"
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
        hook.chmod(0o755)
        git(tmp_path, "config", "core.fsmonitor", str(hook))
        (tmp_path / "sprung").unlink(missing_ok=True)
        assert paths(await tools.call("list_files", path=str(tmp_path))) == ["a.py"]
        assert not (tmp_path / "sprung").exists()

    async def test_gitignore_files_count_without_git_and_the_deepest_wins(self, tools: Tools, tmp_path: Path) -> None:
        write(
            tmp_path, _dot_gitignore="*.txt\n/top\n", a_dot_txt="", b_dot_py="", top__c_dot_py="", in__top__d_dot_py=""
        )
        write(tmp_path, in___dot_gitignore="!kept.txt\n", in__kept_dot_txt="", node_modules__m_dot_js="")
        listed = await tools.call("list_files", path=str(tmp_path))
        assert listed["source"] == "walk"
        assert paths(listed) == [".gitignore", "b.py", "in/.gitignore", "in/kept.txt", "in/top/d.py"]

    async def test_include_and_exclude_are_gitignore_patterns(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="", src__b_dot_py="", src__gen__c_dot_py="", src__d_dot_js="")
        listed = await tools.call("list_files", path=str(tmp_path), include=["src/"], exclude=["gen/", "*.js"])
        assert paths(listed) == ["src/b.py"]

    async def test_size_lines_and_language(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="x\ny", b_dot_py="x\n", c_dot_py="", run="#!/usr/bin/env python3\n", Makefile="all:\n")
        listed = await tools.call("list_files", path=str(tmp_path))
        rows = {entry["path"]: (entry["language"], entry["lines"], entry["size"]) for entry in listed["files"]}
        assert rows["a.py"] == ("Python", 2, 3)
        assert rows["b.py"] == ("Python", 1, 2)
        assert rows["c.py"] == ("Python", 0, 0)
        assert rows["run"][0] == "Python"
        assert rows["Makefile"][0] == "Makefile"
        assert listed["counts"]["by_language"]["Python"] == {"files": 4, "lines": 4, "bytes": 28}

    async def test_what_is_left_out_is_named_with_its_reason(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="", big_dot_txt="x" * 2000)
        (tmp_path / "data.bin").write_bytes(b"\0\1\2")
        (tmp_path / "same.py").symlink_to("a.py")
        (tmp_path / "gone.py").symlink_to("nowhere")
        (tmp_path / "round").symlink_to("round")
        (tmp_path / "up").symlink_to(".")
        os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.py", os.O_CREAT))
        git_in = tmp_path / "inner"
        write(git_in, b_dot_py="")
        listed = await tools.call("list_files", path=str(tmp_path), max_bytes=1000)
        assert paths(listed) == ["a.py", "inner/b.py"]
        assert reasons(listed) == {
            "big.txt": "too_large",
            "data.bin": "binary",
            "same.py": "link",
            "gone.py": "link_broken",
            "round": "link_loop",
            "up": "link",
            "caf?.py": "name_not_utf8",
        }
        assert listed["counts"]["skipped"] == 7

    async def test_a_list_cut_short_says_so_and_shows_the_top_first(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a__deep__x_dot_py="", z_dot_py="", b__y_dot_py="")
        listed = await tools.call("list_files", path=str(tmp_path), max_files=2)
        assert paths(listed) == ["b/y.py", "z.py"]
        assert listed["truncated"] is True
        assert (await tools.call("list_files", path=str(tmp_path), max_files=3))["truncated"] is False
        git(tmp_path, "init", "-q")
        listed = await tools.call("list_files", path=str(tmp_path), max_files=2)
        assert (listed["source"], paths(listed)) == ("git", ["b/y.py", "z.py"])

    async def test_5000_files_with_odd_names(self, tools: Tools, tmp_path: Path) -> None:
        for number in range(5000):
            (tmp_path / f"f{number} ünï\n名{number % 7}.py").touch()
        listed = await tools.call("list_files", path=str(tmp_path))
        assert listed["counts"]["files"] == 5000
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=paths(listed))
        assert scanned["scanned"] == 5000
        assert scanned["findings"] == []


class TestReading:
    async def test_lines_encodings_and_limits(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_txt="one\ntwo\nthree\n", open_dot_txt="no end", empty_dot_txt="")
        (tmp_path / "latin.txt").write_bytes("café\n".encode("latin-1"))
        (tmp_path / "wide.txt").write_bytes("hé".encode("utf-16"))
        (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfhello\n")
        (tmp_path / "binary").write_bytes(b"\0\1")

        async def read(path: str, **rest: Any) -> dict[str, Any]:
            return await tools.call("read_file", root=str(tmp_path), path=path, **rest)

        whole = await read("a.txt")
        assert (whole["text"], whole["total_lines"], whole["end_line"]) == ("one\ntwo\nthree\n", 3, 3)
        assert (await read("a.txt", start_line=2, end_line=2))["text"] == "two\n"
        assert (await read("a.txt", start_line=9))["text"] == ""
        assert (await read("open.txt"))["text"] == "no end"
        assert (await read("empty.txt"))["total_lines"] == 0
        cut = await read("a.txt", max_bytes=5)
        assert (cut["text"], cut["truncated"]) == ("one\nt", True)
        latin = await read("latin.txt")
        assert (latin["text"], latin["encoding"]) == ("café\n", "latin-1")
        assert (await read("latin.txt", max_bytes=4))["text"] == "caf", "no half characters"
        assert (await read("wide.txt"))["text"] == "hé"
        assert (await read("marked.txt"))["text"] == "hello\n"
        assert await tools.refused("read_file", root=str(tmp_path), path="binary") == "file.binary"
        assert (
            await tools.refused("read_file", root=str(tmp_path), path="a.txt", start_line=3, end_line=1)
            == "lines.invalid"
        )


DEFECTS = {
    # rule: (file, text, severity)
    "F821": ("a.py", "print(nothing)\n", "high"),
    "F632": ("a.py", "def f(x):\n    return x is 'a'\n", "medium"),
    "F811": ("a.py", "import os\n\n\ndef os():\n    pass\n", "medium"),
    "F841": ("a.py", "def f():\n    x = 1\n", "low"),
    "B006": ("a.py", "def f(x=[]):\n    return x\n", "medium"),
    "B012": ("a.py", "def f():\n    try:\n        g()\n    finally:\n        return 1\n\n\ndef g(): ...\n", "high"),
    "B023": ("a.py", "fs = []\nfor i in range(3):\n    def f():\n        return i\n    fs.append(f)\n", "medium"),
    "S301": ("a.py", "import pickle\n\npickle.loads(b'')\n", "medium"),
    "S307": ("a.py", "eval(input())\n", "high"),
    "S324": ("a.py", "import hashlib\n\nhashlib.md5(b'')\n", "medium"),
    "S501": ("a.py", "import requests\n\nrequests.get('https://x', verify=False, timeout=1)\n", "high"),
    "S506": ("a.py", "import yaml\n\nyaml.load('a')\n", "high"),
    "S602": ("a.py", "import subprocess\n\nsubprocess.run(input(), shell=True)\n", "high"),
    "ASYNC251": ("a.py", "import time\n\n\nasync def f():\n    time.sleep(1)\n", "high"),
    "RUF006": ("a.py", "import asyncio\n\n\nasync def f():\n    asyncio.create_task(f())\n", "medium"),
    "PLE0101": ("a.py", "class A:\n    def __init__(self):\n        return 1\n", "high"),
    "python.syntax": ("a.py", "def f(:\n  pass\n", "high"),
    "text.encoding": ("a.py", "caf\xe9 = 1\n", "high"),
    "secret.aws_key": ("a.env", f"KEY={AWS_KEY}\n", "high"),
    "secret.private_key": ("a.pem", f"{KEY_HEAD}\n", "high"),
    "secret.github_token": ("a.md", "gh" + "p_" + "a1B2" * 9 + "\n", "high"),
    "secret.url_password": ("a.ini", "url = postgres://joe:" + "hunter22@db.acme.com/x\n", "medium"),
    "merge.conflict": ("a.md", f"{OURS}\nx\n", "high"),
    "text.bidi": ("a.js", "let a = '\u202e'\n", "high"),
    "text.todo": ("a.js", "// TO" + "DO: all of it\n", "low"),
    "text.long_line": ("a.js", "a;" * 400, "low"),
    "json.syntax": ("a.json", '{"a": 1,}\n', "high"),
    "yaml.syntax": ("a.yaml", "a: [1\nb: 2\n", "high"),
    "toml.syntax": ("a.toml", "a = \n", "high"),
    "data.nesting": ("a.json", "[" * 100_000, "medium"),
    "js.debugger": ("a.ts", "debugger;\n", "medium"),
    "js.eval": ("a.ts", "eval(x)\n", "medium"),
    "js.inner_html": ("a.ts", "e.innerHTML = x\n", "medium"),
    "shell.pipe_to_shell": ("a.sh", "curl https://x/y | sudo bash\n", "medium"),
    "shell.rm_variable": ("a.sh", 'rm -rf "$DIR"/*\n', "high"),
    "docker.latest": ("Dockerfile", "FROM debian\n", "low"),
}

INNOCENT = {
    "keys.md": "AKIAIOSFODNN7" + "EXAMPLE and postgres://user:${PASSWORD}@host.example.com/db\n",
    "rst.rst": "Title\n" + "=" * 7 + "\n",
    "tsconfig.json": '{\n  // comments are fine here\n  "a": 1,\n}\n',
    "helm.yaml": "a: {{ .Values.a }}\n",
    "many.yaml": "a: 1\n---\nb: &x [1]\nc: *x\n",
    "safe.sh": 'rm -rf "$TMP"\ncurl https://x/y -o file\n',
    "pinned.py": "import json\n\n\ndef f() -> str:\n    return json.dumps({})\n",
    "new.py": "type A = int\n\n\ndef f[T](x: T) -> T:\n    match x:\n        case 1:\n            return x\n    return x\n",
    "Dockerfile": "FROM debian:12\nFROM scratch\n",
    "comment.ts": "// eval(x) would be bad\nmodel.evaluate(x)\n",
    "bundle.json": '{"a": "' + "x" * 5000 + '"}',
}


class TestScanning:
    @pytest.mark.parametrize("rule", DEFECTS)
    async def test_each_defect_is_found_where_it_is(self, tools: Tools, tmp_path: Path, rule: str) -> None:
        name, text, severity = DEFECTS[rule]
        (tmp_path / name).write_bytes(text.encode("latin-1") if rule == "text.encoding" else text.encode())
        scanned = await tools.call("scan_file", root=str(tmp_path), path=name)
        found = {finding["rule"]: finding for finding in scanned["findings"]}
        assert rule in found, scanned
        assert found[rule]["severity"] == severity
        assert found[rule]["path"] == name
        assert scanned["counts"]["by_rule"][rule] == 1

    async def test_the_innocent_are_left_alone(self, tools: Tools, tmp_path: Path) -> None:
        for name, text in INNOCENT.items():
            (tmp_path / name).write_text(text)
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=list(INNOCENT))
        assert scanned["findings"] == []
        assert scanned["scanned"] == len(INNOCENT)

    async def test_a_secret_found_is_not_repeated(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_env=f"KEY={AWS_KEY}\n")
        assert AWS_KEY not in json.dumps(await tools.call("scan_files", root=str(tmp_path), paths=["a.env"]))

    async def test_the_repository_cannot_switch_the_linter_off(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="eval(input())\n", ruff_dot_toml='[lint.per-file-ignores]\n"*" = ["ALL"]\n')
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=["a.py"])
        assert [finding["rule"] for finding in scanned["findings"]] == ["S307"]

    @pytest.mark.parametrize("name", ["--exit-non-zero-on-fix.py", "@other.py", "-"])
    async def test_names_that_look_like_options_are_names(self, tools: Tools, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("#!/usr/bin/env python\neval(input())\n")
        (tmp_path / "other.py").write_text("--help\n")
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=[name])
        assert [(finding["path"], finding["rule"]) for finding in scanned["findings"]] == [(name, "S307")]

    async def test_deep_finds_more_and_tests_are_judged_mildly(self, tools: Tools, tmp_path: Path) -> None:
        text = "import datetime\n\n\ndef f():\n    try:\n        return datetime.datetime.now()\n"
        text += "    except Exception:\n        return 1\n"
        write(tmp_path, a_dot_py=text, tests__test_a_dot_py=text)
        asked = {"root": str(tmp_path), "paths": ["a.py", "tests/test_a.py"]}
        assert (await tools.call("scan_files", **asked))["findings"] == []
        deep = (await tools.call("scan_files", **asked, level="deep"))["findings"]
        assert {(f["path"], f["rule"], f["severity"]) for f in deep} == {
            ("a.py", "BLE001", "medium"),
            ("a.py", "DTZ005", "low"),
            ("tests/test_a.py", "BLE001", "low"),
            ("tests/test_a.py", "DTZ005", "low"),
        }

    async def test_the_worst_come_first_and_counts_are_of_all(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="import os\n" + "def f(x=[]):\n    return x\n", z_dot_py="eval(input())\n")
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=["a.py", "z.py"], max_findings=2)
        assert [finding["severity"] for finding in scanned["findings"]] == ["high", "medium"]
        assert scanned["counts"]["by_severity"] == {"high": 1, "medium": 1, "low": 1}
        assert scanned["truncated"] is True

    async def test_what_could_not_be_scanned_is_said(self, tools: Tools, tmp_path: Path) -> None:
        (tmp_path / "b.bin").write_bytes(b"\0")
        scanned = await tools.call("scan_files", root=str(tmp_path), paths=["b.bin", "gone.py"])
        assert scanned["skipped"] == [
            {"path": "b.bin", "reason": "binary"},
            {"path": "gone.py", "reason": "path.not_found"},
        ]


class TestGraph:
    async def graph(self, tools: Tools, root: Path, **rest: Any) -> dict[str, Any]:
        listed = paths(await tools.call("list_files", path=str(root)))
        return await tools.call("knowledge_graph", root=str(root), paths=listed, **rest)

    def imports(self, graph: dict[str, Any]) -> set[tuple[str, str]]:
        return {(e["source"], e["target"]) for e in graph["edges"] if e["kind"] == "imports"}

    async def test_python_imports_are_resolved_inside_the_repository(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, src__app____init___dot_py="")
        (tmp_path / "src/app/__init__.py").write_text('"""The app.\n\nMore."""\n')
        write(
            tmp_path, src__app__core_dot_py="from . import util\nfrom .sub.deep import D\nimport json, numpy.linalg\n"
        )
        write(tmp_path, src__app__util_dot_py="class U:\n    def m(self): ...\n\n\nasync def f(): ...\n")
        write(tmp_path, src__app__sub__deep_dot_py="from ..util import U\nfrom app import core\n\n\nclass D: ...\n")
        write(tmp_path, tests__test_core_dot_py="from app.core import util\nimport app\n")
        graph = await self.graph(tools, tmp_path)
        assert self.imports(graph) == {
            ("module:src/app/core.py", "module:src/app/util.py"),
            ("module:src/app/core.py", "module:src/app/sub/deep.py"),
            ("module:src/app/core.py", "package:json"),
            ("module:src/app/core.py", "package:numpy"),
            ("module:src/app/sub/deep.py", "module:src/app/util.py"),
            ("module:src/app/sub/deep.py", "module:src/app/core.py"),
            ("module:tests/test_core.py", "module:src/app/core.py"),
            ("module:tests/test_core.py", "module:src/app/__init__.py"),
        }
        nodes = {node["id"]: node for node in graph["nodes"]}
        assert nodes["module:src/app/core.py"]["name"] == "app.core"
        assert nodes["module:src/app/__init__.py"]["doc"] == "The app."
        assert nodes["function:src/app/util.py#U.m"]["line"] == 2
        assert nodes["package:json"]["origin"] == "standard library"
        assert graph["cycles"] == [["src/app/core.py", "src/app/sub/deep.py"]]
        assert graph["hot"][0]["path"] in ("src/app/core.py", "src/app/util.py")
        assert graph["packages"] == [{"name": "numpy", "imported_by": 1}]

    async def test_late_imports_make_no_circle(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import b\n")
        write(tmp_path, b_dot_py="import a\nimport c\n", c_dot_py="def f():\n    import b\n")
        graph = await self.graph(tools, tmp_path)
        assert graph["cycles"] == []
        late = {(e["source"], e["target"]) for e in graph["edges"] if e.get("late")}
        assert late == {("module:a.py", "module:b.py"), ("module:c.py", "module:b.py")}

    async def test_a_file_called_like_the_standard_library_does_not_take_its_imports(
        self, tools: Tools, tmp_path: Path
    ) -> None:
        write(tmp_path, lib__types_dot_py="", main_dot_py="import types\n", lib__user_dot_py="import types\n")
        assert self.imports(await self.graph(tools, tmp_path)) == {
            ("module:main.py", "package:types"),
            ("module:lib/user.py", "module:lib/types.py"),
        }

    async def test_a_package_that_is_itself_the_folder(self, tools: Tools, tmp_path: Path) -> None:
        root = tmp_path / "fish"
        write(root, a_dot_py="from fish import b\n", b_dot_py="import fish\n")
        (root / "__init__.py").write_text("")
        assert self.imports(await self.graph(tools, root)) == {
            ("module:a.py", "module:b.py"),
            ("module:b.py", "module:__init__.py"),
        }

    async def test_javascript_and_typescript_imports(self, tools: Tools, tmp_path: Path) -> None:
        write(
            tmp_path,
            src__app_dot_ts="import { a } from './a.js'\nimport type T from './types'\nimport React from 'react'\n"
            "export * from '@scope/pkg/deep'\nconst x = await import('./lazy')\nimport 'node:fs'\nimport '@/a'\n",
            src__a_dot_ts="const b = require('../b')\n",
            src__types_dot_d_dot_ts="",
            src__lazy__index_dot_tsx="",
            b_dot_js="",
        )
        assert self.imports(await self.graph(tools, tmp_path)) == {
            ("module:src/app.ts", "module:src/a.ts"),
            ("module:src/app.ts", "module:src/types.d.ts"),
            ("module:src/app.ts", "module:src/lazy/index.tsx"),
            ("module:src/app.ts", "package:react"),
            ("module:src/app.ts", "package:@scope/pkg"),
            ("module:src/app.ts", "package:fs"),
            ("module:src/a.ts", "module:b.js"),
        }

    async def test_broken_files_are_named_and_the_rest_is_drawn(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, good_dot_py="import bad\n", bad_dot_py="def f(:\n", deep_dot_py="(" * 3000 + ")" * 3000)
        graph = await self.graph(tools, tmp_path)
        assert {entry["path"] for entry in graph["skipped"]} >= {"bad.py"}
        assert "module:good.py" in {node["id"] for node in graph["nodes"]}

    async def test_too_many_definitions_leave_the_modules(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="".join(f"def f{n}(): ...\n" for n in range(50)))
        graph = await self.graph(tools, tmp_path, max_nodes=10)
        counted = {"modules": 1, "classes": 0, "functions": 9, "packages": 0, "imports": 0, "calls": 0, "inherits": 0}
        assert graph["counts"] == counted
        assert graph["left_out"] == 41

    async def test_jsonld_links_resolve_within_the_document(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="import b, os\n", b_dot_py="class B: ...\n")
        (tmp_path / "odd näme <&>.py").write_text("import a\n")
        document = (await self.graph(tools, tmp_path, format="jsonld"))["document"]
        ids = {node["@id"] for node in document["@graph"]}
        links = {link for node in document["@graph"] for key in ("imports", "defines") for link in node.get(key, [])}
        assert links <= ids
        assert "module:odd%20n%C3%A4me%20%3C%26%3E.py" in ids
        assert {node["@type"] for node in document["@graph"]} == {"code:Module", "code:Class", "code:Package"}
        assert document["@context"]["imports"] == {"@id": "code:imports", "@type": "@id"}

    async def test_graphml_is_xml_with_declared_keys(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py='"""Bell \\a, <b> & "q"."""\nimport b\n', b_dot_py="")
        root = ElementTree.fromstring((await self.graph(tools, tmp_path, format="graphml"))["document"])
        space = "{http://graphml.graphdrawing.org/xmlns}"
        keys = {key.attrib["id"] for key in root.iter(f"{space}key")}
        assert {data.attrib["key"] for data in root.iter(f"{space}data")} <= keys
        nodes = {node.attrib["id"] for node in root.iter(f"{space}node")}
        edges = [(edge.attrib["source"], edge.attrib["target"]) for edge in root.iter(f"{space}edge")]
        assert edges == [("module:a.py", "module:b.py")]
        assert nodes == {"module:a.py", "module:b.py"}

    async def test_turtle_names_what_the_others_name(self, tools: Tools, tmp_path: Path) -> None:
        write(tmp_path, a_dot_py="import b\n", b_dot_py="")
        text = (await self.graph(tools, tmp_path, format="turtle"))["document"]
        assert "<urn:penstock:module:a.py> a code:Module" in text
        assert "code:imports <urn:penstock:module:b.py>" in text
