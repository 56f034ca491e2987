"""A crew of thirty calls, killed with SIGKILL at commits of its run, just before and just after; and again and again.

PENSTOCK_CRASHES=1 kills it at every commit there is, which takes minutes.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.models.server import Answer, Provider, calls, say

from penstock.engine import events as ev
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.sqlite import Sqlite

pytestmark = pytest.mark.anyio

CHILD = Path(__file__).with_name("crew_child.py")
TASKS = ("plan", "search", "read", "write", "check")
OUTPUTS = {"tasks": {task: f"{task} is done" for task in TASKS}}
EVERY = int(os.environ.get("PENSTOCK_CRASHES", "8"))  # 1: at every commit there is
CALLS = {f"task:{task}/{call}" for task in TASKS for call in ("model:1", "model:2", "model:3")}


def answers(body: dict[str, Any]) -> Answer:
    """What is asked first calls two tools, then one; then comes the answer."""
    task = re.search(r"Do: (\w+)\.", json.dumps(body["messages"]))[1]  # type: ignore[index]
    turn = 1 + sum(message["role"] == "assistant" for message in body["messages"])
    if turn == 1:
        return calls(("a", "note", {"task": task, "n": 1}), ("b", "note", {"task": task, "n": 2}))
    if turn == 2:
        return calls(("c", "note", {"task": task, "n": 3}))
    return say(f"{task} is done")


class Lives:
    def __init__(self, process: asyncio.subprocess.Process, provider: Provider, folder: Path) -> None:
        self.process, self.provider, self.folder = process, provider, folder

    async def live(self, data: str, at: int = 0, after: bool = False) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        folder = self.folder / data
        order = {"data": str(folder), "ledger": f"{folder}.ledger", "at": at, "after": after}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        return json.loads(await asyncio.wait_for(self.process.stdout.readline(), 60))

    async def check(self, data: str, asked: Counter[str], deaths: int) -> None:
        """What must be true of a run that has ended: `asked` counts its requests by their keys."""
        database = Sqlite(self.folder / data / "penstock.db")
        events = await SqliteJournal(database).read("run_1")
        await database.close()
        kept = [e.fact for e in events if isinstance(e.fact, ev.StepKept)]
        flagged = {f.key for f in kept if f.repeated}
        assert len({f.key for f in kept}) == len(kept) == 30, "each call is kept once"
        assert set(asked) == {f"run_1:crew#1:{key.replace('/', ':')}" for key in CALLS}
        notes: dict[str, list[str]] = defaultdict(list)
        for line in (self.folder / f"{data}.ledger").read_text().splitlines():
            name, key = line.split()
            notes[name].append(key)
        assert len(notes) == 15
        assert all(len(set(keys)) == 1 for keys in notes.values()), "a repeated call has the same key"
        made = sum(asked.values()) + sum(map(len, notes.values()))
        assert made - 30 <= deaths, "for each death the one call in flight may have been made again, and no other"
        again = {key for key, times in asked.items() if times > 1} | {
            keys[0] for keys in notes.values() if len(keys) > 1
        }
        for key in again:
            call = key.removeprefix("run_1:crew#1:").replace(":model", "/model").replace(":tool", "/tool")
            assert call in flagged, "and the journal says so"
        assert deaths or not flagged


@pytest.fixture
async def lives(tmp_path: Path) -> AsyncIterator[Lives]:
    async with Provider(by=answers) as provider:
        pipe = asyncio.subprocess.PIPE
        with (tmp_path / "errors").open("ab") as errors:
            child = await asyncio.create_subprocess_exec(
                sys.executable, str(CHILD), provider.url, stdin=pipe, stdout=pipe, stderr=errors
            )
        yield Lives(child, provider, tmp_path)
        child.kill()
        await child.wait()


async def test_killed_at_any_commit_a_crew_ends_the_same_and_pays_for_nothing_twice(lives: Lives) -> None:
    whole = await lives.live("whole")
    assert whole["status"] == "completed", (lives.folder / "errors").read_text()[-2000:]
    assert whole["outputs"] == OUTPUTS
    await lives.check("whole", Counter(h["idempotency-key"] for h in lives.provider.headers), 0)
    assert whole["commits"] >= 30
    deaths = places = 0
    for at in range(1, whole["commits"] + 1, EVERY):
        for after in (False, True):
            data, before, places = f"{at}-{after}", len(lives.provider.headers), places + 1
            last = first = await lives.live(data, at, after)
            if not first["ended"]:
                deaths += 1
                last = await lives.live(data)
            assert (last["status"], last["outputs"]) == ("completed", OUTPUTS), (at, after)
            asked = Counter(h["idempotency-key"] for h in lives.provider.headers[before:])
            await lives.check(data, asked, int(not first["ended"]))
    # Commits are made together when there is much to do, so a life may have a few less than the first.
    assert deaths > 0.7 * places


@pytest.mark.parametrize(("at", "after"), [(5, True), (7, False)])
async def test_killed_again_and_again_it_goes_on_from_the_last_kept_call(lives: Lives, at: int, after: bool) -> None:
    deaths, life = 0, await lives.live("chain", at, after)
    while not life["ended"] and deaths < 100:
        deaths, life = deaths + 1, await lives.live("chain", at, after)
    assert life["ended"], (lives.folder / "errors").read_text()[-2000:]
    assert (life["status"], life["outputs"]) == ("completed", OUTPUTS)
    assert deaths >= 8
    await lives.check("chain", Counter(h["idempotency-key"] for h in lives.provider.headers), deaths)
