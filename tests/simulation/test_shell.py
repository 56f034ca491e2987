"""The control plane and the executor together, in virtual time, without faults: what the shell round the engine promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.simulation.shell import ONE, Do, Shell, flow, nothing, play

from penstock.bus.embedded import EmbeddedBus
from penstock.engine import events as ev
from penstock.errors import Conflict, Invalid, NotFound, StepFailed, Unavailable
from penstock.executor import Executor
from penstock.ports import Message, Work
from penstock.testing.simulation import Objects


def test_cancel_ends_the_steps_task_before_the_run_is_cancelled() -> None:
    async def main() -> None:
        ended: list[str] = []

        async def hang(step: Any) -> None:
            try:
                await asyncio.Future()
            finally:
                ended.append(step.step_id)

        shell = Shell(hang, flow(ONE))
        run = await shell.start()
        await asyncio.sleep(1)
        await shell.control.cancel(run, "ada", "enough")
        state = await shell.control.wait(run)
        assert (state.status, ended) == ("cancelled", ["a#1"])
        assert asyncio.get_running_loop().time() < 2, "it was waited for, not told to stop"
        with pytest.raises(Conflict):
            await shell.control.cancel(run, "ada")

    play(main)


def test_a_failure_stops_the_other_steps() -> None:
    async def main() -> None:
        async def does(step: Any) -> None:
            if step.step_id == "a#1":
                raise ValueError("no")
            await asyncio.Future()

        shell = Shell(does, flow({**ONE, "b": {"kind": "do"}}))
        run = await shell.start()
        state = await shell.control.wait(run)
        assert state.status == "failed"
        assert state.error["code"] == "step.crashed"  # type: ignore[index]
        assert asyncio.get_running_loop().time() < 2

    play(main)


def test_a_step_that_takes_too_long_is_stopped_and_tried_again() -> None:
    async def main() -> None:
        async def does(step: Any) -> int:
            if step.attempt == 1:
                await asyncio.Future()
            return step.attempt

        nodes = {"a": {"kind": "do", "timeout": 5, "retry": {"attempts": 2, "backoff": 1}}}
        shell = Shell(does, flow(nodes, outputs={"n": "${{ nodes.a.output }}"}))
        run = await shell.start()
        state = await shell.control.wait(run)
        assert state.outputs == {"n": 2}
        failed = [e.fact.error["code"] for e in await shell.journal.read(run) if e.kind == "step.failed"]
        assert failed == ["step.timeout"]

    play(main)


def test_what_was_kept_is_not_called_again_on_a_retry() -> None:
    async def main() -> None:
        calls: list[int] = []

        async def does(step: Any) -> Any:
            async def call() -> dict[str, int]:
                calls.append(step.attempt)
                return {"n": len(calls)}

            got = await step.once("call", call)
            if step.attempt < 3:
                raise ConnectionError("later")
            return got

        async def wrapped(step: Any) -> Any:
            try:
                return await does(step)
            except ConnectionError as error:
                raise StepFailed(str(error)) from None

        nodes = {"a": {"kind": "do", "retry": {"attempts": 3, "backoff": 1}}}
        shell = Shell(wrapped, flow(nodes, outputs={"n": "${{ nodes.a.output.n }}"}))
        state = await shell.control.wait(await shell.start())
        assert (state.outputs, calls) == ({"n": 1}, [1])

    play(main)


def test_many_runs_wait_their_turn_in_the_journal_alone_and_all_end() -> None:
    async def main() -> None:
        at_once = most = 0

        async def does(step: Any) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(1)
            at_once -= 1

        shell = Shell(does, flow(ONE), running=5)
        runs = [await shell.start() for _ in range(60)]
        assert len(shell.control._boxes) <= 5
        states = [await shell.control.wait(run) for run in runs]
        assert {s.status for s in states} == {"completed"}
        assert most == 5

    play(main)


def test_a_waiting_run_gives_its_place_to_others() -> None:
    async def main() -> None:
        asking = flow({"q": {"kind": "human", "with": {"title": "?"}}}, name="asking")
        shell = Shell(nothing, flow(ONE), asking, running=2)
        waiting = [await shell.start("asking") for _ in range(6)]
        state = await shell.control.wait(await shell.start())
        assert state.status == "completed"
        page = await shell.runs.list("default", asks=True)
        assert len(page.items) == 6
        for run in waiting:
            await shell.control.answer(run, "q#1", "approve", "ada")
        assert {(await shell.control.wait(run)).status for run in waiting} == {"completed"}

    play(main)


def test_answers_are_checked_and_count_once() -> None:
    async def main() -> None:
        ask = {"title": "Ship?", "comment": "on_reject", "choices": ["approve", "reject"]}
        shell = Shell(
            nothing, flow({"q": {"kind": "human", "with": ask}}, outputs={"d": "${{ nodes.q.output.decision }}"})
        )
        run = await shell.start()
        await shell.control.wait(run, lambda s: s.asking > 0)
        answer = shell.control.answer
        for bad, code in (("perhaps", "approval.bad_decision"), ("reject", "approval.comment_required")):
            with pytest.raises(Invalid) as caught:
                await answer(run, "q#1", bad, "ada")
            assert caught.value.code == code
        outcomes = await asyncio.gather(
            answer(run, "q#1", "approve", "ada"), answer(run, "q#1", "approve", "bob"), return_exceptions=True
        )
        assert sorted(type(o).__name__ for o in outcomes) == ["Conflict", "NoneType"]
        assert (await shell.control.wait(run)).outputs == {"d": "approve"}
        with pytest.raises(NotFound):
            await answer(run, "zz#1", "approve", "ada")

    play(main)


def test_a_sub_workflow_is_a_run_of_its_own_and_its_outputs_come_back() -> None:
    async def main() -> None:
        async def does(step: Any) -> int:
            return 41

        child = flow(ONE, name="child", outputs={"n": "${{ nodes.a.output + 1 }}"})
        parent = flow(
            {"s": {"kind": "subflow", "with": {"workflow": "child"}}}, outputs={"n": "${{ nodes.s.output.n }}"}
        )
        shell = Shell(does, parent, child)
        run = await shell.start()
        assert (await shell.control.wait(run)).outputs == {"n": 42}
        rows = (await shell.runs.list("default", parent=run)).items
        assert [row.workflow for row in rows] == ["child"]

    play(main)


def test_a_sub_workflow_that_is_not_there_fails_its_step() -> None:
    async def main() -> None:
        shell = Shell(nothing, flow({"s": {"kind": "subflow", "with": {"workflow": "gone"}}}))
        state = await shell.control.wait(await shell.start())
        assert state.error["code"] == "subflow.failed"  # type: ignore[index]

    play(main)


def test_sub_workflows_do_not_nest_for_ever() -> None:
    async def main() -> None:
        shell = Shell(nothing, flow({"s": {"kind": "subflow", "with": {"workflow": "flow"}}}))
        state = await shell.control.wait(await shell.start())
        assert state.status == "failed"
        assert len((await shell.runs.list("default", limit=100)).items) == 11

    play(main)


def test_cancelling_a_run_cancels_its_child() -> None:
    async def main() -> None:
        async def hang(step: Any) -> None:
            await asyncio.Future()

        shell = Shell(hang, flow({"s": {"kind": "subflow", "with": {"workflow": "child"}}}), flow(ONE, name="child"))
        run = await shell.start()
        await asyncio.sleep(3)
        await shell.control.cancel(run, "ada")
        child = (await shell.runs.list("default", parent=run)).items[0].run_id
        assert (await shell.control.wait(child)).status == "cancelled"

    play(main)


def test_a_parent_hears_of_a_child_that_ended_while_nobody_listened() -> None:
    async def main() -> None:
        parent = flow({"s": {"kind": "subflow", "with": {"workflow": "child"}}})
        shell = Shell(nothing, parent, flow(ONE, name="child"))
        told = shell.control.tell

        def deaf(run_id: str, news: Any) -> None:
            if type(news).__name__ != "ChildEnded":
                told(run_id, news)

        shell.control.tell = deaf  # type: ignore[method-assign]
        state = await shell.control.wait(await shell.start())
        assert state.status == "completed"

    play(main)


def test_big_values_are_artifacts_and_the_journal_holds_pointers() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            if step.step_id == "a#1":
                return {"text": "x" * 200_000, "n": 3}
            return len(step.input["v"]["text"])

        nodes = {**ONE, "b": {"kind": "do", "with": {"v": "${{ nodes.a.output }}"}}}
        edges = [{"from": "a", "to": "b", "when": "${{ nodes.a.output.n == 3 }}"}]
        outputs = {"n": "${{ nodes.b.output }}", "all": "${{ nodes.a.output }}"}
        shell = Shell(does, flow(nodes, edges, outputs=outputs))
        run = await shell.start()
        state = await shell.control.wait(run)
        assert state.status == "completed", state.error
        events = await shell.journal.read(run)
        assert all(len(str(ev.encode(e.fact))) < 70_000 for e in events)
        assert len(shell.objects) == 3, "one each for the output, the input and the outputs"

    play(main)


def test_a_fork_goes_on_from_the_middle_with_another_input_and_keeps_what_was_kept() -> None:
    async def main() -> None:
        calls: list[str] = []

        async def does(step: Any) -> Any:
            if step.step_id == "a#1":

                async def call() -> int:
                    calls.append(step.run_id)
                    return 1

                return await step.once("c", call)
            return step.input.get("x")

        nodes = {**ONE, "b": {"kind": "do", "with": {"x": "${{ nodes.a.output }}"}}}
        shell = Shell(does, flow(nodes, [{"from": "a", "to": "b"}], outputs={"x": "${{ nodes.b.output }}"}))
        run = await shell.start()
        assert (await shell.control.wait(run)).outputs == {"x": 1}
        scheduled = next(
            e.seq for e in await shell.journal.read(run) if e.kind == "step.scheduled" and e.fact.step == "b#1"
        )
        fork = await shell.control.fork(run, scheduled, "ada", {"b#1": {"x": "edited"}})
        assert (await shell.control.wait(fork)).outputs == {"x": "edited"}
        assert calls == [run]
        with pytest.raises(Invalid):
            await shell.control.fork(run, 10_000, "ada")

    play(main)


def test_a_paused_run_goes_on_when_it_is_resumed() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            if step.input.get("bad"):
                raise ValueError("bad")
            return 1

        shell = Shell(does, flow({"a": {"kind": "do", "with": {"bad": True}, "on_error": "pause"}}))
        run = await shell.start()
        await shell.control.wait(run, lambda s: s.status == "paused")
        with pytest.raises(Invalid):
            await shell.control.resume(run, "ada", {"zz#1": {}})
        await shell.control.resume(run, "ada", {"a#1": {"bad": False}})
        assert (await shell.control.wait(run)).status == "completed"
        with pytest.raises(Conflict):
            await shell.control.resume(run, "ada")

    play(main)


def test_an_unknown_run_is_not_found() -> None:
    async def main() -> None:
        shell = Shell(nothing, flow(ONE))
        for ask in (
            shell.control.cancel("run-none", "ada"),
            shell.control.wait("run-none"),
            shell.control.state("run-none"),
        ):
            with pytest.raises(NotFound):
                await ask
        assert shell.control._boxes == {}

    play(main)


def test_timers_ring_on_time() -> None:
    async def main() -> None:
        shell = Shell(nothing, flow({"w": {"kind": "wait", "with": {"seconds": 3600}}}))
        run = await shell.start()
        await shell.control.wait(run)
        assert 3600 <= asyncio.get_running_loop().time() < 3602

    play(main)


def test_work_that_never_reached_the_bus_is_sent_at_the_next_look() -> None:
    async def main() -> None:
        class Dying(EmbeddedBus):
            durable = True

            async def publish(self, messages: Any) -> None:
                await asyncio.Future()  # the process dies here, between the commit and the bus

        first = Shell(nothing, flow(ONE))
        first.control.bus = Dying()
        start = asyncio.create_task(first.start())
        await asyncio.sleep(0.1)
        start.cancel()
        first.sweeping.cancel()
        assert await first.journal.outbox() == [("run-00001", 4)]
        second = Shell(nothing, flow(ONE), database=first.database)
        state = await second.control.wait("run-00001")
        assert state.status == "completed"
        assert asyncio.get_running_loop().time() < 3, "only its lease put it right"
        assert await second.journal.outbox() == []

    play(main)


def test_a_caller_that_goes_away_does_not_leave_a_run_half_begun() -> None:
    async def main() -> None:
        shell = Shell(nothing, flow(ONE))
        start = asyncio.create_task(shell.start())
        await asyncio.sleep(0)
        start.cancel()
        await asyncio.sleep(1)
        assert [row.status for row in (await shell.runs.list("default")).items] == ["completed"]

    play(main)


def test_a_restart_sends_at_once_what_was_in_flight() -> None:
    async def main() -> None:
        async def hang(step: Any) -> Any:
            await asyncio.Future()

        shell = Shell(hang, flow(ONE))
        run = await shell.start()
        await asyncio.sleep(1)
        await shell.executor.close()
        shell.executor = Executor(shell.bus, shell.control, {"do": Do(nothing)}, Objects({}), None, name="e2")  # type: ignore[arg-type]
        shell.executor.begin()
        assert await shell.control.recover() == 1
        assert (await shell.control.wait(run)).status == "completed"
        assert asyncio.get_running_loop().time() < 3, "only its lease put it right"

    play(main)


def test_a_delivery_nobody_wants_any_more_makes_no_further_call() -> None:
    async def main() -> None:
        made: list[str] = []

        async def does(step: Any) -> Any:
            for name in ("one", "two"):

                async def call(name: str = name) -> str:
                    made.append(name)
                    return name

                await step.once(name, call)

        class Refusing:
            """A control plane for which this delivery was lost between its first call and its end."""

            def __init__(self) -> None:
                self.told: list[Any] = []

            def tell(self, run_id: str, news: Any) -> None:
                self.told.append(news)

            async def advance(self, run_id: str, news: Any) -> Any:
                return () if type(news).__name__ == "Kept" else (news,)

        bus, reports = EmbeddedBus(), Refusing()
        executor = Executor(bus, reports, {"do": Do(does)}, Objects({}), None, name="e1")  # type: ignore[arg-type]
        executor.begin()
        work = Work("run-1", "a#1", "a", "do", "default", {}, 1, 1, "key")
        await bus.publish([Message("task-requests", "run-1", work)])
        await asyncio.sleep(1)
        assert made == ["one"]
        assert reports.told == []

    play(main)


def test_code_that_cancels_itself_has_failed() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            raise asyncio.CancelledError

        shell = Shell(does, flow(ONE))
        state = await shell.control.wait(await shell.start())
        assert state.error["code"] == "step.cancelled_itself"  # type: ignore[index]
        assert asyncio.get_running_loop().time() < 5

    play(main)


def test_an_old_message_that_comes_late_does_not_stop_the_newer_attempt() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            if step.attempt == 1:
                raise StepFailed("again")
            await asyncio.sleep(20)

        shell = Shell(does, flow({"a": {"kind": "do", "retry": {"attempts": 2, "backoff": 1}}}))
        run = await shell.start()
        await asyncio.sleep(5)
        await shell.bus.publish(
            [Message("task-requests", run, Work(run, "a#1", "a", "do", "default", {}, 1, 1, "key"))]
        )
        assert (await shell.control.wait(run)).status == "completed"
        assert asyncio.get_running_loop().time() < 25

    play(main)


def test_who_runs_what_nobody_wants_is_told_when_it_next_speaks() -> None:
    async def main() -> None:
        ended: list[float] = []

        async def hang(step: Any) -> Any:
            try:
                await asyncio.Future()
            finally:
                ended.append(asyncio.get_running_loop().time())

        shell = Shell(hang, flow(ONE))
        elsewhere = Shell(
            hang, *shell.flows.values(), database=shell.database
        )  # the other process, with a bus of its own
        run = await shell.start()
        await asyncio.sleep(1)
        await elsewhere.control.cancel(run, "ada")
        assert (await elsewhere.control.wait(run)).status == "cancelled"
        await asyncio.sleep(30)
        assert len(ended) == 1

    play(main)


def test_a_store_that_fails_for_a_while_loses_no_news() -> None:
    async def main() -> None:
        runs_of_step = 0

        async def does(step: Any) -> Any:
            nonlocal runs_of_step
            runs_of_step += 1
            await asyncio.sleep(0.1)  # too short to be said to have started: its end is the first news

        shell = Shell(does, flow(ONE))
        run = await shell.start()
        commit, failures = shell.journal.commit, iter([OSError("disk full"), Unavailable("no store")])

        async def failing(commits: Any) -> Any:
            if (error := next(failures, None)) is not None:
                raise error
            return await commit(commits)

        shell.journal.commit = failing  # type: ignore[method-assign]
        assert (await shell.control.wait(run)).status == "completed"
        assert runs_of_step == 1
        assert asyncio.get_running_loop().time() < 5

    play(main)


def test_of_two_copies_of_a_message_one_makes_the_call() -> None:
    async def main() -> None:
        calls: list[str] = []

        async def does(step: Any) -> Any:
            async def call() -> str:
                calls.append(step.step_id)
                await asyncio.sleep(5)
                return "said"

            return await step.once("call", call)

        shell = Shell(does, flow(ONE), executors=2, batch=1)
        copies: list[Message] = []
        publish = shell.bus.publish

        async def twice(messages: Any) -> None:
            copies.extend(m for m in messages if m.topic == "task-requests")
            await publish(messages)

        shell.bus.publish = twice  # type: ignore[method-assign]
        run = await shell.start()
        await asyncio.sleep(1)
        (work,) = copies
        shell.executors[1]._hold(work.value)
        assert (await shell.control.wait(run)).status == "completed"
        assert calls == ["a#1"]

    play(main)


def test_a_request_that_comes_while_it_stops_is_answered_and_does_not_hold_it() -> None:
    async def main() -> None:
        async def hang(step: Any) -> Any:
            await asyncio.Future()

        shell = Shell(hang, flow(ONE))
        run = await shell.start()
        await asyncio.sleep(1)
        commit, begun, written = shell.journal.commit, asyncio.Event(), asyncio.Event()

        async def slow(commits: Any) -> Any:
            begun.set()
            await written.wait()
            return await commit(commits)

        shell.journal.commit = slow  # type: ignore[method-assign]
        first = asyncio.create_task(shell.control.pause(run, "ada"))
        await begun.wait()
        # One of the control plane's own tasks, such as that which cancels a child: `close` waits for these.
        second = shell.control._spawn(shell.control.cancel(run, "ada"))
        await asyncio.sleep(1)
        closing = asyncio.create_task(shell.control.close())
        await asyncio.sleep(1)
        written.set()
        await asyncio.wait_for(closing, 60)
        await first  # it was being committed
        third = asyncio.create_task(shell.control.cancel(run, "ada"))
        for late in (second, third):
            with pytest.raises(Unavailable) as caught:
                await asyncio.wait_for(late, 60)
            assert caught.value.code == "control.closed"

    play(main)
