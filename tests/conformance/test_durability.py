"""What a process was told is durable is there after it was killed, and nothing else is half there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.services import PostgresServer

import penstock
from penstock.app import Settings, open_journal

pytestmark = pytest.mark.anyio

RUNS = 8
WRITER = """
import asyncio, sys
from pathlib import Path
from penstock.app import Settings, open_journal
from penstock.testing.conformance.journal import opening, step

async def write(journal, run_id, count):
    events = await journal.read(run_id)
    head = events[-1].seq if events else 0
    if not head:
        assert await journal.create(opening(run_id, outbox=(1,)))
        head = 1
        print(run_id, head, flush=True)
    while True:
        commit = step(run_id, head, count, wake=float(head + count), outbox=(head + 1,), text=run_id)
        assert await journal.commit([commit]) == [True]
        head += count
        print(run_id, head, flush=True)

async def main(data, url):
    _, journal = await open_journal(Settings(data=Path(data), journal=url))
    await asyncio.gather(*(write(journal, f"run_{n}", 1 + n % 3) for n in range(RUNS)))

asyncio.run(main(*sys.argv[1:]))
""".replace("RUNS", str(RUNS))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/penstock.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.schema()


@asynccontextmanager
async def opened(url: str, data: Path) -> AsyncIterator[Any]:
    database, journal = await open_journal(Settings(data=data, journal=url))
    try:
        yield journal
    finally:
        await database.close()


def killed_writer(data: Path, url: str, lines: int) -> dict[str, int]:
    """Run a writer, kill it when it has said `lines` times that something is durable. Returns the last it said of each run."""
    environment = {**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])}
    command = [sys.executable, "-c", WRITER, str(data), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout is not None
        said = []
        for line in writer.stdout:
            said.append(line)
            if len(said) == lines:
                os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL, said[-3:]
    whole = [line.split() for line in said if line.endswith("\n")]
    return {run_id: int(seq) for run_id, seq in whole}


async def test_what_was_said_to_be_durable_survives_kill_9(url: str, tmp_path: Path) -> None:
    for lines in (1, 60, 333):
        told = await asyncio.to_thread(killed_writer, tmp_path, url, lines)
        assert told
        async with opened(url, tmp_path) as journal:
            for number in range(RUNS):
                run_id, count = f"run_{number}", 1 + number % 3
                events = await journal.read(run_id)
                assert [event.seq for event in events] == list(range(1, len(events) + 1))
                assert len(events) >= told.get(run_id, 0)
                assert not events or (len(events) - 1) % count == 0, "half a commit"
                assert {event.fact.lines[0][1] for event in events[1:]} <= {run_id}
                messages = [seq for run, seq in await journal.outbox(10**6) if run == run_id]
                assert messages == [1, *range(2, len(events) + 1, count)][: len(messages)]
                assert len(messages) == (1 + (len(events) - 1) // count if events else 0)
                due = await journal.due(float(len(events)))
                assert (run_id in due) == (len(events) > 1)
                assert run_id not in await journal.due(len(events) - 0.5)
