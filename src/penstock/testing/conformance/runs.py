"""The laws of the run list. Rows are written by the journal's commits, so these open both: (journal, runs)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from ...errors import Conflict, Invalid, NotFound
from ...ports import Page, Runs
from .journal import must, opening, step
from .laws import Open, Suite, need, refused, same

RUNS = Suite("Runs")

NOT_CURSORS = (
    "nonsense",
    "!!!!",
    "é",
    "W10",  # []
    "eyJhIjoxfQ",  # {"a":1}
    base64.urlsafe_b64encode(b'["x","run_a"]').decode(),
    base64.urlsafe_b64encode(b"[1.5,2]").decode(),
    base64.urlsafe_b64encode(b"[true]").decode(),
    base64.urlsafe_b64encode(b"[1e400,null]").decode(),
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
)


async def ids(runs: Runs, group: str | None = "default", **filters: Any) -> list[str]:
    return [row.run_id for row in (await runs.list(group, **filters)).items]


@RUNS.law()
async def a_row_is_what_was_committed(open: Open) -> None:
    """A run's row shows its last commit, and what it was created with; a stale commit shows nothing; an unknown run is NotFound."""
    async with open() as (journal, runs):
        await journal.create(
            opening("run_a", 2, group="g", workflow="w", version=3, actor="Zoë", mode="test_run", parent="run_p")
        )
        asks = [{"step": "ask#1", "title": "漢字?"}]
        await must(journal, step("run_a", 2, 1, status="paused", updated_at=9.5, error="step.failed", asks=asks))
        await journal.commit([step("run_a", 2, 1, status="failed")])
        row = await runs.row("run_a")
        found = (row.group, row.workflow, row.version, row.actor, row.mode, row.parent, row.created_at, row.updated_at)
        same(found, ("g", "w", 3, "Zoë", "test_run", "run_p", 1.0, 9.5), "the row")
        same(
            (row.status, row.error, row.asks, row.head), ("paused", "step.failed", asks, 3), "status, error, asks, head"
        )
        await must(journal, step("run_a", 3, 1, status="completed", asks=[]))
        row = await runs.row("run_a")
        same((row.status, row.error, row.asks or None), ("completed", None, None), "the row after its end")
        with refused(NotFound, "the row of an unknown run", "run.not_found"):
            await runs.row("run_x")


@RUNS.law()
async def text_without_nul(open: Open) -> None:
    """In the texts of a row U+0000 and half a surrogate pair become U+FFFD, on writing and on asking."""
    async with open() as (journal, runs):
        await journal.create(opening("run_a", actor="a\x00b\ud800", workflow="wörk"))
        same((await runs.row("run_a")).actor, "a\ufffdb\ufffd", "the actor")
        same(await ids(runs, actor="a\x00b\ud800"), ["run_a"], "runs of that actor")
        with refused(NotFound, "a run id with U+0000 in it"):
            await runs.row("run_a\x00")
        same(await journal.read("run_\x00\udfff"), [], "events of such a run")


@RUNS.law()
async def newest_first(open: Open) -> None:
    """Runs are listed newest first, those of the same moment by id backwards; of one group, or of all."""
    async with open() as (journal, runs):
        for name, at, group in (
            ("a", 1.0, "g"),
            ("c", 2.0, "g"),
            ("b", 2.0, "g"),
            ("d", 1.5, "other"),
            ("e", 3.0, "g"),
        ):
            await journal.create(opening(name, created_at=at, group=group))
        same(await ids(runs, "g"), ["e", "c", "b", "a"], "runs of one group")
        same(await ids(runs, None), ["e", "c", "b", "d", "a"], "runs of all groups")
        same(await ids(runs, "nobody"), [], "runs of an unknown group")


