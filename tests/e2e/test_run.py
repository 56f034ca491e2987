"""`penstock run`: what it says, what it leaves, and how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.shell import HELLO, Gate, Shell, asking, code, gated, workflow

FAILING = workflow("failing", {"boom": code("def main(input):\n    raise ValueError('it broke')\n")})
PAUSING = workflow(
    "pausing", {"boom": {**code("def main(input):\n    return 1 / input\n", input=0), "on_error": "pause"}}
)
SECRET = workflow("secret", {"call": {"kind": "http", "with": {"url": "http://127.0.0.1/", "auth_secret": "absent"}}})


@pytest.mark.parametrize(
    ("document", "arguments", "code", "said"),
    [
        (HELLO, [], 0, "completed in"),
        (HELLO, ["--mode", "validate_only"], 0, "completed in"),
        (FAILING, [], 1, "it broke"),
        (FAILING, ["--mode", "validate_only"], 0, "completed in"),
        (PAUSING, [], 4, "penstock runs resume"),
        (asking(), [], 4, "penstock approvals answer"),
        (SECRET, [], 2, "penstock secrets set absent"),
        (SECRET, ["--mode", "validate_only"], 2, "penstock secrets set absent"),
        (HELLO, ["-i", "whoo=you"], 2, "did you mean"),
        (HELLO, ["-i", "who"], 2, "error[inputs.invalid]"),
        (HELLO, ["--limit", "token=5"], 2, "error["),
        (HELLO, ["--version", "7"], 2, "error[version.not_found]"),
        (HELLO, ["--mode", "dry"], 2, "error[usage]"),
        (HELLO, ["--frobnicate"], 2, "error[usage]"),
        (HELLO, ["--server", "nowhere"], 2, "error[server.bad_url]"),
        (HELLO, ["--server", "http://127.0.0.1:9"], 1, "error[server.unreachable]"),
    ],
)
def test_each_end_has_its_exit_code(
    shell: Shell, document: dict[str, Any], arguments: list[str], code: int, said: str
) -> None:
    ended = shell("run", shell.write("flow.json", document), *arguments)
    assert (ended.code, said in ended.err) == (code, True), ended
    assert not ended.err.startswith("Traceback") and "\nTraceback" not in ended.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("penstock: 1\nname: x\nnodes:\n  a: {kind: cod}\n", ":4:"),
        ("penstock: 1\nname: x\nnodes: {a: [}\n", "error["),
        ("penstock: 1\nname: x\nnodes: {}\nnodse: {}\n", "nodse"),
    ],
)
def test_a_wrong_document_is_said_with_its_places(shell: Shell, text: str, said: str) -> None:
    path = shell.write("flow.yaml", text)
    ended = shell("run", path)
    assert ended.code == 2 and said in ended.err and path in ended.err, ended


def test_an_unknown_workflow_names_the_nearest(shell: Shell) -> None:
    ended = shell("run", "survy")
    assert ended.code == 2
    assert "error[workflow.not_found]" in ended.err and "did you mean survey?" in ended.err


def test_a_result_is_on_stdout_and_its_files_lie_where_it_says(shell: Shell) -> None:
    ended = shell("run", shell.write("flow.json", HELLO), "-i", "who=you")
    lines = dict(line.split(": ", 1) for line in ended.out.splitlines())
    assert lines["greeting"] == "hello you"
    page = Path(lines["page"])
    assert page.read_text() == "# hello you\n"
    assert {file.name for file in page.parent.iterdir()} == {"page.md", "trace.json", "logs.txt", "metadata.json"}


def test_progress_off_a_terminal_is_plain_lines_with_the_time(shell: Shell) -> None:
    ended = shell("run", shell.write("flow.json", HELLO))
    lines = ended.err.splitlines()
    assert all(line[2] == ":" and line[5] == ":" for line in lines[:-1]), lines
    assert any("greet: done in" in line for line in lines)
    assert "\x1b" not in ended.err
    quiet = shell("run", shell.write("flow.json", HELLO), "-q")
    assert quiet.err == "" and quiet.out.startswith("greeting: hello world")


def check_json(answer: dict[str, Any], status: str) -> None:
    assert answer["status"] == status
    assert answer["run_id"].startswith("run_")
    assert {one["name"] for one in answer["artifacts"]} >= {"trace.json", "logs.txt", "metadata.json"}
    for one in answer["artifacts"]:
        content = Path(one["path"]).read_bytes()
        assert set(one) == {"name", "digest", "size", "mime", "path"}
        assert one["size"] == len(content)
        assert one["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()


def test_a_question_in_a_sub_workflow_is_put_to_whoever_runs_the_whole(shell: Shell) -> None:
    fields = {"type": "object", "properties": {"n": {"type": "integer"}}}
    shell("workflows", "apply", "--publish", shell.write("asking.json", asking(fields=fields)))
    nodes = {"part": {"kind": "subflow", "with": {"workflow": "asking"}}}
    whole = workflow("whole", nodes, outputs={"decision": "${{ nodes.part.output.decision }}"})
    waiting = shell("run", shell.write("whole.json", whole), "--json")
    assert waiting.code == 4, waiting
    (question,) = waiting.json["asks"]
    assert question["run_id"] != waiting.json["run_id"]
    wrong = shell("approvals", "answer", question["run_id"], question["step"], "approve", "--field", "n=many")
    assert wrong.code == 2 and "not a whole number" in wrong.err
    answered = shell("approvals", "answer", question["run_id"], question["step"], "approve", "--field", "n=5", "--json")
    assert answered.code == 0 and answered.json["run_id"] == waiting.json["run_id"]
    assert answered.json["outputs"] == {"decision": "approve"}


def test_json_is_one_object_and_nothing_else(shell: Shell) -> None:
    ended = shell("run", shell.write("flow.json", HELLO), "--json", "--out", "made")
    assert (ended.code, ended.err) == (0, "")
    answer = ended.json
    check_json(answer, "completed")
    assert answer["outputs"]["greeting"] == "hello world" and "error" not in answer
    assert all(Path(one["path"]).parent == shell.folder / "made" for one in answer["artifacts"])

    failed = shell("run", shell.write("failing.json", FAILING), "--json")
    assert (failed.code, failed.err) == (1, "")
    check_json(failed.json, "failed")
    assert "it broke" in failed.json["error"]["message"]

    waiting = shell("run", shell.write("asking.json", asking()), "--json")
    assert waiting.code == 4
    assert waiting.json["asks"][0]["title"] == "Ship it?" and waiting.json["artifacts"] == []


def test_a_large_output_comes_whole(shell: Shell) -> None:
    large = workflow(
        "large", {"a": code("def main(input):\n    return 'x' * 200000\n")}, outputs={"a": "${{ nodes.a.output }}"}
    )
    assert shell("run", shell.write("large.json", large), "--json").json["outputs"]["a"] == "x" * 200_000


def test_inputs_come_from_a_file_and_from_stdin(shell: Shell) -> None:
    path = shell.write("flow.json", HELLO)
    shell.write("inputs.yaml", "who: Ada\n")
    assert "hello Ada" in shell("run", path, "--inputs", "inputs.yaml", "-q").out
    assert "hello Eve" in shell("run", path, "--inputs", "-", "-q", input='{"who": "Eve"}').out
    assert "hello Bob" in shell("run", path, "--inputs", "inputs.yaml", "-i", "who=Bob", "-q").out


def test_survey_runs_over_a_folder_named_from_here(shell: Shell) -> None:
    project = shell.folder / "project"
    project.mkdir()
    (project / "main.py").write_text("import os\n\n\ndef main():\n    eval(input())\n")
    ended = shell("run", "survey", "-i", "folder=project", "--json")
    assert ended.code == 0, ended
    names = {one["name"]: Path(one["path"]) for one in ended.json["artifacts"]}
    assert {"notes.md", "graph.json", "findings.json"} <= set(names)
    assert "main.py" in names["notes.md"].read_text()
    assert "main.py" in json.dumps(json.loads(names["findings.json"].read_text()))


def test_ctrl_c_cancels_the_run_and_waits_for_its_end(shell: Shell, gate: Gate) -> None:
    running = shell.start("run", shell.write("gated.json", gated(gate)), "--json")
    gate.arrived()
    running.interrupt()
    ended = running.ended()
    assert ended.code == 3, ended
    assert ended.json["status"] == "cancelled"
    assert shell("runs", "ls", "--json").json["items"][0]["status"] == "cancelled"


def test_a_second_ctrl_c_leaves_at_once(shell: Shell, gate: Gate) -> None:
    server, _ = shell.up()
    running = shell.start("run", shell.write("gated.json", gated(gate)))
    gate.arrived()
    server.process.send_signal(19)  # SIGSTOP: the server answers nothing, so the cancelling hangs
    running.interrupt()
    running.wait_for("Ctrl-C again")
    running.interrupt()
    assert running.ended().code == 130
    server.process.send_signal(18)


def test_sigterm_leaves_the_run_for_the_next_process(shell: Shell, gate: Gate) -> None:
    running = shell.start("run", shell.write("gated.json", gated(gate)))
    gate.arrived()
    running.terminate()
    ended = running.ended()
    assert ended.code == 143 and "goes on with the next process" in ended.err
    gate.open()
    run_id = shell("runs", "ls", "--json").json["items"][0]["run_id"]
    resumed = shell("runs", "resume", run_id)
    assert resumed.code == 0 and resumed.out == "open: true\n", resumed


def test_a_reader_that_hangs_up_ends_the_output_and_nothing_else(shell: Shell) -> None:
    path = shell.write("flow.json", HELLO)
    read, write = os.pipe()
    os.close(read)
    ended = shell("run", path, "--json", stdout=write)
    assert (ended.code, ended.err) == (0, "")
    ended = shell("run", path, stdout=write, stderr=write)
    assert ended.code == 0
    ended = shell("runs", "ls", stdout=write)
    assert (ended.code, ended.err) == (0, "")
    os.close(write)
    assert [one["status"] for one in shell("runs", "ls", "--json").json["items"]] == ["completed"] * 2


def on_terminal(shell: Shell, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """A command whose three streams are one terminal, and our end of it."""
    ours, theirs = pty.openpty()
    running = shell.start(
        *arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={"TERM": "xterm"}
    )
    os.close(theirs)
    return running.process, ours


def read_until(terminal: int, text: str) -> str:
    seen = ""
    while text not in seen:
        try:
            part = os.read(terminal, 4096).decode(errors="replace")
        except OSError:
            break
        if not part:
            break
        seen += part
    assert text in seen, seen
    return seen


def test_on_a_terminal_progress_is_drawn_in_place(shell: Shell) -> None:
    process, terminal = on_terminal(shell, "run", shell.write("flow.json", HELLO))
    seen = read_until(terminal, "completed in")
    assert process.wait(60) == 0
    assert "\x1b[1A" in seen and "✓ greet" in seen and "greeting: hello world" in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h"), "the cursor stays hidden"
    os.close(terminal)


def test_on_a_terminal_a_question_is_asked_and_answered_there(shell: Shell) -> None:
    document = asking(choices=["ship", "hold"], comment="required")
    process, terminal = on_terminal(shell, "run", shell.write("asking.json", document))
    read_until(terminal, "ship / hold: ")
    os.write(terminal, b"perhaps\n")
    read_until(terminal, "ship / hold: ")
    os.write(terminal, b"sh\n")
    read_until(terminal, "comment: ")
    os.write(terminal, b"looks good\n")
    read_until(terminal, "decision: ship")
    assert process.wait(60) == 0
    os.close(terminal)


def test_closing_the_terminal_at_a_question_leaves_it_open(shell: Shell) -> None:
    process, terminal = on_terminal(shell, "run", shell.write("asking.json", asking()))
    read_until(terminal, "approve / reject: ")
    os.write(terminal, b"\x04")  # Ctrl-D
    read_until(terminal, "penstock approvals answer")
    assert process.wait(60) == 4
    os.close(terminal)
