"""MCP servers of one's own come from a file in the data folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import penstock
from penstock.errors import Invalid

pytestmark = pytest.mark.anyio


async def test_a_server_of_the_data_folder_can_be_used(tmp_path: Path) -> None:
    mine = {"command": sys.executable, "args": ["-P", "-m", "penstock.tools.code_server"]}
    source = Path(penstock.__file__).parents[1]
    servers = {"mcpServers": {"mine": {**mine, "env": {"PYTHONPATH": str(source)}}}}
    (tmp_path / "servers.json").write_text(json.dumps(servers))
    (tmp_path / "hello.txt").write_text("hello")
    call = {"server": "mine", "tool": "list_files", "arguments": {"path": str(tmp_path), "include": ["hello.txt"]}}
    document = {
        "penstock": 1,
        "name": "list",
        "nodes": {"list": {"kind": "tool", "with": call}},
        "outputs": {"path": "${{ nodes.list.output.files[0].path }}"},
    }
    async with penstock.local(tmp_path) as p:
        await p.apply(document)
        state = await p.wait(await p.start("list"))
        assert (state.error, state.outputs) == (None, {"path": "hello.txt"})


@pytest.mark.parametrize("text", ["{", '{"mcpServers": {"mine": {"comand": "x"}}}'])
async def test_a_file_that_is_wrong_says_so_at_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "servers.json").write_text(text)
    with pytest.raises(Invalid) as caught:
        async with penstock.local(tmp_path):
            pass
    assert caught.value.code == "server.invalid"
