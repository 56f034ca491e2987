"""Steps that wait in their midst, speak of the moment, and say what they do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.simulation.shell import ONE, Shell, flow, play

from penstock.engine import events as ev
from penstock.errors import PenstockError
from penstock.ports import Wait
from penstock.testing.simulation import EPOCH


def test_a_step_asks_in_its_midst_and_goes_on_over_what_is_kept() -> None:
    async def main() -> None:
        calls: list[str] = []

        async def does(step: Any) -> Any:
            async def call(name: str) -> str:
                calls.append(name)
                return name

            first = await step.once("first", lambda: call("first"))
            answer = await step.wait_for("ask", Wait(ask={"title": "Go on?", "choices": ["approve", "reject"]}))
            second = await step.once("second", lambda: call("second"))
            return [first, answer["decision"], answer["by"], second]

        shell = Shell(does, flow(ONE, outputs={"said": "${{ nodes.a.output }}"}))
        run = await shell.start()
        state = await shell.control.wait(run, lambda state: state.shown == "waiting")
        assert [ask["title"] for ask in state.asks() or ()] == ["Go on?"]
        await shell.control.answer(run, "a#1", "approve", "ada")
        state = await shell.control.wait(run)
        assert state.outputs == {"said": ["first", "approve", "ada", "second"]}
        assert calls == ["first", "second"], "what was kept before the question is not done again"
        kept = [e.fact for e in await shell.journal.read(run) if isinstance(e.fact, ev.StepKept)]
        assert [(f.key, f.repeated) for f in kept] == [("first", False), ("ask", False), ("second", False)]

    play(main)


def test_a_question_in_the_midst_has_a_time_out_and_can_be_asked_many_times() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            now = EPOCH + asyncio.get_running_loop().time()
            answers = []
            for number in range(15):  # more often than an executor may fall silent
                wait = Wait(ask={"title": str(number), "on_timeout": "reject"}, until=now + 60)
                answers.append((await step.wait_for(f"ask {number}", wait))["timed_out"])
            return answers

        shell = Shell(does, flow(ONE, outputs={"said": "${{ nodes.a.output }}"}))
        assert (await shell.control.wait(await shell.start())).outputs == {"said": [True] * 15}
        assert asyncio.get_running_loop().time() == pytest.approx(15 * 60, abs=2)

    play(main)


def test_a_step_runs_another_workflow_in_its_midst_and_is_told_how_it_ended() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            if step.input.get("child"):
                if step.input["child"] == "bad":
                    raise PenstockError("no", code="mine.own")
                return step.input["child"]
            ends = []
            for name in ("good", "bad"):
                wait = Wait(child={"workflow": "child", "inputs": {"child": name}})
                ended = await step.wait_for(f"child {name}", wait)
                ends.append([ended["status"], ended["outputs"], (ended["error"] or {}).get("code")])
            return ends

        child = flow(
            {"a": {"kind": "do", "with": {"child": "${{ inputs.child }}"}}},
            name="child",
            outputs={"is": "${{ nodes.a.output }}"},
        )
        shell = Shell(does, flow(ONE, outputs={"said": "${{ nodes.a.output }}"}), child)
        state = await shell.control.wait(await shell.start())
        assert state.outputs == {"said": [["completed", {"is": "good"}, None], ["failed", None, "mine.own"]]}

    play(main)


def test_cancel_reaches_a_step_that_waits_in_its_midst() -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            return await step.wait_for("long", Wait(until=EPOCH + 1e6))

        shell = Shell(does, flow(ONE))
        run = await shell.start()
        await shell.control.wait(run, lambda state: state.shown == "waiting")
        await shell.control.cancel(run, "ada")
        assert (await shell.control.wait(run)).status == "cancelled"

    play(main)


@pytest.mark.parametrize(("then", "ends"), [("pause", "paused"), ("abort", "failed")])
def test_a_policy_pauses_or_ends_the_run_whatever_the_document_says(then: str, ends: str) -> None:
    async def main() -> None:
        async def does(step: Any) -> Any:
            if step.attempt == 1:
                raise PenstockError("a policy says so", code=f"policy.{then}", detail={"then": then})
            return "second"

        shell = Shell(does, flow({"a": {"kind": "do", "on_error": "continue", "retry": 3}}))
        run = await shell.start()
        state = await shell.control.wait(run, lambda state: state.shown == "paused")
        assert state.shown == ends
        if then == "pause":
            await shell.control.resume(run, "ada")
            assert (await shell.control.wait(run)).status == "completed"

    play(main)


class Secrets:
    async def get(self, group: str, name: str) -> str:
        return "s3cret-value"


def test_what_a_step_says_for_the_moment_is_heard_once_written_nowhere_and_hides_secrets() -> None:
    async def main() -> None:
        heard: list[Any] = []

        async def does(step: Any) -> None:
            await asyncio.sleep(1)
            await step.secret("key")
            for piece in ("a s3c", "ret-val", "ue b s3", "c", " d s3cret-value"):
                step.live({"turn": 1, "text": piece})
            step.live({"turn": 1, "again": True})
            step.live({"turn": 1, "text": "s3cre"})

        shell = Shell(does, flow(ONE), secrets=Secrets())
        run = await shell.start()
        stop = shell.control.listen(run, lambda step, data: heard.append((step, data)))
        await shell.control.wait(run)
        stop()
        text = "".join(data.get("text", "|") for _, data in heard)
        assert text == "a [redacted] b s3c d [redacted]|"
        assert {step for step, _ in heard} == {"a#1"}
        assert "turn" not in str(await shell.journal.read(run))

    play(main)


def test_facts_a_step_records_stand_before_its_later_calls_and_none_but_its_own() -> None:
    async def main() -> None:
        async def does(step: Any) -> None:
            await step.once("first", lambda: asyncio.sleep(0))
            step.record(ev.TaskMoved(step.step_id, "write", "Writer", "started"))
            await step.once("second", lambda: asyncio.sleep(0))
            with pytest.raises(ValueError, match="not for"):
                step.record(ev.TaskMoved("b#1", "write", "Writer", "started"))
            with pytest.raises(ValueError, match="not for"):
                step.record(ev.StepCompleted(step.step_id))

        shell = Shell(does, flow(ONE))
        run = await shell.start()
        assert (await shell.control.wait(run)).status == "completed"
        said = [e for e in await shell.kinds_of(run) if e in ("step.kept", "task.moved")]
        assert said == ["step.kept", "task.moved", "step.kept"]

    play(main)
