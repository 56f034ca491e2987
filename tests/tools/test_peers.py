"""Servers that others wrote, as they come from npm and PyPI: the official ones for trying out clients. They are installed once, in
the cache of pytest; where they cannot be, that is a skip on a laptop and a failure in CI."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.services import absent

from penstock.errors import Invalid
from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

EVERYTHING, NPM_VERSION = "@modelcontextprotocol/server-everything", "2026.8.31"
TIME, PYPI_VERSION = "mcp-server-time", "2026.10.19"
SECONDS = 300


@pytest.fixture(scope="session")
def everything(request: pytest.FixtureRequest) -> ServerConfig:
    """The npm server that has one of everything, over stdio."""
    folder = Path(request.config.cache.mkdir(f"peer-everything-{NPM_VERSION}"))
    program = folder / "node_modules" / EVERYTHING / "dist" / "index.js"
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        absent("npm is not installed")
    if not program.exists():
        install(str(npm), "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"{EVERYTHING}@{NPM_VERSION}")
    return ServerConfig(name="everything", command=str(node), args=[str(program), "stdio"])


@pytest.fixture(scope="session")
def clock(request: pytest.FixtureRequest) -> ServerConfig:
    """The PyPI server that tells the time, over stdio, in an environment of its own."""
    folder = Path(request.config.cache.mkdir(f"peer-time-{PYPI_VERSION}"))
    program = folder / "bin" / "mcp-server-time"
    if not program.exists():
        install(sys.executable, "-m", "uv", "venv", "-q", "--clear", "--python", sys.executable, str(folder))
        python = str(folder / "bin" / "python")
        install(sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, f"{TIME}=={PYPI_VERSION}")
    return ServerConfig(name="time", command=str(program), capabilities={"time.now": "get_current_time"})


def install(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        absent(f"{command[-1]} could not be installed: {getattr(error, 'stderr', b'') or error}")


@contextlib.asynccontextmanager
async def pool(*configs: ServerConfig) -> AsyncIterator[Servers]:
    servers = Servers(configs, builtin=False)
    try:
        yield servers
    finally:
        await servers.aclose()


async def test_one_from_npm(everything: ServerConfig) -> None:
    async with pool(everything) as servers:
        told = await servers.probe("everything")
        assert {"echo", "get-sum"} <= set(told["tools"])
        assert await servers.call("everything", "echo", {"message": "hello"}) == {"text": "Echo: hello"}
        assert "5" in (await servers.call("everything", "get_sum", {"a": 2, "b": 3}))["text"]
        with pytest.raises(Invalid) as caught:
            await servers.call("everything", "get-sum", {"a": "two"})
        assert {problem.pointer for problem in caught.value.problems} == {"/arguments", "/arguments/a"}


@pytest.mark.parametrize(("protocol", "spoken"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_one_from_pypi_in_both_protocol_versions(clock: ServerConfig, protocol: str, spoken: str) -> None:
    async with pool(clock.model_copy(update={"protocol": protocol})) as servers:
        assert (await servers.probe("time"))["protocol"] == spoken
        config, tool = await servers.resolve(["time.now"])
        told = await servers.call(config.name, tool, {"timezone": "UTC"})
        assert "UTC" in str(told)
