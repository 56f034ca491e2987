"""The server as a process: where it says it is, how it stops, what it refuses."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
import textwrap

import httpx2
import pytest

import penstock
from penstock.api import serve, serving
from penstock.errors import Unavailable

pytestmark = pytest.mark.anyio

CHILD = textwrap.dedent(
    """
    import asyncio, sys, penstock
    from penstock.api import serve

    async def main():
        async with penstock.local(sys.argv[1], stop_grace=2.0) as core:
            await core.apply({"penstock": 1, "name": "ask", "nodes": {"ok": {"kind": "human", "with": {"title": "?"}}}})
            await serve(core, "127.0.0.1", 0, ready=lambda url: print(url, flush=True))
        print("closed", flush=True)

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_gently(tmp_path, number):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    url = (await child.stdout.readline()).decode().strip()
    announced = tmp_path / "server.json"
    assert json.loads(announced.read_text()) == {"url": url, "pid": child.pid}
    assert stat.S_IMODE(announced.stat().st_mode) == 0o600
    headers = {"Authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        run = (await client.post("/api/v1/runs", json={"workflow": "ask"})).json()
        waiting = asyncio.create_task(
            client.get(f"/api/v1/runs/{run['run_id']}/events?after=100", headers={"Prefer": "wait=60"})
        )
        async with client.stream("GET", f"/api/v1/runs/{run['run_id']}/stream") as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            child.send_signal(number)
            rest = [line async for line in lines]
        assert not any("event: end" in line for line in rest)
        assert (await waiting).json()["events"] == []
    out, err = await asyncio.wait_for(child.communicate(), 20)
    assert (child.returncode, out.decode().strip(), err.decode()) == (0, "closed", "")
    assert not announced.exists()


async def test_an_address_that_is_taken_is_said_to_be(house):
    port = int(house.url.rpartition(":")[2])
    with pytest.raises(Unavailable, match=f"port {port}") as caught:
        await serve(house.core, "127.0.0.1", port)
    assert caught.value.code == "server.address"
    with pytest.raises(Unavailable):
        await serve(house.core, "no such host.invalid", 0)


async def test_a_block_may_be_served(tmp_path):
    async with penstock.local(tmp_path) as core:
        async with serving(core) as url, httpx2.AsyncClient() as client:
            assert (await client.get(f"{url}/healthz")).status_code == 200
            with pytest.raises(Unavailable):
                async with serving(core, port=int(url.rpartition(":")[2])):
                    pass
        assert not (tmp_path / "server.json").exists()


async def test_signals_may_be_left_to_the_caller(house):
    assert not house.server.done()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_it_serves_until_its_task_is_cancelled(tmp_path, housekeeping):
    async with housekeeping(tmp_path) as house:
        assert (await house.bare.get("/healthz")).status_code == 200
        assert json.loads((tmp_path / "server.json").read_text())["url"] == house.url
        house.server.cancel()
        await asyncio.gather(house.server, return_exceptions=True)
        assert not (tmp_path / "server.json").exists()
        with pytest.raises(httpx2.ConnectError):
            await httpx2.AsyncClient().get(f"{house.url}/healthz")