@RUNS.law()
async def pages_while_runs_are_added(open: Open) -> None:
    """Page by page every run is seen once, though runs are added and change meanwhile."""
    async with open() as (journal, runs):
        for number in range(25):
            await journal.create(opening(f"run_{number:02d}", created_at=float(number // 2)))
        seen: list[str] = []
        cursor: str | None = None
        for page_number in range(20):
            page: Page = await runs.list("default", cursor, 4)
            need(len(page.items) <= 4, f"a page of {len(page.items)}, limit 4")
            seen += [row.run_id for row in page.items]
            cursor = page.cursor
            if cursor is None:
                break
            await journal.create(opening(f"new_{page_number}", created_at=100.0))
            await must(journal, step("run_00", 1 + page_number, status="paused", updated_at=500.0))
        expected = sorted(
            (f"run_{n:02d}" for n in range(25)), key=lambda name: (int(name[4:]) // 2, name), reverse=True
        )
        same(seen, expected, "runs over all pages")
        exact = await runs.list("default", None, 25 + page_number)
        same(exact.cursor, None, "the cursor of a page that holds all")


@RUNS.law()
async def filters(open: Open) -> None:
    """Filters narrow the list, alone, together and page by page; one that is unknown is refused."""
    async with open() as (journal, runs):
        asks = [{"step": "ask#1"}]
        rows: tuple[tuple[str, dict[str, Any]], ...] = (
            ("r1", {"status": "running", "workflow": "one", "actor": "ann"}),
            ("r2", {"status": "waiting", "workflow": "two", "asks": asks}),
            ("r3", {"status": "completed", "workflow": "one", "asks": asks}),
            ("r4", {"status": "failed", "workflow": "two", "error": "x", "mode": "test_run"}),
            ("r5", {"status": "paused", "workflow": "one", "error": "y"}),
            ("r6", {"status": "running", "workflow": "one", "actor": "bob"}),
            ("r7", {"status": "queued", "workflow": "one"}),
            ("r8", {"status": "cancelled", "workflow": "one", "parent": "r1"}),
        )
        for name, row in rows:
            await journal.create(opening(name, created_at=float(name[1:]), **row))
        for given, expected in (
            ({"status": "running"}, ["r6", "r1"]),
            ({"status": "completed"}, ["r3"]),
            ({"status": "queued"}, ["r7"]),
            ({"status": "'; DROP TABLE runs"}, []),
            ({"workflow": "two"}, ["r4", "r2"]),
            ({"mode": "test_run"}, ["r4"]),
            ({"actor": "bob"}, ["r6"]),
            ({"asks": True}, ["r2"]),
            ({"asks": False, "workflow": "two"}, ["r4"]),
            ({"failed": True}, ["r5", "r4"]),
            ({"failed": False, "workflow": "two"}, ["r2"]),
            ({"status": "running", "workflow": "one", "actor": "ann"}, ["r1"]),
        ):
            for group in ("default", None):
                same(await ids(runs, group, **given), expected, f"runs with {given}")
        first = await runs.list("default", None, 2, workflow="one")
        second = await runs.list("default", first.cursor, 10, workflow="one")
        same([row.run_id for row in second.items], ["r6", "r5", "r3", "r1"], "the second page of a filtered list")
        with refused(Invalid, "an unknown filter", "filter.unknown"):
            await runs.list("default", colour="red")


@RUNS.law()
async def counts(open: Open) -> None:
    """`counts` says how many runs of all groups there are of each status, but for completed and cancelled ones."""
    async with open() as (journal, runs):
        same(await runs.counts(), {}, "counts of nothing")
        for number, status in enumerate(("running", "running", "failed", "completed", "cancelled", "queued")):
            await journal.create(opening(f"run_{number}", status=status, group=f"g{number % 2}"))
        same(await runs.counts(), {"running": 2, "failed": 1, "queued": 1}, "counts")
        await must(journal, step("run_0", 1, status="completed"))
        same(await runs.counts(), {"running": 1, "failed": 1, "queued": 1}, "counts after one has ended")


@RUNS.law()
async def bad_cursors_and_limits(open: Open) -> None:
    """A cursor that was not made here, and a limit of less than one, are Invalid, never another error and never a page."""
    async with open() as (journal, runs):
        await journal.create(opening("run_a"))
        for cursor in NOT_CURSORS:
            with refused(Invalid, f"the cursor {cursor!r}", "cursor.invalid"):
                await runs.list("default", cursor)
        for limit in (0, -1):
            with refused(Invalid, f"a limit of {limit}", "limit.invalid"):
                await runs.list("default", None, limit)


@RUNS.law()
async def claims(open: Open) -> None:
    """An idempotency key stands for the first run that claimed it; with another body it is a Conflict; groups do not share keys."""
    async with open() as (_, runs):
        same(await runs.claim("g", "key", "digest", "run_1"), "run_1", "a new key")
        same(await runs.claim("g", "key", "digest", "run_2"), "run_1", "the same key and body")
        with refused(Conflict, "the same key, another body", "idempotency.body_differs"):
            await runs.claim("g", "key", "other", "run_3")
        same(await runs.claim("h", "key", "other", "run_4"), "run_4", "the same key in another group")
        claimed = await asyncio.gather(*(runs.claim("g", "race", "digest", f"run_{n}") for n in range(20)))
        same(len(set(claimed)), 1, "different answers to 20 claims of one key at the same moment")


@RUNS.law(reopens=True)
async def rows_survive(open: Open) -> None:
    """Rows and keys are there when the place is opened again."""
    async with open() as (journal, runs):
        await journal.create(opening("run_a", 2, status="paused", error="x"))
        await runs.claim("g", "key", "digest", "run_a")
        row = await runs.row("run_a")
    async with open() as (_, runs):
        same(await runs.row("run_a"), row, "the row")
        same(await runs.claim("g", "key", "digest", "run_b"), "run_a", "the key")
