"""A proposed change: its diff, applied by git itself, and the defects it would bring."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.tools.test_code_server import Tools, connect, git, parameters

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def tools() -> AsyncIterator[Tools]:
    async for one in connect(parameters()):
        yield one


async def check(tools: Tools, root: Path, changes: dict[str, str | None], **more: Any) -> dict[str, Any]:
    rows = [{"path": path, "text": text} for path, text in changes.items()]
    return await tools.call("check_change", root=str(root), changes=rows, **more)


async def refused(tools: Tools, root: Path, *paths: str, text: str | None = "x\n") -> str:
    return await tools.refused("check_change", root=str(root), changes=[{"path": p, "text": text} for p in paths])


def there(root: Path) -> set[str]:
    return {entry.name for entry in root.iterdir()}


async def test_git_applies_the_diff_and_nothing_was_written_before(tools: Tools, tmp_path: Path) -> None:
    before = {
        "a b.py": "one = 1\r\ntwo = 2\r\n",
        "old.txt": "gone\n",
        "end.txt": "no newline",
        "long.py": "".join(f"x{n} = {n}\n" for n in range(60)) + "form\x0cfeed = 1 # \u2028 is no line\n",
        "empty.txt": "",
    }
    after: dict[str, str | None] = {
        "a b.py": "one = 1\r\ntwo = 3\r\n",
        "old.txt": None,
        "end.txt": "no newline still",
        "long.py": before["long.py"].replace("x5 = 5\n", "").replace("x50 = 50\n", "x50 = 51\nx51 = 0\n"),
        "new/deep/ä.py": "fish = 1\n",
        "new/bare.txt": "bare",
        "new/empty.py": "",
        "empty.txt": "full\n",
    }
    for name, text in before.items():
        (tmp_path / name).write_bytes(text.encode())
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.autocrlf", "false")
    answer = await check(tools, tmp_path, after)
    assert there(tmp_path) == {*before, ".git"}
    patch = tmp_path.parent / f"{tmp_path.name}.diff"
    patch.write_bytes(answer["diff"].encode())
    git(tmp_path, "apply", "--whitespace=nowarn", str(patch))
    for name, text in after.items():
        if text is None:
            assert not (tmp_path / name).exists()
        else:
            assert (tmp_path / name).read_bytes() == text.encode(), name
    assert "--- a/a b.py\t\n" in answer["diff"], "a name with a blank ends at a tab, as git writes it"
    rows = {row["path"]: (row["status"], row["added"], row["removed"]) for row in answer["files"]}
    assert rows["long.py"] == ("changed", 2, 2)
    assert rows["old.txt"] == ("removed", 0, 1)
    assert rows["new/deep/ä.py"] == ("added", 1, 0)


async def test_only_what_the_change_brings_is_a_finding_of_it(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("eval(input())\n")
    answer = await check(
        tools, tmp_path, {"a.py": "import os\n\neval(input())\n", "b.py": "def f(x=[]):\n    return x\n"}
    )
    assert [(f["path"], f["rule"]) for f in answer["findings"]] == [("b.py", "B006"), ("a.py", "F401")]
    assert answer["before"] == 1
    assert answer["counts"] == {"files": 2, "added": 4, "removed": 0, "high": 0, "medium": 1, "low": 1}
    same = await check(tools, tmp_path, {"a.py": "eval(input())\n"})
    assert (same["diff"], same["findings"], same["files"][0]["status"]) == ("", [], "unchanged")


async def test_a_second_defect_of_the_same_kind_counts(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("eval(input())\n")
    answer = await check(tools, tmp_path, {"a.py": "eval(input())\neval(input())\n"})
    assert [finding["rule"] for finding in answer["findings"]] == ["S307"]


async def test_paths_that_lead_out_or_into_git_are_refused(tools: Tools, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "blob").write_bytes(b"\xff\0")
    assert await refused(tools, root, "../x.py") == "path.outside_root"
    assert await refused(tools, root, "out/x.py") == "path.outside_root"
    assert await refused(tools, root, "/etc/passwd") == "path.invalid"
    assert await refused(tools, root, "a\n+++ b/c") == "path.invalid"
    assert await refused(tools, root, "sub/.git/hooks/post-commit") == "path.invalid"
    assert await refused(tools, root, "folder") == "path.not_a_file"
    assert await refused(tools, root, "blob") == "file.binary"
    assert await refused(tools, root, "x.py", "./x.py") == "path.twice"
    assert await refused(tools, root, "nothing.py", text=None) == "path.not_found"


async def test_the_diff_is_what_patch_takes_too(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\ntwo = 2\n")
    answer = await check(tools, tmp_path, {"a.py": "one = 1\ntwo = 3\n", "b/c.py": "x = 1\n"})
    done = subprocess.run(  # noqa: ASYNC221
        ["git", "apply", "--check", "-"], cwd=tmp_path, input=answer["diff"].encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert answer["diff"].startswith(
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n one = 1\n-two = 2\n"
    )
