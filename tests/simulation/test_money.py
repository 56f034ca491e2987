"""What is spent: reserved before it is used, settled after, and never more than any limit allows, at any moment."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.simulation.shell import ONE, Shell, flow, play

from penstock.engine import events as ev
from penstock.engine.fold import apply
from penstock.engine.state import RunState
from penstock.errors import Refused
from penstock.purse import check_budget, period_of
from penstock.testing.simulation import EPOCH

TODAY, MONTH = period_of("day", EPOCH), period_of("month", EPOCH)


class Provider:
    """Counts the calls it gets. Each takes a second."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self) -> str:
        self.calls += 1
        await asyncio.sleep(1)
        return "said"


def caller(provider: Provider, price: str = "0.02", comes_to: str | None = None, fails: bool = False) -> Any:
    """Steps that make one call of at most `price` dollars."""

    async def does(step: Any) -> Any:
        async def call() -> str:
            key = await step.spend(usd=price)
            try:
                said = await provider.call()
                if fails:
                    raise ValueError("the provider failed")
            except BaseException:
                step.settle(key)
                raise
            if comes_to is not None:
                step.settle(key, usd=comes_to)
            return said

        return await step.once("call", call)

    return does


async def spent_at_most(shell: Shell, run: str) -> Decimal:
    """The highest that reserved and spent ever were together, over every seq of the run's journal."""
    events = await shell.journal.read(run)
    state, most = RunState(run, shell.flows[events[0].fact.workflow]), Decimal(0)
    for event in events:
        apply(state, event)
        most = max(most, state.usd)
    return most


def many(count: int, **rest: Any) -> Any:
    return flow(
        {"a": {"kind": "do", "for_each": f"${{{{ range(0, {count}) }}}}", "with": {}, "on_error": "continue"}}, **rest
    )


def test_fifty_calls_at_once_on_three_executors_never_pass_the_runs_limit() -> None:
    async def main() -> None:
        provider = Provider()
        shell = Shell(caller(provider), many(50, limits={"usd": 0.45}), executors=3, batch=1, places=10)
        run = await shell.start()
        state = await shell.control.wait(run)
        events = await shell.journal.read(run)
        refused = [e.fact for e in events if isinstance(e.fact, ev.SpendRefused)]
        assert (state.status, provider.calls, len(refused)) == ("completed", 22, 28)
        assert await spent_at_most(shell, run) == Decimal("0.44")
        assert {(f.level, f.limit, f.asked) for f in refused} == {("run", "usd", "0.02")}
        assert refused[-1].left == "0.01"
        assert {e.fact.executor for e in events if isinstance(e.fact, ev.StepStarted)} == {"e1", "e2", "e3"}

    play(main)


def test_fifty_runs_at_once_never_pass_the_groups_limit_for_the_day() -> None:
    async def main() -> None:
        provider = Provider()
        budgets = {"group": check_budget("group", {"usd": 0.45, "per": "day"})}
        shell = Shell(caller(provider), flow(ONE), executors=3, budgets=budgets)
        runs = await asyncio.gather(*(shell.start() for _ in range(50)))
        ends = [await shell.control.wait(run) for run in runs]
        failed = [state for state in ends if state.status == "failed"]
        assert (provider.calls, len(failed)) == (22, 28)
        error = failed[0].error
        assert error["code"] == "limit.usd"  # type: ignore[index]
        assert error["detail"] == {"limit": "usd", "level": "group", "asked": "0.02", "left": "0.01"}  # type: ignore[index]
        assert (await shell.usage.list("default", TODAY))["group"] == (0, 440_000_000, 0)

    play(main)


def test_a_new_day_has_new_money_and_what_was_asked_for_before_midnight_belongs_to_the_day_before() -> None:
    async def main() -> None:
        provider = Provider()
        budgets = {"workflow:flow": check_budget("workflow:flow", {"usd": "0.03"})}
        shell = Shell(caller(provider, comes_to="0.015"), flow(ONE), budgets=budgets)
        midnight = 86_400 - EPOCH % 86_400
        await asyncio.sleep(midnight - 0.5)  # each call takes a second
        first = await shell.start()
        await asyncio.sleep(0.1)
        assert (await shell.control.wait(await shell.start())).error["code"] == "limit.usd"  # type: ignore[index]
        assert (await shell.control.wait(first)).status == "completed"
        today = period_of("day", EPOCH + midnight)
        assert today != TODAY
        assert (await shell.control.wait(await shell.start())).status == "completed"
        sums = [await shell.usage.list("default", period) for period in (TODAY, today)]
        assert [one["workflow:flow"] for one in sums] == [(0, 15_000_000, 0)] * 2

    play(main)


