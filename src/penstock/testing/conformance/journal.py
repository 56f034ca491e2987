"""The laws of the journal."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from typing import Any

from ...engine import events as ev
from ...errors import Invalid
from ...ports import Commit, Journal, RunRow
from .laws import Open, Suite, need, refused, same

JOURNAL = Suite("Journal")

NUL = "before\x00after"
TEXTS = (
    "",
    NUL,
    "Zoë Ångström",
    "漢字 かな",
    "👩‍🚀🏳️‍🌈",
    "\u202eright to left",
    "line\nbreak\ttab\r",
    '"quotes" \\ back',
    "\u2028\ufeff",
)
NUMBERS = (0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, 1e300, 5e-324, -0.0, 1.7e9 + 1e-6)


# ------------------------------------------------------------------------------------------- what laws write


def row_of(run_id: str, **more: Any) -> RunRow:
    given: dict[str, Any] = {
        "group": "default",
        "workflow": "flow",
        "version": 1,
        "status": "running",
        "mode": "full_run",
        "actor": "someone",
        "created_at": 1.0,
        "updated_at": 1.0,
    }
    return RunRow(run_id, **{**given, **more})


def note(seq: int, text: Any = "…") -> ev.Event:
    return ev.Event(seq, seq / 8, ev.StepNoted("work", [[seq / 4, text]]))


def opening(run_id: str, count: int = 1, wake: float | None = None, outbox: tuple[int, ...] = (), **row: Any) -> Commit:
    """The first commit of a run: its creation, and `count` - 1 lines."""
    created = ev.Event(1, 0.5, ev.RunCreated("flow", 1, "f00d", {"x": 1}))
    return Commit(run_id, 0, [created, *(note(n) for n in range(2, count + 1))], row_of(run_id, **row), wake, outbox)


def step(
    run_id: str, head: int, count: int = 1, wake: float | None = None, outbox: tuple[int, ...] = (), **row: Any
) -> Commit:
    """`count` lines after `head`."""
    text = row.pop("text", "…")
    return Commit(
        run_id, head, [note(head + n, text) for n in range(1, count + 1)], row_of(run_id, **row), wake, outbox
    )


async def must(journal: Journal, *commits: Commit) -> None:
    same(await journal.commit(commits), [True] * len(commits), "commits that follow their heads")


async def seqs(journal: Journal, run_id: str) -> list[int]:
    return [event.seq for event in await journal.read(run_id)]


# ------------------------------------------------------------------------------------------ writing and reading


@JOURNAL.law()
async def create_then_read(open: Open) -> None:
    """What was created can be read at once, exactly as it was written; an unknown run has no events."""
    async with open() as journal:
        commit = opening("run_a", 3)
        same(await journal.create(commit), True, "create of a new run")
        same(await journal.read("run_a"), commit.events, "its events")
        same(await journal.read("run_b"), [], "events of an unknown run")


@JOURNAL.law()
async def create_twice(open: Open) -> None:
    """A run is created once: the second time is answered False and changes nothing."""
    async with open() as journal:
        first = opening("run_a", 2, wake=5.0, outbox=(2,))
        await journal.create(first)
        same(await journal.create(opening("run_a", 4, wake=1.0, outbox=(3,))), False, "create of a run that exists")
        same(await journal.read("run_a"), first.events, "its events")
        same(await journal.due(4.0), [], "runs due before its wake-up")
        same(await journal.outbox(), [("run_a", 2)], "the outbox")
        made = await asyncio.gather(*(journal.create(opening("run_b", n)) for n in range(1, 21)))
        same(sorted(made), [False] * 19 + [True], "20 creations of one run at the same moment")
        same(len(await journal.read("run_b")), made.index(True) + 1, "events of the one that won")


@JOURNAL.law()
async def read_after_and_limit(open: Open) -> None:
    """`read` gives what comes after `after`, in order, `limit` events at most."""
    async with open() as journal:
        await journal.create(opening("run_a", 10))
        await journal.create(opening("run_b", 2))
        for after, limit, expected in (
            (0, None, list(range(1, 11))),
            (0, 3, [1, 2, 3]),
            (4, 3, [5, 6, 7]),
            (9, 3, [10]),
            (10, None, []),
            (10**30, None, []),
        ):
            found = [event.seq for event in await journal.read("run_a", after, limit)]
            same(found, expected, f"read after {after}, limit {limit}")


@JOURNAL.law()
async def no_gap(open: Open) -> None:
    """The seqs of a run are 1, 2, 3 …; a commit whose events do not follow its head one by one is refused."""
    async with open() as journal:
        await journal.create(opening("run_a", 2))
        head = 2
        for count in (1, 7, 2, 30):
            await must(journal, step("run_a", head, count))
            head += count
        same(await seqs(journal, "run_a"), list(range(1, head + 1)), "seqs")
        skipping = step("run_a", head, 2)
        skipping.events.pop(0)
        twice = step("run_a", head, 2)
        twice.events[1].seq = twice.events[0].seq
        for wrong, what in ((skipping, "a commit that skips a seq"), (twice, "a commit that has a seq twice")):
            with refused(Invalid, what, "journal.gap"):
                await journal.commit([wrong])
        same(await seqs(journal, "run_a"), list(range(1, head + 1)), "seqs after that")


@JOURNAL.law()
async def head_guard(open: Open) -> None:
    """A commit whose head is not the journal's is answered False, and nothing of it is written."""
    async with open() as journal:
        await journal.create(opening("run_a", 3, wake=50.0))
        for head, what in ((2, "a stale head"), (4, "a head from the future"), (0, "no head")):
            late = step("run_a", head, 2, wake=1.0, outbox=(head + 1,))
            same(await journal.commit([late]), [False], f"a commit with {what}")
        same(await journal.commit([step("run_x", 3)]), [False], "a commit to a run that does not exist")
        same(await seqs(journal, "run_a"), [1, 2, 3], "seqs")
        same(await seqs(journal, "run_x"), [], "seqs of the run that does not exist")
        same(await journal.outbox(), [], "the outbox")
        same((await journal.due(10.0), await journal.due(50.0)), ([], ["run_a"]), "runs due before and at the wake-up")
        await must(journal, step("run_a", 3))


