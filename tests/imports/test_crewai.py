"""CrewAI's files -> a workflow: what becomes of each key, and what is said where, in the shapes CrewAI's own examples have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.app import load_kinds
from penstock.imports import native
from penstock.imports.crewai import NAMES, read_crewai
from penstock.imports.crewai_keys import IDLE, LOST, READ_OF_AGENT, READ_OF_TASK, model_of
from penstock.imports.imported import Imported
from penstock.tools.registry import Servers

AGENTS = b"""\
researcher:
  role: >
    {topic} Senior Data Researcher
  goal: >
    Uncover cutting-edge developments in {topic}
  backstory: >
    You're a seasoned researcher with a knack for uncovering the latest
    developments in {topic}.
  llm: openai/gpt-4o-mini
  verbose: true
  max_iter: 12
reporting_analyst:
  role: Reporting Analyst
  goal: Create reports about {topic} in {current_year}
  backstory: You are meticulous.
  allow_delegation: yes
"""
TASKS = b"""\
research_task:
  description: >
    Conduct a thorough research about {topic}, given that the year is {current_year}.
  expected_output: >
    A list with 10 bullet points
  agent: researcher
reporting_task:
  description: Expand each topic into a section of a report.
  expected_output: A fully fledged report
  agent: reporting_analyst
  context:
    - research_task
  output_file: output/report.md
  markdown: true
  human_input: false
