"""The laws of what groups have used: sums that the journal's commits add to, within bounds. Open both: (journal, usage)."""

from __future__ import annotations

import asyncio

from ...ports import Charge, Commit
from .journal import opening, step
from .laws import Open, Suite, same

USAGE = Suite("Usage")
FREE = (None, None, None)
TODAY = ("group", "2026-11-20")


def charged(run_id: str, head: int, *charges: Charge) -> Commit:
    commit = step(run_id, head)
    commit.charges = charges
    return commit


def nano(amount: int, most: int | None = None, place: tuple[str, str] = TODAY) -> Charge:
    return Charge(*place, 0, amount, 0, (None, most, None))


@USAGE.law()
async def added_with_the_events(open: Open) -> None:
    """A commit's charges are added exactly when its events are: not when its head is old."""
    async with open() as (journal, usage):
        await journal.create(opening("run_a"))
        first = charged("run_a", 1, Charge(*TODAY, 100, 2_500, 1), Charge("workflow:flow", "2026-11", 100, 2_500, 1))
        same(await journal.commit([first]), [True], "a commit with charges")
        same(await journal.commit([first]), [False], "the same again")
        same(await journal.commit([charged("run_a", 2, Charge(*TODAY, -40, -500, 0))]), [True], "one that gives back")
        used = await usage.used("default", [TODAY, ("workflow:flow", "2026-11"), ("group", "1999-01-01")])
        same(used, {TODAY: (60, 2_000, 1), ("workflow:flow", "2026-11"): (100, 2_500, 1)}, "the sums")
        same(await usage.used("default", []), {}, "no sums")
        same(len(await journal.read("run_a")), 3, "events")


@USAGE.law()
async def bounds(open: Open) -> None:
    """A charge that would pass its bound, inclusive, refuses its commit whole; others in the same call go on."""
    async with open() as (journal, usage):
        for run in ("run_a", "run_b", "run_c"):
            await journal.create(opening(run))
        other = ("workflow:flow", "2026-11")
        done = await journal.commit(
            [
                charged("run_a", 1, nano(7, 10)),
                charged("run_b", 1, nano(1, None, other), nano(4, 10)),
                charged("run_c", 1, nano(3, 10)),
                step("run_d", 1),
            ]
        )
        same(done, [True, False, True, False], "7, 4 and 3 of 10")
        same(await usage.used("default", [TODAY, other]), {TODAY: (0, 10, 0)}, "the sums")
        same([len(await journal.read(run)) for run in ("run_a", "run_b", "run_c")], [2, 1, 2], "events")
        same(await journal.commit([charged("run_b", 1, nano(11, 10, ("group", "a new day")))]), [False], "more at once")
        same(await journal.commit([charged("run_b", 1, nano(-2, 1))]), [True], "what is given back needs no room")


@USAGE.law()
async def groups_apart(open: Open) -> None:
    """Each group has sums of its own."""
    async with open() as (journal, usage):
        await journal.create(opening("run_a"))
        await journal.create(opening("run_b", group="other"))
        theirs = charged("run_b", 1, nano(9, 9))
        theirs.row.group = "other"
        same(await journal.commit([charged("run_a", 1, nano(5, 9)), theirs]), [True, True], "5 here and 9 there")
        same(await usage.list("default", TODAY[1]), {"group": (0, 5, 0)}, "here")
        same(await usage.list("other", TODAY[1]), {"group": (0, 9, 0)}, "there")
        await usage.forget("other", "group")
        same(
            (await usage.list("default", TODAY[1]), await usage.list("other", TODAY[1])),
            ({"group": (0, 5, 0)}, {}),
            "after",
        )


@USAGE.law()
async def many_at_once(open: Open) -> None:
    """Of 50 who each take 2 of 45 at the same moment, exactly 22 do, and the sum never was above 45."""
    async with open() as (journal, usage):
        for number in range(50):
            await journal.create(opening(f"run_{number:02}"))
        done = await asyncio.gather(*(journal.commit([charged(f"run_{n:02}", 1, nano(2, 45))]) for n in range(50)))
        same(sum(one for (one,) in done), 22, "commits that got their part")
        same(await usage.used("default", [TODAY]), {TODAY: (0, 44, 0)}, "the sum")


@USAGE.law(reopens=True)
async def durable(open: Open) -> None:
    """Sums are there when the place is opened again."""
    async with open() as (journal, usage):
        await journal.create(opening("run_a"))
        await journal.commit([charged("run_a", 1, nano(5))])
    async with open() as (journal, usage):
        same(await usage.used("default", [TODAY]), {TODAY: (0, 5, 0)}, "the sum")