@JOURNAL.law()
async def one_of_many_writers_wins(open: Open) -> None:
    """Of writers that start from the same head exactly one wins, each time."""
    async with open() as journal:
        await journal.create(opening("run_a"))
        for head in range(1, 11):
            results = await asyncio.gather(*(journal.commit([step("run_a", head, text=str(w))]) for w in range(20)))
            winners = [writer for writer, (won,) in enumerate(results) if won]
            same(len(winners), 1, f"winners at head {head}")
            written = (await journal.read("run_a", head))[0].fact.lines[0][1]
            same(written, str(winners[0]), f"who wrote seq {head + 1}")


@JOURNAL.law()
async def batch_with_one_stale(open: Open) -> None:
    """In a batch each commit stands for itself: the one that is stale is answered False, in its place, the others are written."""
    async with open() as journal:
        names = [f"run_{n}" for n in (3, 1, 4, 0, 2)]
        for name in names:
            await journal.create(opening(name, 2))
        batch = [step(name, 1 if name == "run_4" else 2, 2) for name in names]
        same(await journal.commit(batch), [True, True, False, True, True], "answers, in the order of the batch")
        for name in names:
            same(await seqs(journal, name), [1, 2] if name == "run_4" else [1, 2, 3, 4], f"seqs of {name}")
        same(await journal.commit([]), [], "answers to an empty batch")


@JOURNAL.law()
async def commit_without_events(open: Open) -> None:
    """A commit without events moves the wake-up, and leaves the events and the head as they are; a stale one moves nothing."""
    async with open() as journal:
        await journal.create(opening("run_a", 2, wake=100.0))
        await must(journal, step("run_a", 2, 0, wake=7.0))
        same(await journal.due(7.0), ["run_a"], "runs due at the new wake-up")
        same(await journal.commit([step("run_a", 1, 0, wake=3.0)]), [False], "a stale commit without events")
        same(await journal.due(6.9), [], "runs due before the new wake-up")
        await must(journal, step("run_a", 2, 1))
        same(await seqs(journal, "run_a"), [1, 2, 3], "seqs")
        for head in range(3, 23):  # one with events and some without, from the same head at the same moment
            alone = [journal.commit([step("run_a", head, 0, wake=float(n))]) for n in range(2)]
            results = await asyncio.gather(alone[0], journal.commit([step("run_a", head, 1)]), alone[1])
            same(results[1], [True], f"the commit with events at head {head}")
            same(await seqs(journal, "run_a"), list(range(1, head + 2)), "seqs")