"""


def crew(agents: bytes = AGENTS, tasks: bytes = TASKS, folder: str = "config/", **more: Any) -> Imported:
    return read_crewai({f"{folder}agents.yaml": agents, f"{folder}tasks.yaml": tasks}, **more)


def said(imported: Imported, severity: str = "error") -> list[tuple[str, int | None, str]]:
    found = [
        (one.file, one.problem.line, one.problem.code)
        for one in imported.diagnostics
        if one.problem.severity == severity
    ]
    return [(file.rpartition("/")[2], line, code) for file, line, code in found]


def one_agent(**more: Any) -> bytes:
    lines = [f"  {key}: {value}" for key, value in {"role": "R", "goal": "G", "backstory": "B", **more}.items()]
    return "\n".join(["a:", *lines, ""]).encode()


def one_task(**more: Any) -> bytes:
    lines = [
        f"  {key}: {value}" for key, value in {"description": "D", "expected_output": "E", "agent": "a", **more}.items()
    ]
    return "\n".join(["t:", *lines, ""]).encode()


def of(imported: Imported) -> dict[str, Any]:
    assert imported.document is not None
    return imported.document["nodes"]["crew"]["with"]


def test_the_crew_of_the_first_tutorial() -> None:
    imported = crew(name="latest-ai")
    assert imported.document == {
        "penstock": 1,
        "name": "latest-ai",
        "inputs": {
            "type": "object",
            "required": ["topic", "current_year"],
            "properties": {
                "topic": {"type": "string", "title": "Topic"},
                "current_year": {"type": "string", "title": "Current year"},
            },
        },
        "nodes": {
            "crew": {
                "kind": "crew",
                "with": {
                    "agents": {
                        "researcher": {
                            "role": "${{ inputs.topic }} Senior Data Researcher",
                            "goal": "Uncover cutting-edge developments in ${{ inputs.topic }}",
                            "backstory": "You're a seasoned researcher with a knack for uncovering the latest developments in "
                            "${{ inputs.topic }}.",
                            "model": "openai:gpt-4o-mini",
                            "max_turns": 12,
                        },
                        "reporting_analyst": {
                            "role": "Reporting Analyst",
                            "goal": "Create reports about ${{ inputs.topic }} in ${{ inputs.current_year }}",
                            "backstory": "You are meticulous.",
                            "delegates": True,
                        },
                    },
                    "tasks": [
                        {
                            "name": "research_task",
                            "description": "Conduct a thorough research about ${{ inputs.topic }}, given that the year is "
                            "${{ inputs.current_year }}.",
                            "expected_output": "A list with 10 bullet points",
                            "agent": "researcher",
                        },
                        {
                            "name": "reporting_task",
                            "description": "Expand each topic into a section of a report.",
                            "expected_output": "A fully fledged report",
                            "agent": "reporting_analyst",
                            "context": ["research_task"],
                            "markdown": True,
                            "file": "output/report.md",
                        },
                    ],
                },
            }
        },
        "outputs": {"result": "${{ nodes.crew.output.text }}", "tasks": "${{ nodes.crew.output.tasks }}"},
    }
    assert said(imported) == said(imported, "warning") == []
    assert said(imported, "info") == [("agents.yaml", 10, "import.not_needed")]


@pytest.mark.parametrize("folder", ["", "config/", "src/latest_ai/config/"])
def test_both_layouts_are_found(folder: str) -> None:
    assert crew(folder=folder).document == crew().document


def test_what_comes_out_is_a_workflow() -> None:
    native.accept(crew().document, load_kinds(Servers()))


@pytest.mark.anyio
async def test_an_imported_crew_runs_without_a_key(tmp_path: Path) -> None:
    document = crew(agents=AGENTS.replace(b"  llm: openai/gpt-4o-mini\n", b"")).document
    async with penstock.local(tmp_path) as p:
        await p.apply(document)  # type: ignore[arg-type]
        state = await p.wait(await p.start("crew", {"topic": "bees", "current_year": "2026"}))
    assert state.status == "completed"
    assert "research about bees" in state.outputs["tasks"]["research_task"]


# ------------------------------------------------------------------------------------------------------- nothing in silence


@pytest.mark.parametrize("key", sorted((READ_OF_AGENT | IDLE.keys() | LOST.keys()) - {"role", "goal", "backstory"}))
def test_each_key_of_an_agent_is_taken_over_or_named(key: str) -> None:
    values = {"tools": "[search]", "max_iter": "5", "max_tokens": "5", "temperature": "0.5", "allow_delegation": "true"}
    value = values.get(key, "openai/gpt-5")
    plain, imported = crew(one_agent(), one_task()), crew(one_agent(**{key: value}), one_task())
    named = [one for one in imported.diagnostics if one.problem.line == 5]
    assert of(imported) != of(plain) or named, "neither in the document nor in a diagnostic"
    assert imported.errors == []
    assert (key in READ_OF_AGENT) == (of(imported) != of(plain))


@pytest.mark.parametrize("key", sorted(READ_OF_TASK | IDLE.keys() | LOST.keys()))
def test_each_key_of_a_task_is_taken_over_or_named(key: str) -> None:
    if key in ("description", "expected_output", "agent"):
        return
    values = {"tools": "[search]", "context": "[]", "name": "other", "output_file": "a.md", "guardrails": "[x y]"}
    value = values.get(key, "true" if key in ("human_input", "markdown", "async_execution") else "words of it")
    if key in ("guardrail_max_retries", "max_retries"):
        more = {"guardrail": "be brief and clear", key: "7"}
        assert of(crew(one_agent(), one_task(**more)))["tasks"][0]["guardrail"][0]["repairs"] == 7
        return
    plain, imported = crew(one_agent(), one_task()), crew(one_agent(), one_task(**{key: value}))
    named = [one for one in imported.diagnostics if one.problem.line == 5]
    assert of(imported) != of(plain) or named, "neither in the document nor in a diagnostic"
    assert imported.errors == []


def test_unknown_keys_are_named_with_their_place_and_the_nearest_known_one() -> None:
    imported = crew(one_agent(bakcstory="x"), one_task(expected_ouput="y"))
    assert said(imported) == [("agents.yaml", 5, "import.unknown_key"), ("tasks.yaml", 5, "import.unknown_key")]
    assert [one.problem.hint for one in imported.errors] == [
        "did you mean 'backstory'?",
        "did you mean 'expected_output'?",
    ]


def test_tasks_that_are_bound_to_nobody_or_to_nothing() -> None:
    tasks = b"""\
