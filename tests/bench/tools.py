"""W8: what a `tool` step on a warm local server costs beside the call itself, and how long the tools of many servers take to list.

The server is a real MCP server in a process of its own; the call itself is timed with the SDK's own client over a connection of
the same kind. Times are seconds of `perf_counter`.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from penstock.app import Penstock
from penstock.gate import Request
from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

SERVER = Path(__file__).with_name("tool_server.py")
CALL = {"kind": "tool", "with": {"capabilities": ["bench.echo"], "arguments": {"text": "hello"}}}


def chain(length: int) -> dict[str, Any]:
    nodes = {f"s{i}": CALL for i in range(length)}
    edges = [{"from": f"s{i}", "to": f"s{i + 1}"} for i in range(length - 1)]
    return {"penstock": 1, "name": f"tools-{length}", "nodes": nodes, "edges": edges}


@contextlib.contextmanager
def started(*names: str) -> Iterator[list[str]]:
    """Addresses of servers with ten tools each, all in one process."""
    with subprocess.Popen([sys.executable, str(SERVER), *names], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in names]
        finally:
            process.kill()


async def w8(p: Penstock, url: str, length: int = 20, rounds: int = 15) -> dict[str, float]:
    """Milliseconds: `step` is a tool step of a run, `call` the same call by the SDK's client; medians."""
    server = ServerConfig(name="bench", url=url, transport="http", capabilities={"bench.echo": "echo"})
    p.servers.replace([server])
    await p.apply(chain(length))
    steps, calls = [], []
    async with sdk_client(url) as client:
        for _ in range(rounds):
            begin = time.perf_counter()
            for _ in range(length):
                await client.call_tool("echo", {"text": "hello"})
            calls.append((time.perf_counter() - begin) / length * 1e3)
            begin = time.perf_counter()
            state = await p.wait(await p.gate.start(Request(f"tools-{length}")))
            if state.status != "completed":
                raise RuntimeError(f"{state.status} {state.error}")
            steps.append((time.perf_counter() - begin) / length * 1e3)
    ours = [step - call for step, call in zip(steps, calls, strict=True)]
    return {"step": statistics.median(steps), "call": statistics.median(calls), "ours": statistics.median(ours)}


async def list_all(urls: list[str], times: int = 20) -> tuple[int, float]:
    """How many tools the servers have, and the milliseconds to list them over warm sessions, median."""
    configs = [ServerConfig(name=f"s{number}", url=url, transport="http") for number, url in enumerate(urls)]
    servers = Servers(configs, builtin=False)
    try:
        await servers.catalog()
        taken, count = [], 0
        for _ in range(times):
            begin = time.perf_counter()
            count = sum(len(one.tools or ()) for one in await servers.catalog())
            taken.append((time.perf_counter() - begin) * 1e3)
        return count, statistics.median(taken)
    finally:
        await servers.aclose()


@contextlib.asynccontextmanager
async def sdk_client(url: str) -> AsyncIterator[Any]:
    from mcp import Client

    async with Client(url, cache=None) as client:
        yield client