def test_what_a_call_did_not_need_is_there_for_the_next_and_a_failed_call_gives_all_of_it_back() -> None:
    async def main() -> None:
        cheap, broken = Provider(), Provider()
        shell = Shell(caller(cheap, "0.2", "0.05"), many(5, limits={"usd": "0.25", "parallel": 1}))
        run = await shell.start()
        assert (await shell.control.wait(run)).usd == Decimal("0.10")
        assert cheap.calls == 2, "0.05 + 0.2 is just 0.25; 0.1 + 0.2 is more"
        shell = Shell(caller(broken, fails=True), many(5, limits={"usd": "0.02", "parallel": 1}))
        state = await shell.control.wait(await shell.start())
        assert (broken.calls, state.usd) == (5, Decimal(0))
        assert await shell.usage.used("default", [("group", TODAY)]) == {("group", TODAY): (0, 0, 0)}

    play(main)


@pytest.mark.parametrize(
    ("limits", "at_node", "level", "calls"),
    [
        ({"call": {"usd": "0.019"}}, None, "call", 0),
        ({}, {"call": {"usd": "0.019"}}, "call", 0),
        ({"step": {"usd": "0.05"}}, None, "step", 2),
        ({}, {"usd": "0.05"}, "step", 2),
        ({"usd": "0.05"}, None, "run", 2),
        ({"usd": "0.05", "step": {"usd": "0.04"}}, {"usd": "0.03"}, "step", 1),
    ],
)
def test_a_refusal_makes_no_call_and_names_the_level(limits: Any, at_node: Any, level: str, calls: int) -> None:
    async def main() -> None:
        provider, seen = Provider(), []

        async def does(step: Any) -> None:
            for number in range(5):

                async def call() -> str:
                    try:
                        await step.spend(usd="0.02")
                    except Refused as error:
                        seen.append((error.code, error.detail["level"]))  # type: ignore[index]
                        raise
                    return await provider.call()

                await step.once(f"call {number}", call)

        node = {"kind": "do", "with": {}, **({"limits": at_node} if at_node else {})}
        shell = Shell(does, flow({"a": node}, limits=limits))
        state = await shell.control.wait(await shell.start())
        assert (state.status, provider.calls, seen) == ("failed", calls, [("limit.usd", level)])

    play(main)


def test_what_a_run_begins_is_bound_by_its_limits_too() -> None:
    async def main() -> None:
        provider = Provider()
        parent = flow(
            {
                "own": {"kind": "do", "with": {}},
                "more": {
                    "kind": "subflow",
                    "for_each": "${{ range(0, 5) }}",
                    "with": {"workflow": "child"},
                    "on_error": "continue",
                },
            },
            [{"from": "own", "to": "more"}],
            limits={"usd": "0.07"},
        )
        shell = Shell(caller(provider), parent, flow(ONE, name="child"), executors=3)
        run = await shell.start()
        assert (await shell.control.wait(run)).status == "completed"
        assert provider.calls == 3, "one of its own and two of its children's are 0.06"
        assert await shell.usage.used("default", [(f"run:{run}", "")]) == {}, "it is over, and its sum is gone"

    play(main)


def test_two_control_planes_on_one_database_do_not_pass_a_shared_limit() -> None:
    async def main() -> None:
        provider = Provider()
        budgets = {"group": check_budget("group", {"usd": 0.45, "per": "month"})}
        first = Shell(caller(provider), flow(ONE), executors=2, budgets=budgets)
        second = Shell(caller(provider), flow(ONE), database=first.database, budgets=budgets, prefix="other")
        runs = await asyncio.gather(*((first, second)[n % 2].start() for n in range(50)))
        ends = [await (first, second)[n % 2].control.wait(run) for n, run in enumerate(runs)]
        assert (provider.calls, sum(state.status == "failed" for state in ends)) == (22, 28)
        assert (await first.usage.list("default", MONTH))["group"] == (0, 440_000_000, 0)

    play(main)


def test_a_fork_pays_for_what_it_does_itself_and_not_for_what_it_was_copied_from() -> None:
    async def main() -> None:
        provider = Provider()
        shell = Shell(caller(provider), flow({**ONE, "b": {"kind": "do", "with": {}}}, [{"from": "a", "to": "b"}]))
        run = await shell.start()
        assert (await shell.control.wait(run)).usd == Decimal("0.04")
        events = await shell.journal.read(run)
        after_a = next(e.seq for e in events if isinstance(e.fact, ev.StepCompleted))
        fork = await shell.control.fork(run, after_a + 1, "ada")
        state = await shell.control.wait(fork)
        assert (state.status, state.usd, provider.calls) == ("completed", Decimal("0.04"), 3)
        assert (await shell.usage.list("default", TODAY))["group"] == (0, 60_000_000, 0)

    play(main)