# ---------------------------------------------------------------------------------------- wake-ups and messages


@JOURNAL.law()
async def due_in_order(open: Open) -> None:
    """`due` gives the runs whose wake-up is at or before now, the earliest first, `limit` at most; None is never."""
    async with open() as journal:
        for name, wake in (("run_c", 3.0), ("run_a", 5.0), ("run_n", None), ("run_b", 1.5), ("run_d", 4.0)):
            await journal.create(opening(name, wake=wake))
        same(await journal.due(0.0), [], "due before all")
        same(await journal.due(4.0), ["run_b", "run_c", "run_d"], "due at 4, with one at exactly 4")
        same(await journal.due(1e12), ["run_b", "run_c", "run_d", "run_a"], "due in the end")
        same(await journal.due(1e12, limit=2), ["run_b", "run_c"], "the first two")
        await must(journal, step("run_b", 1, wake=None), step("run_a", 1, wake=2.0))
        same(await journal.due(1e12), ["run_a", "run_c", "run_d"], "due after wake-ups have moved")


@JOURNAL.law()
async def queued_apart(open: Open) -> None:
    """Runs that wait for a place are `due` with `queued` alone, in the order of their wake-ups; the others without it."""
    async with open() as journal:
        for number, name in enumerate(("run_z", "run_y", "run_x")):
            await journal.create(opening(name, wake=10.0 + number, status="queued", created_at=50.0 - number))
        await journal.create(opening("run_a", wake=1.0))
        await journal.create(opening("run_n", wake=None, status="queued"))
        same(await journal.due(99.0), ["run_a"], "due, not queued")
        same(await journal.due(99.0, queued=True), ["run_z", "run_y", "run_x"], "queued")
        same(await journal.due(10.5, queued=True), ["run_z"], "queued, at 10.5")
        same(await journal.due(99.0, 2, True), ["run_z", "run_y"], "queued, two of them")
        await must(journal, step("run_z", 1, wake=2.0, status="running"))
        same(await journal.due(99.0, queued=True), ["run_y", "run_x"], "queued after one was let in")
        same(await journal.due(99.0), ["run_a", "run_z"], "due after one was let in")


@JOURNAL.law()
async def outbox_until_sent(open: Open) -> None:
    """A message is in the outbox from its commit until it is marked as sent, the oldest first; marking twice, or what is
    unknown, changes nothing."""
    async with open() as journal:
        same(await journal.outbox(), [], "an empty outbox")
        await journal.create(opening("run_b", 3, outbox=(2, 3)))
        await journal.create(opening("run_a", 1, outbox=(1,)))
        await must(journal, step("run_b", 3, 2, outbox=(5,)))
        await must(journal, step("run_a", 1, 1, outbox=(2,)))
        every = [("run_b", 2), ("run_b", 3), ("run_a", 1), ("run_b", 5), ("run_a", 2)]
        same(await journal.outbox(), every, "the outbox")
        same(await journal.outbox(2), every[:2], "the first two")
        await journal.sent([("run_b", 3), ("run_a", 1)])
        left = [("run_b", 2), ("run_b", 5), ("run_a", 2)]
        same(await journal.outbox(), left, "what is left")
        await journal.sent([("run_b", 3), ("run_x", 1), ("run_a", 99)])
        await journal.sent([])
        same(await journal.outbox(), left, "what is left after marking again")
        await asyncio.gather(*(journal.sent(left) for _ in range(10)))
        same(await journal.outbox(), [], "the outbox in the end")
        same(await seqs(journal, "run_b"), [1, 2, 3, 4, 5], "the events, which stay")


# ------------------------------------------------------------------------------------------------------ values


