"""The survey that comes with Penstock, run over real folders from its first node to its last."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.nodes.code import Code
from penstock.nodes.tool import Tool
from penstock.tools.config import builtin_servers
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

SURVEY = files("penstock").joinpath("workflows/survey.yaml").read_bytes()


class Surveyor:
    def __init__(self, platform: Any) -> None:
        self.platform = platform

    async def run(self, folder: Path, **inputs: Any) -> Any:
        return await self.platform.wait(await self.platform.start("survey", {"folder": str(folder), **inputs}))

    async def text(self, handle: dict[str, Any]) -> str:
        return (await self.platform.artifacts.get(handle["artifact"])).decode()

    async def survey(self, folder: Path, **inputs: Any) -> tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]:
        """(notes, findings, graph, summary)"""
        run = await self.run(folder, **inputs)
        assert run.status == "completed", run.error
        out = run.outputs
        assert [out[key]["name"] for key in ("notes", "graph", "findings")] == [
            "notes.md",
            "graph.json",
            "findings.json",
        ]
        findings, graph = json.loads(await self.text(out["findings"])), json.loads(await self.text(out["graph"]))
        return await self.text(out["notes"]), findings, graph, out["summary"]


async def surveyor_with(servers: Servers, data: Path) -> AsyncIterator[Surveyor]:
    async with penstock.local(data, kinds={"code": Code(), "tool": Tool(servers)}) as platform:
        await platform.apply(SURVEY)
        yield Surveyor(platform)
    await servers.aclose()


@pytest.fixture(scope="module")
async def surveyor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surveyor]:
    async for one in surveyor_with(Servers(), tmp_path_factory.mktemp("data")):
        yield one


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


async def test_a_repository_with_something_wrong(surveyor: Surveyor, tmp_path: Path) -> None:
    root = write(
        tmp_path / "shop",
        {
            "README.md": "# Shop\n\n[![ok](b.svg)](x)\n\nSells **fish** to [people](http://x).\nDaily.\n\n## More\n",
            "shop/__init__.py": "",
            "shop/core.py": '"""What a shop is."""\n\nimport requests\n\n\ndef price(x=[]):\n    return eval(x[0])\n',
            "shop/web.py": "from . import core\n\n\ndef page():\n    try:\n        return core.price()\n"
            "    except Exception:\n        return None\n",
            "shop/cli.py": "from shop.core import price\nfrom shop import web\n\nprint(price(), web.page())\n",
            "config.json": '{"a": 1,}\n',
        },
    )
    notes, findings, graph, summary = await surveyor.survey(root)
    assert summary == {"root": str(root), "files": 6, "lines": 28, "high": 2, "medium": 2, "low": 1, "deep": True}
    assert "Sells fish to people. Daily." in notes
    assert "The code is Python (100 %)." in notes
    first = notes.partition("## What to fix first")[2].partition("###")[0]
    assert first.index("S307") < first.index("json.syntax") < first.index("B006")
    assert "`shop/core.py:7`" in first
    assert "eval runs any code in its input" in first
    assert "| `shop/core.py` | 2 | 7 | What a shop is. |" in notes
    assert "`requests` (1)" in notes
    assert "because the first look found something serious" in notes
    assert {(f["path"], f["line"], f["rule"]) for f in findings["findings"]} == {
        ("shop/core.py", 7, "S307"),
        ("shop/core.py", 6, "B006"),
        ("shop/core.py", 3, "F401"),
        ("shop/web.py", 7, "BLE001"),
        ("config.json", 1, "json.syntax"),
    }
    assert findings["counts"] == {"high": 2, "medium": 2, "low": 1}
    names = {node["name"] for node in graph["@graph"] if node["@type"] == "code:Module"}
    assert names == {"shop", "shop.core", "shop.web", "shop.cli"}


async def test_an_empty_folder(surveyor: Surveyor, tmp_path: Path) -> None:
    notes, findings, graph, summary = await surveyor.survey(tmp_path)
    assert "There is no text file in this folder." in notes
    assert findings["findings"] == []
    assert graph["@graph"] == []
    assert summary["deep"] is False


async def test_a_folder_without_code(surveyor: Surveyor, tmp_path: Path) -> None:
    notes, *_ = await surveyor.survey(write(tmp_path, {"a.txt": "hello\n", "b.csv": "1,2\n"}))
    assert "2 files, 2 lines, none of it code." in notes
    assert "there is no Python to look at more closely" in notes


async def test_no_such_folder_is_an_error_that_names_it(surveyor: Surveyor, tmp_path: Path) -> None:
    run = await surveyor.run(tmp_path / "nowhere")
    assert run.status == "failed"
    assert str(tmp_path / "nowhere") in json.dumps(run.error)


async def test_a_clean_and_long_code_base_is_not_scanned_deeply_unless_asked(
    surveyor: Surveyor, tmp_path: Path
) -> None:
    body = "".join(f"def f{n}(x: int) -> int:\n    return x + {n}\n\n\n" for n in range(1400))
    root = write(tmp_path, {"long.py": body.rstrip() + "\n", "web.ts": "export const a = 1\n"})
    notes, _, _, summary = await surveyor.survey(root)
    assert summary["deep"] is False
    assert "No deep scan was made" in notes
    notes, _, _, summary = await surveyor.survey(root, deep=True)
    assert summary["deep"] is True
    assert "because it was asked for" in notes


async def test_patterns_choose_the_files(surveyor: Surveyor, tmp_path: Path) -> None:
    root = write(tmp_path, {"a.py": "x = 1\n", "b.py": "eval(input())\n", "c.md": "# C\n"})
    *_, summary = await surveyor.survey(root, include=["*.py"], exclude=["b.py"])
    assert (summary["files"], summary["high"]) == (1, 0)


async def test_names_and_texts_of_others_do_not_become_markup(surveyor: Surveyor, tmp_path: Path) -> None:
    odd = "x`|<img src=x onerror=alert(1)>\n# boo.py"
    readme = "Hi <script>alert(1)</script> | <there\n"
    notes, findings, *_ = await surveyor.survey(write(tmp_path, {odd: "eval(input())\n", "README.md": readme}))
    assert findings["findings"][0]["path"] == odd
    for line in notes.splitlines():
        outside = "".join(line.split("`")[::2])
        assert "<" not in outside
        assert line != "# boo.py"
    assert "Hi alert(1) \\| &lt;there" in notes


async def test_links_pipes_broken_and_binary_files(surveyor: Surveyor, tmp_path: Path) -> None:
    root = write(tmp_path / "odd", {"a.py": "def f(:\n", "ünï 名.py": "x = 1\n", "deep.json": "[" * 100_000})
    (root / "loop").symlink_to(".")
    (root / "out").symlink_to("/etc")
    (root / "blob").write_bytes(b"\0" * 100)
    (root / "latin.py").write_bytes(b"caf\xe9 = 1\n")
    notes, findings, _, summary = await surveyor.survey(root)
    assert summary["files"] == 4
    assert {f["rule"] for f in findings["findings"]} == {"python.syntax", "data.nesting", "text.encoding"}
    gaps = notes.partition("## What was not looked at")[2]
    assert "binary (`blob`)" in gaps
    assert "links out of the folder (not followed) (`out`)" in gaps
    assert "cannot parse them: `a.py`" in gaps


async def test_a_scan_or_a_graph_that_fails_is_said_in_the_notes(tmp_path: Path) -> None:
    builtin = builtin_servers()[0]
    lame = {**builtin.capabilities, "code.scan": "no_such_tool", "code.graph": "no_such_tool"}
    servers = Servers([builtin.model_copy(update={"capabilities": lame})])
    root = write(tmp_path / "root", {"a.py": "eval(input())\n"})
    async for surveyor in surveyor_with(servers, tmp_path / "data"):
        notes, findings, graph, summary = await surveyor.survey(root)
    assert (summary["high"], findings["findings"], graph) == (0, [], {})
    assert "1 file could not be scanned" in notes
    assert "the graph of modules could not be drawn" in notes
    assert "Nothing was found" not in notes
    assert "so there may be more than these findings" in notes