one: {description: d, expected_output: e}
two: {description: d, expected_output: e, agent: reasercher}
three:
  description: d
  expected_output: e
  agent: researcher
  context: [one, four, five]
four: {description: d, expected_output: e, agent: researcher}
"""
    imported = crew(tasks=tasks)
    assert said(imported) == [
        ("tasks.yaml", 1, "import.unbound_task"),
        ("tasks.yaml", 2, "import.unknown_agent"),
        ("tasks.yaml", 7, "import.unknown_task"),
        ("tasks.yaml", 7, "import.unknown_task"),
    ]
    assert imported.errors[1].problem.hint == "did you mean 'researcher'?"
    assert "comes later" in imported.errors[2].problem.message
    assert of(imported)["tasks"][2]["context"] == ["one"]


def test_a_manager_binds_what_nobody_is_bound_to() -> None:
    imported = crew(tasks=b"one: {description: d, expected_output: e}\n", process="hierarchical")
    assert of(imported)["process"] == "hierarchical" and imported.errors == []
    native.accept(imported.document, load_kinds(Servers()))


def test_what_is_missing_or_of_the_wrong_type() -> None:
    agents = (
        b"a: {role: '', goal: [x], backstory: B, max_iter: many}\nb: text\n'c d': {role: R, goal: G, backstory: B}\n"
    )
    imported = crew(agents, b"t: {agent: a, human_input: perhaps}\n")
    assert [code for _, _, code in said(imported)] == [
        "import.type",
        "import.type",
        "import.type",
        "import.type",
        "import.bad_name",
        "import.missing_key",
        "import.missing_key",
        "import.type",
    ]
    assert all(line for _, line, _ in said(imported))


def test_files_that_are_not_there_or_cannot_be_read() -> None:
    assert [one.problem.code for one in read_crewai({}).errors] == ["import.missing_file"] * 2
    alone = read_crewai({"agents.yaml": AGENTS})
    assert (alone.document, [one.file for one in alone.errors]) == (None, ["tasks.yaml"])
    broken = crew(tasks=b"one: [\n")
    assert broken.document is None and said(broken)[0][::2] == ("tasks.yaml", "document.syntax")
    listed = crew(tasks=b"- one\n")
    assert said(listed) == [("tasks.yaml", 1, "import.type")]
    several = read_crewai({f"{f}/{n}.yaml": AGENTS for f in ("x", "y") for n in ("agents", "tasks")})
    assert [one.problem.code for one in several.errors] == ["import.several"]


# ------------------------------------------------------------------------------------------------------------- in detail


def test_placeholders_and_what_only_looks_like_them() -> None:
    text = "{a-b} costs ${price} and {{double}} but not {1} { x } ${{ this }}"
    imported = crew(one_agent(), one_task(description=f"'{text}'"))
    assert imported.document is not None
    assert imported.document["inputs"]["required"] == ["a-b", "price", "double"]
    document = {**imported.document}
    document["nodes"] = {
        "show": {"kind": "render", "with": {"name": "x.md", "template": of(imported)["tasks"][0]["description"]}}
    }
    document["outputs"] = {}
    workflow = native.accept(document, load_kinds(Servers()))
    scope = {"inputs": {"a-b": "A", "price": "P", "double": "D"}}
    written = workflow.nodes["show"].config.evaluate(scope)["template"]
    assert written == "A costs $P and {D} but not {1} { x } ${{ this }}"


@pytest.mark.parametrize(
    ("llm", "model"),
    [
        ("openai/gpt-4o", "openai:gpt-4o"),
        ("gpt-4o", "openai:gpt-4o"),
        ("gemini/gemini-2.5-pro", "google:gemini-2.5-pro"),
        ("anthropic/claude-sonnet-4-5", "anthropic:claude-sonnet-4-5"),
        ("openrouter/meta/llama-3", "openrouter:meta/llama-3"),
        ("ollama/llama3.1", "ollama:llama3.1"),
        ("watsonx/granite", None),
        ("my_llm", None),
    ],
)
def test_models_by_their_names(llm: str, model: str | None) -> None:
    assert model_of(llm) == model
    imported = crew(one_agent(llm=llm), one_task())
    assert of(imported)["agents"]["a"].get("model") == model
    assert said(imported, "warning") == ([] if model else [("agents.yaml", 5, "import.unknown_model")])


def test_a_model_with_settings_and_a_key_that_is_refused() -> None:
    agents = one_agent() + b"  llm:\n    model: gpt-5\n    temperature: 0.2\n    api_key: sk-1\n    top_p: 1\n"
    imported = crew(agents, one_task())
    assert of(imported)["agents"]["a"] == {
        "role": "R",
        "goal": "G",
        "backstory": "B",
        "temperature": 0.2,
        "model": "openai:gpt-5",
    }
    assert said(imported) == [("agents.yaml", 8, "import.secret")]
    assert said(imported, "warning") == [("agents.yaml", 9, "import.not_carried")]
    assert "sk-1" not in str(imported.document) + str([one.to_dict() for one in imported.diagnostics])


def test_guardrails_in_words_and_by_name() -> None:
    tasks = one_task(guardrails='["Be brief about {topic}.", check_length]', guardrail_max_retries=9)
    imported = crew(one_agent(), tasks)
    assert of(imported)["tasks"][0]["guardrail"] == [
        {"judge": "Be brief about ${{ inputs.topic }}.", "repairs": 9},
        {"function": "check_length", "repairs": 9},
    ]
    assert said(imported, "warning") == [("tasks.yaml", 5, "import.guardrail")]


def test_an_artifact_stays_in_the_run() -> None:
    imported = crew(one_agent(), one_task(output_file="/tmp/../{topic}.md"))
    assert of(imported)["tasks"][0]["file"] == "tmp/${{ inputs.topic }}.md"
    assert said(imported, "warning") == [("tasks.yaml", 5, "import.not_carried")]
    assert "file" not in of(crew(one_agent(), one_task(output_file="/")))["tasks"][0]


CODE = b"""\
@CrewBase
class Trip():
    agents_config = 'config/agents.yaml'

    @agent
    def a(self) -> Agent:
        return Agent(config=self.agents_config['a'], tools=[SerperDevTool()], verbose=True)

    @task
    def t(self) -> Task:
        return Task(config=self.tasks_config['t'], agent=self.a(), output_json=Plan)

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.hierarchical, manager_llm='gpt-4o')
"""


def test_what_python_says_is_read_where_it_is_plain_and_named_where_it_is_not() -> None:
    files = {
        "src/trip/config/agents.yaml": one_agent(),
        "src/trip/config/tasks.yaml": b"t: {description: D, expected_output: E}\n",
        "src/trip/crew.py": CODE,
    }
    imported = read_crewai(files)
    assert of(imported)["process"] == "hierarchical" and of(imported)["tasks"][0]["agent"] == "a"
    named = [(one.problem.line, one.problem.message.split(" is given")[0]) for one in imported.diagnostics]
    assert named == [(7, "tools of Agent(a)"), (11, "output_json of Task(t)"), (15, "manager_llm of Crew")]
    assert of(read_crewai(files, process="sequential")).get("process") is None
    broken = read_crewai({**files, "src/trip/crew.py": b"def ("}, process="hierarchical")
    assert [one.problem.code for one in broken.diagnostics] == ["import.code"]


def test_it_is_pure_and_the_same_each_time() -> None:
    files = {"agents.yaml": AGENTS, "tasks.yaml": TASKS}
    before = dict(files)
    assert read_crewai(files).document == read_crewai(files).document
    assert files == before and {"agents.yaml", "tasks.yaml", "crew.py"} <= NAMES
