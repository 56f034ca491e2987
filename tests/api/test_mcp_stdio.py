"""`penstock mcp`: a process that a client starts and speaks with over its pipes, with a server behind it and without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from tests.api.callers import BIG, ECHO, begun, offer, publish, settled

import penstock

pytestmark = pytest.mark.anyio

SOURCE = str(Path(penstock.__file__).parents[1])
LOUD = """
penstock: 1
name: loud
nodes: {say: {kind: code, with: {source: "def main(input):\\n    print('to nobody')\\n    return 1\\n"}}}
outputs: {said: "${{ nodes.say.output }}"}
"""


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return {**clean, "PYTHONPATH": SOURCE, **more}


def started(data: Path, *more: str) -> StdioServerParameters:
    arguments = ["-m", "penstock.cli", "mcp", "--data", str(data), *more]
    return StdioServerParameters(command=sys.executable, args=arguments, env=environment())


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, housekeeping: Any) -> AsyncIterator[Any]:
    async with housekeeping(tmp_path_factory.mktemp("data")) as house:
        await publish(house.core, "double", "gated", "positive")
        yield house


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_without_a_server_runs_go_on_in_the_process(tmp_path: Path, mode: str) -> None:
    async with penstock.local(tmp_path) as core:
        await offer(core, ECHO, BIG, LOUD)
    async with Client(started(tmp_path), mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["big", "echo", "loud"]
        result = await client.call_tool("big", {"text": "ab"})
        assert result.structured_content == {"text": "abab"}
        assert (await client.call_tool("loud", {})).structured_content == {"said": 1}
        assert (await client.call_tool("echo", {})).meta["penstock/code"] == "inputs.invalid"
    async with penstock.local(tmp_path) as core:
        assert (await core.runs.row(result.meta["penstock/run_id"])).status == "completed"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_with_a_server_each_call_is_a_run_of_it(house: Any, mode: str) -> None:
    heard: list[tuple[float, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with Client(started(house.core.settings.data), mode=mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["double", "gated", "positive"]
        meta: Any = {"Idempotency-Key": f"stdio-{mode}"}
        results = [
            await client.call_tool("double", {"value": 4}, meta=meta, progress_callback=on_progress) for _ in range(2)
        ]
        assert [result.structured_content for result in results] == [{"result": {"value": 8}}] * 2
        assert len({result.meta["penstock/run_id"] for result in results}) == 1
        assert (1, "a#1 completed") in heard
        assert (await client.call_tool("positive", {"value": -1})).meta["penstock/code"] == "test.negative"
        with pytest.raises(MCPError):
            await client.call_tool("nothing", {})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_cancelled_call_cancels_the_run_of_the_server(house: Any, mode: str) -> None:
    async with Client(started(house.core.settings.data), mode=mode) as client:
        call = asyncio.create_task(client.call_tool("gated", {"gate": f"stdio-{mode}"}))
        run_id = await begun(house.core, "gated", "hold")
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        assert await settled(house.core, run_id) == "cancelled"


def test_a_server_that_cannot_be_asked_is_said_on_stderr(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstock.cli", "mcp", "--data", str(tmp_path), "--server", "http://127.0.0.1:9"]
    ended = subprocess.run(
        command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "127.0.0.1:9" in ended.stderr
