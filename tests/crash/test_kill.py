"""A real process is killed with SIGKILL again and again; in the end every run is complete and nothing kept was done again."""

from __future__ import annotations

import asyncio
import json
import random
import select
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import IO

from penstock.engine.events import StepKept, StepScheduled
from penstock.engine.workflow import parse
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.sqlite import Sqlite
from penstock.testing.simulation import check_journal

CHILD = Path(__file__).with_name("child.py")
KILLS = 22
SEED = 20_261_120


def _until(out: IO[bytes], word: bytes, seconds: float) -> bool:
    """Whether the child says `word` within `seconds`."""
    heard = b""
    while select.select([out], [], [], seconds)[0]:
        byte = out.read1(4096)  # type: ignore[attr-defined]
        heard += byte
        if word in heard or not byte:
            return word in heard
    return False


def test_killed_at_random_moments_every_run_completes_once(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    data, ledger, errors = tmp_path / "data", tmp_path / "ledger", tmp_path / "errors"
    kills = 0
    while True:
        with errors.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, str(CHILD), str(data), str(ledger)], stdout=subprocess.PIPE, stderr=log
            )
        assert child.stdout is not None
        # A third of the deaths come while it opens the folder and recovers, the others while it works.
        early = kills < KILLS and rng.random() < 0.3
        if not early:
            assert _until(child.stdout, b"ready", 60), f"seed {SEED}: it did not come up: {errors.read_text()[-2000:]}"
        if kills < KILLS:
            _until(child.stdout, b"never said", rng.random() * (0.8 if early else 0.12))
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
            continue
        assert _until(child.stdout, b"done", 120), f"seed {SEED}: it did not end: {errors.read_text()[-2000:]}"
        assert child.wait(30) == 0
        break
    asyncio.run(_check(data, ledger.read_text().splitlines(), kills))


async def _check(data: Path, ledger: list[str], kills: int) -> None:
    database = Sqlite(data / "penstock.db")
    journal = SqliteJournal(database)
    rows = await database.fetch("SELECT run_id, status FROM runs")
    assert len(rows) == 50
    assert {status for _, status in rows} == {"completed"}
    made: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for line in ledger:
        run_id, step, call, delivery = line.split()
        made[run_id, step, f"call-{call}"].append(int(delivery))
    document = (await database.fetch("SELECT document FROM versions"))[0][0]
    workflow = parse(json.loads(document))
    again = 0
    for run_id, _ in rows:
        events = await journal.read(run_id)
        state = check_journal(run_id, workflow, events)
        assert state.outputs == {"n": 10}
        delivery: Counter[str] = Counter()
        for event in events:
            fact = event.fact
            if isinstance(fact, StepScheduled):
                delivery[fact.step] = fact.delivery
            elif isinstance(fact, StepKept):
                calls = made.pop((run_id, fact.step, fact.key))
                assert max(calls) <= delivery[fact.step], f"{run_id} {fact.step} {fact.key} was made after it was kept"
                assert len(calls) == len(set(calls)), f"{run_id} {fact.step}: one delivery made a call twice"
                again += len(calls) - 1
                assert len(calls) == 1 or fact.repeated, (
                    f"{run_id} {fact.step} {fact.key} was repeated and nobody says so"
                )
    assert not made, f"calls that no journal knows: {list(made)[:3]}"
    assert again > 0, "no kill came while a call was in flight: this proved nothing"
    assert again <= kills * 12, "more calls repeated than could have been in flight"
    await database.close()