@JOURNAL.law()
async def every_kind_of_event(open: Open) -> None:
    """Every kind of event comes back as it was written, with every field."""
    async with open() as journal:
        events = [ev.Event(seq, seq / 3, _sample(kind)) for seq, kind in enumerate(ev.FACTS.values(), 1)]
        await journal.create(Commit("run_a", 0, events, row_of("run_a"), None))
        for found, written in zip(await journal.read("run_a"), events, strict=True):
            same(found, written, f"the event {written.kind}")


@JOURNAL.law()
async def any_text_and_number(open: Open) -> None:
    """Any Unicode text, U+0000 included, and any number that JSON has, comes back as it was written."""
    async with open() as journal:
        inputs = {
            "texts": list(TEXTS),
            "numbers": list(NUMBERS),
            **{f"key {text}": text for text in TEXTS},
            "deep": [[[{"a": [None, True, False, {}]}]]],
        }
        created = ev.Event(1, 1.7e9 + 1e-6, ev.RunCreated("flow", 1, "f00d", inputs))
        await journal.create(Commit("run_a", 0, [created], row_of("run_a"), None))
        found = (await journal.read("run_a"))[0]
        same(found, created, "the event")
        same([type(n) for n in found.fact.inputs["numbers"]], [type(n) for n in NUMBERS], "the types of its numbers")


@JOURNAL.law()
async def nothing_is_unwritable(open: Open) -> None:
    """What JSON has no form for is written as text, so that no run and nobody beside it is stuck for ever: half a surrogate
    pair becomes U+FFFD, any other object its str()."""
    async with open() as journal:
        await journal.create(opening("run_a"))
        await journal.create(opening("run_b"))
        odd = {"half": "a\ud800b", "big": 2**80, "odd": complex(1, 2), "\udfff": {3: "key"}}
        failed = ev.StepFailed("work", {"code": "x", "detail": odd})
        batch = [Commit("run_a", 1, [ev.Event(2, 1.0, failed)], row_of("run_a"), None), step("run_b", 1)]
        same(await journal.commit(batch), [True, True], "a commit with odd values, and the one beside it")
        expected = {"half": "a\ufffdb", "big": str(2**80), "odd": "(1+2j)", "\ufffd": {"3": "key"}}
        same((await journal.read("run_a", 1))[0].fact.error["detail"], expected, "the odd values")


@JOURNAL.law()
async def large_events(open: Open) -> None:
    """Events of megabytes are written and read like others."""
    async with open() as journal:
        await journal.create(opening("run_a"))
        large = "ä" * 1_500_000
        await must(journal, step("run_a", 1, 2, text=large))
        same([e.fact.lines[0][1] == large for e in await journal.read("run_a", 1)], [True, True], "two events of 3 MB")


@JOURNAL.law()
async def ten_thousand_events(open: Open) -> None:
    """A run of 10,000 events is read whole, by its tail and in parts."""
    async with open() as journal:
        await journal.create(opening("run_a"))
        for head in range(1, 10_000, 500):
            await must(journal, step("run_a", head, min(500, 10_000 - head)))
        same(await seqs(journal, "run_a"), list(range(1, 10_001)), "all seqs")
        same([e.seq for e in await journal.read("run_a", 9_998)], [9_999, 10_000], "the tail")
        parts, after = 0, 0
        while part := await journal.read("run_a", after, 999):
            need(part[0].seq == after + 1, f"after {after} came {part[0].seq}")
            parts, after = parts + 1, part[-1].seq
        same((parts, after), (11, 10_000), "parts of 999, and the last seq")


# ------------------------------------------------------------------------------------------------- concurrency


