"""The kind `crew`: who is told what, what is kept under which name, what the results must be, and how work is handed on. The
provider is a local server spoken to over HTTP, or the scripted model."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.models.server import Provider, call, calls, say
from tests.nodes.stub import Step, Waits

from penstock.engine.events import Fact, TaskMoved
from penstock.errors import PenstockError, Refused, StepFailed
from penstock.models.registry import Models
from penstock.nodes.agent import Agent
from penstock.nodes.crew import Crew, CrewConfig
from penstock.nodes.function import Function, register, unregister
from penstock.ports import NodeKind, Wait
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

VERDICT = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}, "why": {"type": "string"}}}
PEOPLE = {
    "ada": {"role": "Researcher", "goal": "Find facts", "backstory": "You dig deep."},
    "bob": {"role": "Writer"},
}


def story(step: Step) -> list[tuple[str, str, str, str | None]]:
    return [(f.task, f.agent, f.status, f.parent) for f in step.said if isinstance(f, TaskMoved)]


made: list[Any] = []


async def look_up(given: Any) -> Any:
    """Looks a thing up."""
    made.append(given)
    return {"found": given["thing"]}


def long_enough(given: Any) -> Any:
    made.append(given)
    return (True, given["output"]) if len(given["text"]) > 3 else (False, "it is too short")


@pytest.fixture(autouse=True)
def functions() -> Any:
    made.clear()
    tools: dict[str, Callable[..., Any]] = {"look_up": look_up, "long_enough": long_enough, "odd": lambda given: 7}
    for name, function in tools.items():
        register(name, function)
    yield
    for name in tools:
        unregister(name)


async def no_sleep(seconds: float) -> None:
    return None


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    agent = Agent(Models(sleep=no_sleep, chance=lambda: 0.5), Servers(), Function())
    yield Crew(agent, Function())
    await agent.aclose()


def config(provider: Provider | None = None, **more: Any) -> CrewConfig:
    place = {"model": "openai:gpt-5", "base_url": provider.url} if provider else {"model": "scripted:"}
    tasks = [
        {"name": "find", "description": "Find it.", "expected_output": "Facts.", "agent": "ada"},
        {"name": "write", "description": "Write it.", "agent": "bob"},
    ]
    return CrewConfig(**{**place, "agents": PEOPLE, "tasks": tasks, **more})


def told(body: dict[str, Any]) -> str:
    """The last thing said by the one who asks."""
    content = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
    return content if isinstance(content, str) else content[0]["text"]


async def test_a_crew_is_a_kind(crew: Crew) -> None:
    kind: NodeKind = crew
    assert kind.name == "crew"


async def test_each_task_is_one_talk_with_its_agent_which_is_told_what_came_before(tmp_path: Path, crew: Crew) -> None:
    step = Step(tmp_path)
    async with Provider(say("The sky is blue."), say("Blue, she wrote.")) as provider:
        done = await crew.run(step, config(provider))
    tasks = {"find": "The sky is blue.", "write": "Blue, she wrote."}
    assert done.output == {"text": "Blue, she wrote.", "tasks": tasks}
    first, second = provider.bodies
    assert "Researcher" in str(first["messages"][0]) and "You dig deep." in str(first["messages"][0])
    assert told(first) == "Find it.\n\nWhat the result should be: Facts."
    assert "Writer" in str(second["messages"][0])
    assert told(second).endswith("What came of earlier tasks:\n\n## find\n\nThe sky is blue.")
    assert list(step.kept) == ["task:find/model:1", "task:write/model:1"]
    assert [h["idempotency-key"] for h in provider.headers] == [
        "run-1/node#1:task:find:model:1",
        "run-1/node#1:task:write:model:1",
    ]
    assert [(d["task"], d["agent"]) for d in step.shown[:1]] == [("find", "ada")]
    assert any(line.startswith("find (ada): turn 1") for line in step.notes)


async def test_context_names_what_a_task_is_told_of(tmp_path: Path, crew: Crew) -> None:
    def task(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "description": f"Do {name}.", "agent": "ada", **more}

    tasks = [task("a"), task("b", context=[]), task("c", context=["a"]), task("d", context=None)]
    async with Provider(*[say(f"came of {n}") for n in "abcd"]) as provider:
        await crew.run(Step(tmp_path), config(provider, tasks=tasks))
    assert [re.findall("came of ([a-d])$", told(body), re.MULTILINE) for body in provider.bodies] == [
        [],
        [],
        ["a"],
        ["a", "b", "c"],
    ]


async def test_a_task_with_a_schema_gives_a_value(tmp_path: Path, crew: Crew) -> None:
    tasks = [
        {
            "name": "find",
            "description": "Find.",
            "agent": "ada",
            "output": {"type": "array", "items": {"type": "integer"}},
        },
        {"name": "judge", "description": "Judge.", "agent": "bob", "output": VERDICT, "file": "verdict.json"},
    ]
    step = Step(tmp_path)
    answers = [
        call("final_result", {"value": [1, 2]}),
        call("final_result", {"ok": "no"}),
        call("final_result", {"ok": True}),
    ]
    async with Provider(*answers) as provider:
        done = await crew.run(step, config(provider, tasks=tasks))
    assert done.output == {"value": {"ok": True}, "tasks": {"find": [1, 2], "judge": {"ok": True}}}
    assert "[\n  1,\n  2\n]" in told(provider.bodies[1])
    assert step.saved == {"verdict.json": b'{\n  "ok": true\n}'}


async def test_tools_of_a_task_stand_for_those_of_its_agent(tmp_path: Path, crew: Crew) -> None:
    agents = {"ada": {"role": "R", "tools": [{"function": "look_up"}]}}
    tasks = [
        {"name": "with", "description": "a", "agent": "ada"},
        {"name": "without", "description": "b", "agent": "ada", "tools": []},
    ]
    step = Step(tmp_path)
    async with Provider(call("look_up", {"thing": "x"}), say("one"), say("two")) as provider:
        await crew.run(step, config(provider, agents=agents, tasks=tasks))
    assert "tools" in provider.bodies[0] and "tools" not in provider.bodies[2]
    assert list(step.kept) == [
        "task:with/model:1",
        "task:with/tool:1.1:c1",
        "task:with/model:2",
        "task:without/model:1",
    ]


# -------------------------------------------------------------------------------------------------------------- after a crash


async def test_what_was_kept_is_never_asked_again_and_the_story_is_told_once(tmp_path: Path, crew: Crew) -> None:
    """The process dies after each kept call in turn; each life tells what the one before did not."""
    agents = {"ada": {**PEOPLE["ada"], "tools": [{"function": "look_up"}]}, "bob": PEOPLE["bob"]}
    answers = [call("look_up", {"thing": "x"}), say("found x"), say("wrote x")]
    kept: dict[str, Any] = {}
    facts: list[Fact] = []

    class Dies(Step):
        async def once(self, key: str, call: Any) -> Any:
            value = await super().once(key, call)
            if self.calls:
                raise Waits(key, Wait())
            return value

    async with Provider(*answers) as provider:
        for _ in range(4):
            with pytest.raises(Waits):
                await crew.run(Dies(tmp_path, kept=kept, said=facts), config(provider, agents=agents))
        last = Step(tmp_path, kept=kept, said=facts)
        done = await crew.run(last, config(provider, agents=agents))
        assert len(provider.bodies) == 3 and len(made) == 1 and last.calls == []
    assert done.output["text"] == "wrote x"
    assert story(last) == [
        ("find", "ada", "started", None),
        ("find", "ada", "completed", None),
        ("write", "bob", "started", None),
        ("write", "bob", "completed", None),
    ]


async def test_a_task_that_fails_says_so(tmp_path: Path, crew: Crew) -> None:
    step = Step(tmp_path, allowance={"iterations": 1})
    async with Provider(say("x")) as provider:
        with pytest.raises(Refused):
            await crew.run(step, config(provider))
    assert len(provider.bodies) == 1
    assert story(step)[-1] == ("write", "bob", "failed", None)


# -------------------------------------------------------------------------------------------------------------- guardrails


async def test_a_condition_sends_an_answer_back_until_it_holds(tmp_path: Path, crew: Crew) -> None:
    tasks = [{"name": "t", "description": "d", "agent": "ada", "guardrail": "size(text) > 5"}]
    async with Provider(say("no"), say("long enough")) as provider:
        done = await crew.run(Step(tmp_path), config(provider, tasks=tasks))
    assert done.output["text"] == "long enough"
    assert "it is not true that size(text) > 5" in told(provider.bodies[1])


async def test_repairs_are_bounded(tmp_path: Path, crew: Crew) -> None:
    guardrail = {"check": "output.ok", "message": "say yes", "repairs": 2}
    tasks = [{"name": "t", "description": "d", "agent": "ada", "output": VERDICT, "guardrail": guardrail}]
    async with Provider(call("final_result", {"ok": False})) as provider:
        with pytest.raises(StepFailed) as caught:
            await crew.run(Step(tmp_path), config(provider, tasks=tasks))
    assert (caught.value.code, caught.value.retryable) == ("crew.guardrail", False)
    assert "say yes" in caught.value.message
    assert len(provider.bodies) == 3


async def test_a_function_judges_and_its_word_is_kept(tmp_path: Path, crew: Crew) -> None:
    tasks = [{"name": "t", "description": "d", "agent": "ada", "guardrail": {"function": "long_enough"}}]
    step = Step(tmp_path)
    async with Provider(say("no"), say("long enough")) as provider:
        await crew.run(step, config(provider, tasks=tasks))
    assert "it is too short" in told(provider.bodies[1])
    assert list(step.kept) == ["task:t/model:1", "task:t/guardrail:1.1", "task:t/model:2", "task:t/guardrail:2.1"]
    assert made[0] == {"task": "t", "output": "no", "text": "no"}
    await crew.run(Step(tmp_path, kept=step.kept), config(provider, tasks=tasks))
    assert len(made) == 2
    odd = [{**tasks[0], "guardrail": {"function": "odd"}}]
    with pytest.raises(StepFailed) as caught:
        await crew.run(Step(tmp_path), config(tasks=odd))
    assert caught.value.code == "crew.bad_guardrail"


async def test_a_model_judges(tmp_path: Path, crew: Crew) -> None:
    tasks = [{"name": "t", "description": "d", "agent": "ada", "guardrail": {"judge": "It is polite."}}]
    answers = [say("go"), call("final_result", {"ok": False, "why": "say please"}), say("please go")]
    step = Step(tmp_path)
    async with Provider(*answers, call("final_result", {"ok": True})) as provider:
        done = await crew.run(step, config(provider, tasks=tasks))
    assert done.output["text"] == "please go"
    assert "It is polite." in told(provider.bodies[1]) and "say please" in told(provider.bodies[2])
    assert list(step.kept) == [
        "task:t/model:1",
        "task:t/guardrail:1.1/model:1",
        "task:t/model:2",
        "task:t/guardrail:2.1/model:1",
    ]


async def test_a_person_looks_at_the_result(tmp_path: Path, crew: Crew) -> None:
    tasks = [{"name": "t", "description": "d", "agent": "ada", "review": True}]
    kept: dict[str, Any] = {}
    answers: list[Any] = [{"decision": "revise", "comment": "shorter"}, {"decision": "approve"}]
    asked: list[Any] = []
    async with Provider(say("long"), say("short")) as provider:
        for answer in answers:
            with pytest.raises(Waits) as caught:
                await crew.run(Step(tmp_path, kept=kept), config(provider, tasks=tasks))
            kept[caught.value.key] = answer
            asked.append((caught.value.key, caught.value.wait))
        done = await crew.run(Step(tmp_path, kept=kept), config(provider, tasks=tasks))
    assert done.output["text"] == "short" and len(provider.bodies) == 2
    assert [(key, wait.ask["message"]) for key, wait in asked] == [
        ("task:t/review:1", "long"),
        ("task:t/review:2", "short"),
    ]
    assert "shorter" in told(provider.bodies[1])


# -------------------------------------------------------------------------------------------------------- handing work on


HIERARCHY: dict[str, Any] = {"process": "hierarchical", "tasks": [{"name": "all", "description": "Do all."}]}


async def test_a_manager_hands_work_on_and_answers_for_it(tmp_path: Path, crew: Crew) -> None:
    ask = call("delegate_work", {"coworker": "bob", "task": "Write.", "context": "About bees."})
    step = Step(tmp_path)
    async with Provider(ask, say("bees!"), say("The writer says: bees!")) as provider:
        done = await crew.run(step, config(provider, **HIERARCHY))
    assert done.output["text"] == "The writer says: bees!"
    manager, writer, _ = provider.bodies
    assert "- bob: Writer" in told(manager)
    assert told(writer) == "Write.\n\nWhat you need to know:\nAbout bees." and "tools" not in writer
    assert list(step.kept) == [
        "task:all/model:1",
        "task:all/tool:1.1:c1/model:1",
        "task:all/tool:1.1:c1",
        "task:all/model:2",
    ]
    assert story(step) == [
        ("all", "manager", "started", None),
        ("all/tool:1.1:c1", "bob", "started", "all"),
        ("all/tool:1.1:c1", "bob", "completed", "all"),
        ("all", "manager", "completed", None),
    ]
    assert all(any(key.startswith(f"task:{f.task}") for key in step.kept) for f in step.said)  # type: ignore[attr-defined]


async def test_a_manager_may_be_bound_to_one_agent_and_cannot_invent_another(tmp_path: Path, crew: Crew) -> None:
    more = {**HIERARCHY, "tasks": [{"name": "all", "description": "d", "agent": "ada"}]}
    async with Provider(call("delegate_work", {"coworker": "bob", "task": "x"}), say("done")) as provider:
        await crew.run(Step(tmp_path), config(provider, **more, manager={"role": "Boss", "goal": "g"}))
    assert "Boss" in str(provider.bodies[0]["messages"][0]) and "- bob" not in told(provider.bodies[0])
    assert "do not fit" in str(provider.bodies[1]["messages"][-1])


async def test_handing_on_is_bounded_also_after_a_crash(tmp_path: Path, crew: Crew) -> None:
    def hand(n: int) -> tuple[str, str, Any]:
        return (f"c{n}", "delegate_work", {"coworker": "bob", "task": f"part {n}"})

    def answers() -> list[Any]:
        return [calls(hand(1), hand(2)), say("1"), say("2"), calls(hand(3), hand(4)), say("3"), say("done")]

    step = Step(tmp_path)
    async with Provider(*answers()) as provider:
        await crew.run(step, config(provider, **HIERARCHY, max_delegations=3))
        assert len(provider.bodies) == 6, "the fourth was not handed on"
    assert "which is all there is" in step.kept["task:all/tool:2.2:c4"]["text"]
    again = dict(list(step.kept.items())[: list(step.kept).index("task:all/model:2") + 1])
    async with Provider(say("3"), say("done")) as provider:
        await crew.run(Step(tmp_path, kept=again), config(provider, **HIERARCHY, max_delegations=3))
        assert len(provider.bodies) == 2, "what was handed on before the crash counts"


async def test_an_agent_that_delegates_does_so_in_a_sequence_too(tmp_path: Path, crew: Crew) -> None:
    agents = {"ada": {**PEOPLE["ada"], "delegates": True}, "bob": PEOPLE["bob"]}
    answers = [call("delegate_work", {"coworker": "bob", "task": "x"}), say("bob's"), say("ada's"), say("end")]
    async with Provider(*answers) as provider:
        await crew.run(Step(tmp_path), config(provider, agents=agents))
    assert "tools" in provider.bodies[0] and "tools" not in provider.bodies[3]


async def test_a_script_plays_a_crew_without_a_key(tmp_path: Path, crew: Crew) -> None:
    tasks = [
        {"name": "find", "description": "d", "agent": "ada", "script": ["facts"]},
        {"name": "write", "description": "d", "agent": "bob"},
    ]
    done = await crew.run(Step(tmp_path), config(tasks=tasks))
    assert done.output["tasks"]["find"] == "[scripted] facts" and "[scripted]" in done.output["text"]


# -------------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tasks": [{"name": "t", "description": "d", "agent": "eve"}]}, "no agent 'eve'"),
        ({"tasks": [{"name": "t", "description": "d"}]}, "no agent, which only a hierarchical"),
        ({"tasks": [{"name": "t", "description": "d", "agent": "ada", "context": ["u"]}]}, "no task 'u' comes before"),
        ({"tasks": [{"name": "t", "description": "d", "agent": "ada"}] * 2}, "two tasks 't'"),
        ({"manager": {"role": "Boss"}}, "a manager is for"),
        ({"tasks": [{"name": "t", "description": "d", "agent": "ada", "guardrail": "size(txt) > 1"}]}, "txt"),
        ({"tasks": [{"name": "t", "description": "d", "agent": "ada", "guardrail": {}}]}, "one of check, judge"),
        ({"tasks": [{"name": "t", "description": "d", "agent": "ada", "file": "../x.md"}]}, "a plain relative name"),
        ({"tasks": []}, "at least 1"),
    ],
)
def test_what_is_wrong_with_a_crew_is_said(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        config(**more)


async def test_an_unknown_model_is_an_error_with_a_name(tmp_path: Path, crew: Crew) -> None:
    with pytest.raises(PenstockError) as caught:
        await crew.run(Step(tmp_path), config(model="opnai:gpt"))
    assert caught.value.code == "model.unknown"
