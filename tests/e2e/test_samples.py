"""The workflows that come with Penstock: each runs at once in an empty data folder, says that a script answered, and leaves what
it promises; and each runs for real against a provider over HTTP, which answers what a model would."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.shell import Shell, api
from tests.models.server import Answer, Provider, call, say

import penstock
from penstock.app import Penstock, packaged_workflows
from penstock.imports.native import read
from penstock.models.port import FINAL

SAMPLES = ["add-feature", "learn-agentic-ai", "plan-and-do", "research-crew", "survey"]
RECORD = {"trace.json", "logs.txt", "metadata.json"}


class Ran:
    """A run by the command, with nothing but a data folder that is not there yet."""

    def __init__(self, shell: Shell, name: str, *arguments: str) -> None:
        ended = shell("run", name, "--json", *arguments)
        assert ended.code == 0, ended.err
        self.outputs = ended.json["outputs"]
        self.files = {one["name"]: Path(one["path"]) for one in ended.json["artifacts"]}

    def text(self, name: str) -> str:
        return self.files[name].read_text(encoding="utf-8")

    def data(self, name: str) -> Any:
        return json.loads(self.text(name))


class TestTheDocuments:
    def test_they_are_all_there(self) -> None:
        assert sorted(packaged_workflows()) == SAMPLES

    @pytest.mark.parametrize("name", SAMPLES)
    def test_each_says_what_it_is_and_asks_for_little(self, name: str) -> None:
        document = read(packaged_workflows()[name]).document
        assert document["name"] == name
        for key in ("title", "description", "persona", "tags", "difficulty", "minutes"):
            assert document[key], key
        inputs = document["inputs"]
        for field, schema in inputs["properties"].items():
            assert schema["title"], field
            assert "default" in schema or field in inputs.get("required", []), field
        assert len(inputs.get("required", [])) <= 1
        assert all(node.get("title") for node in document["nodes"].values())

    def test_they_are_offered_before_anything_ran(self, shell: Shell) -> None:
        listed = shell("workflows", "ls")
        assert listed.code == 0, listed.err
        assert [name for name in SAMPLES if f"{name} " not in listed.out] == []
        assert "Research crew (comes with Penstock)" in listed.out
        running, url = shell.up()
        slugs = [one["slug"] for one in api(url, "/workflows?limit=50")["items"]]
        form = api(url, "/workflows/learn-agentic-ai/schema")
        running.terminate()
        assert sorted(slugs) == SAMPLES
        assert "learning_goal" in json.dumps(form)
        assert running.ended().code == 0


class TestWithoutAKey:
    @pytest.mark.parametrize("mode", ["full_run", "test_run"])
    def test_learn_agentic_ai(self, shell: Shell, mode: str) -> None:
        goal = "Build an agent <script>alert(1)</script> of my own"
        topics = '["safety", "tools"]'
        ran = Ran(shell, "learn-agentic-ai", "--mode", mode, "-i", f"learning_goal={goal}", "-i", f"topics={topics}")
        assert set(ran.files) == {"notes.md", *RECORD}
        notes = ran.text("notes.md")
        assert "No model was asked" in notes
        assert "Build an agent &lt;script>" in notes
        assert notes.index("What may go wrong") < notes.index("Tools are the hands")
        assert "Several agents" not in notes
        assert ran.outputs["summary"]["scripted"] is True
        assert ran.data("metadata.json")["mode"] == mode
        assert "a script, no model was asked" in ran.text("logs.txt")
        assert ran.data("trace.json")

    def test_add_feature_ends_with_a_diff_that_git_applies_and_whose_tests_pass(self, shell: Shell) -> None:
        folder = shell.folder / "shop"
        folder.mkdir()
        (folder / "README.md").write_text("# Fish shop\n\nSells fish.\n")
        (folder / "todo.py").write_text("print('taken')\n")
        before = {file.name: file.read_text() for file in folder.iterdir()}
        ran = Ran(shell, "add-feature", "-i", "repository=shop")
        assert {file.name: file.read_text() for file in folder.iterdir()} == before
        assert set(ran.files) == {"notes.md", "change.diff", "findings.json", *RECORD}
        summary = {"applies": True, "files": 3, "high": 0, "medium": 0, "low": 0, "drafts": 2, "scripted": True}
        assert ran.outputs["summary"].items() >= summary.items()
        notes = ran.text("notes.md")
        assert "No model was asked" in notes
        assert "| 1 | 1 | 1 | 0 | S307, B006 |" in notes, "the first draft was sent back"
        assert ran.data("findings.json")["findings"] == []
        subprocess.run(["git", "apply", str(ran.files["change.diff"])], cwd=folder, check=True)
        assert "## To-do list" in (folder / "README.md").read_text()
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_todo_list.py"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=shell.environment)
        assert done.returncode == 0, done.stdout

    def test_add_feature_to_an_empty_folder(self, shell: Shell) -> None:
        ran = Ran(shell, "add-feature")
        assert ran.outputs["summary"]["files"] == 2
        assert "No file was read" in ran.text("notes.md")

    def test_plan_and_do(self, shell: Shell) -> None:
        ran = Ran(shell, "plan-and-do", "-i", "people=20", "-i", "hours=3")
        assert set(ran.files) == {"plan.md", "rounds.json", *RECORD}
        text = ran.text("plan.md")
        assert "No model was asked" in text
        assert "**660.00**" in text, "costs are computed from what was asked for"
        assert "| 3:00 | | end | |" in text
        rounds = ran.data("rounds.json")
        chosen = [plan["result"]["next_task_ids"] for plan in rounds["plan_results"]]
        assert chosen == [["research"], ["schedule", "costs"], ["review"], ["schedule"], ["report"]]
        assert [result["task_id"] for result in rounds["task_results"]] == [
            "research",
            "schedule",
            "costs",
            "review",
            "schedule",
        ]
        assert "| 4 | schedule | 0.8 |" in text

    @pytest.mark.parametrize("process", ["sequential", "hierarchical"])
    def test_research_crew(self, shell: Shell, process: str) -> None:
        ran = Ran(shell, "research-crew", "-i", f"process={process}", "-i", "topic=Fish")
        assert set(ran.files) == {"report.md", "crew.json", *RECORD}
        report = ran.text("report.md")
        assert report.startswith("# Fish\n")
        assert "No model was asked" in report
        assert "[scripted]" not in report
        assert list(ran.data("crew.json")) == ["research", "analysis", "draft", "review", "report"]
        assert ("delegate_work" in ran.text("logs.txt")) is (process == "hierarchical")


# ------------------------------------------------------------------------------------------------------------ for real


def final(value: Any) -> Answer:
    return call(FINAL, value)


Answers = Callable[[dict[str, Any]], Answer]


async def connect(p: Penstock, provider: Provider) -> None:
    await p.connections.put("default", "openai", "sk-test", provider.url, check=False)


async def run(data: Path, name: str, by: Answers, **inputs: Any) -> tuple[Any, dict[str, str], list[dict[str, Any]]]:
    """(state, artifacts by name, what the provider was asked)."""
    async with Provider(by=by) as provider, penstock.local(data) as p:
        await connect(p, provider)
        await p.apply(packaged_workflows()[name])
        run_id = await p.start(name, {"model": "openai:gpt-5", **inputs})
        async with asyncio.timeout(60):
            state = await p.wait(run_id)
        texts = {}
        for value in (state.outputs or {}).values():
            if isinstance(value, dict) and "artifact" in value:
                texts[value["name"]] = (await p.artifacts.get(value["artifact"])).decode()
        return state, texts, provider.bodies


def said(body: dict[str, Any]) -> str:
    return json.dumps(body["messages"], ensure_ascii=False)


def tools(body: dict[str, Any]) -> set[str]:
    return {tool["function"]["name"] for tool in body.get("tools", [])}


COURSE = {
    "title": "Agents for <b>bakers</b>",
    "summary": "Short.",
    "concepts": [{"topic": "agents", "name": "Dough", "explanation": "It rises.", "example": "if a < b then bake"}],
    "exercises": [{"task": "Bake.", "hint": "Slowly."}],
    "questions": [{"question": "Why?", "answer": "Bread."}],
}


@pytest.mark.anyio
class TestForReal:
    async def test_the_command_with_a_provider_that_was_connected(self, shell: Shell) -> None:
        async with Provider(final(COURSE)) as provider:
            words = ("providers", "set", "openai", "--base-url", provider.url, "--unverified")
            ended = await asyncio.to_thread(shell, *words, input="sk-test\n")
            assert ended.code == 0, ended.err
            ran = await asyncio.to_thread(Ran, shell, "learn-agentic-ai", "-i", "model=openai:gpt-5")
            assert [headers["authorization"] for headers in provider.headers] == ["Bearer sk-test"]
        assert ran.outputs["summary"]["scripted"] is False
        assert "Written by openai:gpt-5" in ran.text("notes.md")
        assert not [file for file in ran.files.values() if "sk-test" in file.read_text()]

    async def test_learn_agentic_ai_uses_its_tools_and_says_who_wrote_it(self, tmp_path: Path) -> None:
        (tmp_path / "code").mkdir()
        (tmp_path / "code/oven.py").write_text("def bake(): ...\n")

        def by(body: dict[str, Any]) -> Answer:
            if body["messages"][-1]["role"] == "tool":
                assert "oven.py" in body["messages"][-1]["content"]
                return final(COURSE)
            return call("list_files", {"path": str(tmp_path / "code")})

        state, texts, bodies = await run(
            tmp_path / "data",
            "learn-agentic-ai",
            by,
            learning_goal="Bake",
            folder=str(tmp_path / "code"),
            topics=["agents", "safety"],
        )
        assert state.status == "completed", state.error
        assert tools(bodies[0]) == {"list_files", "read_file", "query_graph", FINAL}
        assert "Goal of the learner: Bake" in said(bodies[0])
        notes = texts["notes.md"]
        assert "No model was asked" not in notes
        assert "Written by openai:gpt-5" in notes
        assert notes.startswith("# Agents for &lt;b>bakers&lt;/b>")
        assert "if a < b then bake" in notes
        assert "Not covered, though you asked for it: safety." in notes
        assert state.outputs["summary"]["scripted"] is False

    async def test_learn_agentic_ai_as_a_test_run_stays_small(self, tmp_path: Path) -> None:
        async with Provider(final(COURSE)) as provider, penstock.local(tmp_path) as p:
            await connect(p, provider)
            await p.apply(packaged_workflows()["learn-agentic-ai"])
            state = await p.wait(await p.start("learn-agentic-ai", {"model": "openai:gpt-5"}, mode="test_run"))
            assert state.status == "completed", state.error
            (body,) = provider.bodies
            assert "This is a trial" in said(body)
            assert body["max_completion_tokens"] <= 300

    async def test_add_feature_sends_a_draft_back_with_what_is_wrong(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop/core.py").write_text("def price():\n    return 2\n")
        drafts = [
            {"summary": "s", "files": [{"path": "../escape.py", "text": "x = 1\n", "why": "w"}]},
            {
                "summary": "s",
                "files": [{"path": "core.py", "text": "def price():\n    return eval('2')\n", "why": "w"}],
            },
            {
                "summary": "Doubled.",
                "files": [{"path": "core.py", "text": "def price():\n    return 4\n", "why": "x | y"}],
            },
        ]
        asked: list[str] = []

        def by(body: dict[str, Any]) -> Answer:
            asked.append(said(body))
            return final(drafts[len(asked) - 1])

        state, texts, _ = await run(
            tmp_path / "data", "add-feature", by, repository=str(tmp_path / "shop"), feature="Double the core price"
        )
        assert state.status == "completed", state.error
        assert len(asked) == 3
        assert "def price" in asked[0], "what is read beforehand is given"
        assert "leads outside" in asked[1]
        assert "S307" in asked[2]
        assert state.outputs["summary"].items() >= {"applies": True, "drafts": 3, "high": 0, "scripted": False}.items()
        assert texts["change.diff"].endswith("@@ -1,2 +1,2 @@\n def price():\n-    return 2\n+    return 4\n")
        assert "| `core.py` | changed | 1 | 1 | x \\| y |" in texts["notes.md"]

    async def test_add_feature_that_never_gets_it_right_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "shop").mkdir()
        bad = {"summary": "s", "files": [{"path": "../escape.py", "text": "x = 1\n", "why": "w"}]}
        state, texts, bodies = await run(
            tmp_path / "data", "add-feature", lambda body: final(bad), repository=str(tmp_path / "shop")
        )
        assert state.status == "completed", state.error
        assert len(bodies) == 3, "three drafts, no more"
        assert state.outputs["summary"]["applies"] is False
        assert "**It cannot be applied:**" in texts["notes.md"]
        assert texts["change.diff"] == ""

    async def test_plan_and_do_goes_on_until_its_rounds_are_used_up(self, tmp_path: Path) -> None:
        state, texts, bodies = await run(tmp_path / "data", "plan-and-do", planner_who_never_ends)
        assert state.status == "completed", state.error
        assert len(bodies) == 6 * 2, "six rounds of a plan and a task"
        assert "**Not complete:**" in texts["plan.md"]
        assert "There is no agenda." in texts["plan.md"]
        assert state.outputs["summary"]["rounds"] == 6
        context = json.loads(bodies[2]["messages"][-1]["content"].partition("\n\n")[2])["context"]
        assert context["current_state"] == "research done"
        assert context["previous_results"][0]["result"]["data"]["points"][0]["title"] == "T"

    async def test_plan_and_do_goes_on_when_a_task_fails(self, tmp_path: Path) -> None:
        plans = [["research", "costs"], []]

        def by(body: dict[str, Any]) -> Answer:
            if "next_task_ids" in json.dumps(body["tools"]):
                return final({"next_task_ids": plans.pop(0), "why": "w", "confidence": 1})
            return final({"points": []})

        state, texts, _ = await run(tmp_path / "data", "plan-and-do", by)
        assert state.status == "completed", state.error
        results = json.loads(texts["rounds.json"])["task_results"]
        assert [(one["task_id"], one["status"]) for one in results] == [("research", "failed"), ("costs", "completed")]
        assert "research failed in round 1" in texts["plan.md"]
        assert state.outputs["summary"]["complete"] is False

    async def test_research_crew_hands_results_on(self, tmp_path: Path) -> None:
        finding = {"claim": "C1", "why": "w", "source": "a.md", "confidence": "high"}
        answers = [
            final({"findings": [finding]}),
            final({"findings": [finding, {**finding, "claim": "C2"}, {**finding, "claim": "C3"}]}),
            final({"themes": [{"title": "T", "text": "x", "findings": [1]}], "open": ["O?"]}),
            say("## Draft\n\nfirst"),
            final({"ok": False, "remarks": ["Say more."]}),
            say("## Report\n\n<img src=x> more"),
        ]
        state, texts, bodies = await run(tmp_path / "data", "research-crew", lambda body: answers.pop(0))
        assert state.status == "completed", state.error
        assert "At least three findings are needed." in said(bodies[1])
        assert "C3" in said(bodies[2])
        assert "Say more." in said(bodies[5])
        report = texts["report.md"]
        assert "## Report\n\n&lt;img src=x> more" in report
        assert "| 3 | C3 | w | a.md | high |" in report
        assert "Written by a crew of openai:gpt-5" in report


def planner_who_never_ends(body: dict[str, Any]) -> Answer:
    if "next_task_ids" in json.dumps(body["tools"]):
        return final({"next_task_ids": ["research"], "why": "More.", "confidence": 0.5})
    return final({"points": [{"title": "T", "text": "x"}]})