@JOURNAL.law()
async def fifty_at_once(open: Open) -> None:
    """Fifty tasks, each with a run of its own and all with ten that they share, leave every run without a gap; each says truly
    whether it won."""
    async with open() as journal:
        shared = [f"shared_{n}" for n in range(10)]
        for name in shared:
            await journal.create(opening(name))
        won: dict[str, int] = dict.fromkeys(shared, 0)

        async def writer(number: int) -> None:
            own = f"own_{number:02d}"
            need(await journal.create(opening(own)), f"{own} could not be created")
            for turn in range(1, 11):
                target = shared[(number + turn) % len(shared)]
                head = (await journal.read(target))[-1].seq
                both = await journal.commit([step(target, head, 2), step(own, turn)])
                need(both[1], f"{own} has one writer, and its commit at head {turn} was answered False")
                won[target] += both[0]

        await asyncio.gather(*(writer(number) for number in range(50)))
        for name in shared:
            same(await seqs(journal, name), list(range(1, 2 * won[name] + 2)), f"seqs of {name}")
        for number in range(50):
            same(await seqs(journal, f"own_{number:02d}"), list(range(1, 12)), f"seqs of own_{number:02d}")


@JOURNAL.law()
async def a_cancelled_caller(open: Open) -> None:
    """A caller that is cancelled while it commits leaves all of its commit or nothing, and harms nobody else's."""
    async with open() as journal:
        await journal.create(opening("run_a"))
        await journal.create(opening("run_b"))
        for turn in range(20):
            head = (await journal.read("run_a"))[-1].seq
            task = asyncio.ensure_future(journal.commit([step("run_a", head, 3)]))
            beside = asyncio.ensure_future(journal.commit([step("run_b", 1 + turn)]))
            for _ in range(turn % 5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            same(await beside, [True], "the commit beside it")
            found = len(await journal.read("run_a"))
            need(found in (head, head + 3), f"{found - head} of 3 events were written")


@JOURNAL.law(reopens=True)
async def durable(open: Open) -> None:
    """What was answered True is there when the place is opened again: events, wake-ups and messages."""
    async with open() as journal:
        await journal.create(opening("run_a", 2, wake=3.0, outbox=(2,)))
        await must(journal, step("run_a", 2, 3, wake=9.0, outbox=(4,)))
        written = await journal.read("run_a")
    async with open() as journal:
        same(await journal.read("run_a"), written, "the events")
        same((await journal.due(8.0), await journal.due(9.0)), ([], ["run_a"]), "runs due before and at the wake-up")
        same(await journal.outbox(), [("run_a", 2), ("run_a", 4)], "the outbox")
        same(await journal.commit([step("run_a", 2)]), [False], "a commit with a head from before")
        await must(journal, step("run_a", 5))


@JOURNAL.law(reopens=True)
async def two_processes(open: Open) -> None:
    """Two adapters on one place, as two processes have them: at each head one of them wins, and each sees what the other wrote."""
    async with open() as one, open() as other:
        names = [f"run_{n}" for n in range(8)]
        for name in names:
            same(await one.create(opening(name, outbox=(1,))), True, f"create of {name}")
            same(await other.create(opening(name)), False, f"create of {name} by the other")

        async def writer(journal: Journal, forward: bool) -> int:
            wins = 0
            for _ in range(12):
                heads = [(name, (await journal.read(name))[-1].seq) for name in names]
                batch = [step(name, head) for name, head in heads]
                wins += sum(await journal.commit(batch if forward else batch[::-1]))
                await journal.sent(await journal.outbox())
            return wins

        wins = await asyncio.gather(writer(one, True), writer(other, False), writer(one, False), writer(other, True))
        written = 0
        for name in names:
            found = await seqs(one, name)
            same(found, list(range(1, len(found) + 1)), f"seqs of {name}")
            same(await seqs(other, name), found, f"seqs of {name} as the other sees it")
            written += len(found) - 1
        same(written, sum(wins), "events written, against commits that were told they won")
        same(await one.outbox(), [], "the outbox, after both have sent it")


def _sample(kind: type[ev.Fact]) -> ev.Fact:
    """A fact with a value in every field."""
    samples: tuple[tuple[str, Any], ...] = (
        ("str", "tëxt"),
        ("int", 7),
        ("float", 0.1),
        ("bool", True),
        ("list[str]", ["a", "b"]),
        ("list[list", [[1.5, "line"]]),
        ("list", [{"name": "a", "n": 1}]),
        ("dict", {"a": {"b": [1, None]}}),
        ("Any", {"any": [1, "x", None]}),
    )
    made = {f.name: next(v for start, v in samples if str(f.type).startswith(start)) for f in fields(kind)}
    return kind(**made)
