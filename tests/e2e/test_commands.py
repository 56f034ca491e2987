"""The commands about runs, workflows, secrets and dead letters, and what is never shown."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.e2e.shell import COMMAND, HELLO, Shell, code, workflow

from penstock.cli.results import write_files
from penstock.engine.events import event_from_dict
from penstock.engine.view import RunView
from penstock.errors import Invalid

DIVIDE = workflow(
    "divide",
    {"by": {**code("def main(input):\n    return 10 / input\n", input="${{ inputs.n }}")}},
    inputs={"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
    outputs={"result": "${{ nodes.by.output }}"},
)


def test_a_run_can_be_listed_shown_and_read(shell: Shell) -> None:
    run_id = shell("run", shell.write("hello.json", HELLO), "--json").json["run_id"]
    listed = shell("runs", "ls")
    assert run_id in listed.out and "✓ completed" in listed.out and "hello v1" in listed.out
    shown = shell("runs", "show", run_id)
    assert "greet#1" in shown.out and "page.md" in shown.out and '"greeting": "hello world"' in shown.out
    assert shell("runs", "show", run_id, "--json").json["status"] == "completed"
    events = [json.loads(line) for line in shell("runs", "events", run_id, "--json").out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["kind"] == "run.completed"
    later = shell("runs", "events", run_id, "--after", str(len(events) - 1)).out
    assert later.count("\n") == 1 and "run.completed" in later
    missing = shell("runs", "show", "run_nothing")
    assert missing.code == 2 and "error[run.not_found]" in missing.err
    ended = shell("runs", "cancel", run_id)
    assert ended.code == 1 and "error[run.ended]" in ended.err


def test_an_exported_run_replays_to_the_same_page(shell: Shell) -> None:
    run_id = shell("run", shell.write("hello.json", HELLO), "--json").json["run_id"]
    assert shell("runs", "export", run_id, "--out", "run.json").code == 0
    exported = json.loads((shell.folder / "run.json").read_text())
    view = RunView.of((event_from_dict(event) for event in exported["events"]), run_id)
    assert view.outputs == shell("runs", "show", run_id, "--json").json["outputs"]
    assert exported["document"]["name"] == "hello" and exported["version"] == 1
    assert json.loads(shell("runs", "export", run_id).out) == exported


def test_a_paused_run_is_resumed_with_another_input(shell: Shell) -> None:
    document = json.loads(json.dumps(DIVIDE))
    document["nodes"]["by"]["on_error"] = "pause"
    paused = shell("run", shell.write("divide.json", document), "-i", "n=0", "--json")
    assert paused.code == 4 and paused.json["status"] == "paused"
    run_id = paused.json["run_id"]
    letters = shell("dead-letters", "ls")
    assert run_id in letters.out and "by#1" in letters.out
    edit = {"source": document["nodes"]["by"]["with"]["source"], "input": 5}
    wrong = shell("runs", "resume", run_id, "--edit", "by#1={")
    assert wrong.code == 2 and "error[usage]" in wrong.err
    resumed = shell("runs", "resume", run_id, "--edit", f"by#1={json.dumps(edit)}")
    assert resumed.code == 0 and "result: 2" in resumed.out, resumed
    assert "nothing has failed" in shell("dead-letters", "ls").err


def test_a_failed_run_goes_on_as_a_new_one(shell: Shell) -> None:
    failed = shell("run", shell.write("divide.json", DIVIDE), "-i", "n=0", "--json").json
    source = DIVIDE["nodes"]["by"]["with"]["source"]
    shell.write("input.json", {"source": source, "input": 4})
    redriven = shell("dead-letters", "redrive", failed["run_id"], "--input", "@input.json", "--json")
    assert redriven.code == 0 and redriven.json["outputs"]["result"] == 2.5
    assert redriven.json["run_id"] != failed["run_id"]
    forked = shell("runs", "fork", failed["run_id"], "--at", "3", "--json")
    assert forked.code == 1 and forked.json["status"] == "failed"  # the same input fails in the same way
    assert shell("runs", "fork", failed["run_id"], "--at", "99").code == 2


def test_the_life_of_a_workflow(shell: Shell) -> None:
    path = shell.write("hello.json", HELLO)
    assert shell("workflows", "apply", path).err == "hello: saved as the draft\n"
    assert shell("workflows", "publish", "hello", "--note", "first").err == "hello: version 1\n"
    changed = json.loads(json.dumps(HELLO))
    changed["nodes"]["greet"]["timeout"] = "5s"
    shell.write("hello.json", changed)
    assert shell("workflows", "apply", path, "--publish").err == "hello: version 2\n"
    assert "~ node greet /timeout: nothing ->" in shell("workflows", "diff", "hello", "1", "2").out
    assert shell("workflows", "restore", "hello", "1").err == "hello: version 1 again, as version 3\n"
    shown = shell("workflows", "show", "hello")
    assert yaml.safe_load(shown.out) == HELLO and "version 3" in shown.err and "first" in shown.err
    listed = shell("workflows", "ls").out
    assert "hello" in listed and "v3" in listed and "survey" in listed
    assert shell("run", "hello", "--version", "2", "-q").out.startswith("greeting: hello world")


def test_nothing_is_applied_unless_everything_is_right(shell: Shell) -> None:
    good, bad = (
        shell.write("hello.json", HELLO),
        shell.write("bad.yaml", "penstock: 1\nname: bad\nnodes: {a: {kind: nope}}\n"),
    )
    ended = shell("workflows", "apply", good, bad)
    assert ended.code == 2 and f"{bad}:3:" in ended.err
    assert "hello" not in shell("workflows", "ls").out
    found = shell("workflows", "validate", good, bad)
    assert found.code == 2 and f"{good}: right" in found.out and f"{bad}: not right" in found.out
    assert shell("workflows", "validate", good, "survey").code == 0
    assert shell("workflows", "validate", "missing").code == 2
    imported = shell("import", "native", good)
    assert imported.code == 0 and "hello" in shell("workflows", "ls").out
    assert "known: native, crewai" in shell("import", "bpmn", good).err


def test_a_secret_goes_in_and_never_comes_out(shell: Shell) -> None:
    value = "s3cr3t-and-long-enough-to-find"
    assert shell("secrets", "set", "key", input=value + "\n").err == "secret key is kept\n"
    nodes = {"call": {"kind": "http", "with": {"url": "http://127.0.0.1:9/", "auth_secret": "key", "private": True}}}
    failed = shell("run", shell.write("call.json", workflow("call", nodes)))
    assert failed.code == 1
    said = [failed.out + failed.err, shell("secrets", "ls").out, shell("secrets", "ls", "--json").out]
    said += [shell("doctor").out, shell("runs", "events", shell("runs", "ls", "--json").json["items"][0]["run_id"]).out]
    assert not any(value in text for text in said)
    assert not any(value.encode() in file.read_bytes() for file in shell.data.rglob("*") if file.is_file())
    assert shell("secrets", "rotate").err == "1 secret sealed with a new key\n"
    assert shell("secrets", "ls").out == "key\n"
    assert shell("secrets", "rm", "key").code == 0 and shell("secrets", "rm", "key").code == 2
    empty = shell("secrets", "set", "key", input="")
    assert empty.code == 2 and "error[secret.bad_value]" in empty.err
    on_the_line = shell("secrets", "set", "key", value)
    assert on_the_line.code == 2 and value not in on_the_line.out


def test_doctor_finds_what_is_there_and_what_is_not(shell: Shell) -> None:
    found = {one["name"]: one for one in shell("doctor", "--json").json}
    assert {"python", "sqlite", "data folder", "disk", "database", "server", "port", "sandbox", "git", "ruff"} == set(
        found
    )
    assert not shell.data.exists(), "looking makes nothing"
    shell("runs", "ls")
    database = shell.data / "penstock.db"
    database.write_bytes(b"not a database" * 100)
    ended = shell("doctor")
    assert ended.code == 1 and "✗ fail database" in ended.out
    (shell.data / "penstock.db").unlink()
    Path(shell.data).chmod(0o755)
    assert "chmod 700" in shell("doctor").out


def test_servers_schema_migrate_version(shell: Shell) -> None:
    assert "code.scan" in shell("servers", "ls").out
    schema = json.loads(shell("schema").out)
    assert schema["properties"]["penstock"] and "with_http" in schema["$defs"]
    assert "new" in shell("migrate").err and "newest" in shell("migrate").err
    assert shell("version").out.count(".") == 2


def test_the_log_goes_to_stderr_and_as_json_where_nobody_sits(shell: Shell) -> None:
    """A word on stdout would spoil what a program reads there."""
    script = "import logging; from penstock.cli.logs import log_to_stderr; log_to_stderr(as_json=True); "
    script += "logging.getLogger('penstock.control').warning('a turn of %s failed', 'run_1')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=shell.environment, check=True
    )
    line = json.loads(done.stderr)
    assert done.stdout == ""
    assert (line["level"], line["logger"], line["message"]) == ("warning", "penstock.control", "a turn of run_1 failed")


def test_an_artifact_whose_name_climbs_out_is_not_written(tmp_path: Path) -> None:
    """A server that was taken over must not write where it likes on the machine of whoever asks it."""

    class Held:
        async def content(self, run_id: str, digest: str) -> bytes:
            return b"evil"

    view = RunView("run_1")
    view.artifacts["../evil"] = {
        "name": "../evil",
        "digest": "sha256:0",
        "size": 4,
        "mime": "text/plain",
        "step": "a#1",
        "at": 0.0,
    }
    with pytest.raises(Invalid, match="outside"):
        asyncio.run(write_files(Held(), view, tmp_path / "out"))  # type: ignore[arg-type] - all that it asks for
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("arguments", [[], ["runs"], ["nonsense"], ["runs", "nonsense"], ["runs", "show"]])
def test_wrong_usage_says_how_to_go_on(shell: Shell, arguments: list[str]) -> None:
    ended = shell(*arguments)
    assert ended.code == 2 or "Usage:" in ended.out
    assert "--help" in ended.err or "Usage:" in ended.out + ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["runs", "ls", "--data", "FILE"], {}, "error[data.unwritable]: --data"),
        (["up", "--data", "FILE"], {}, "error[data.unwritable]: --data"),
        (["up"], {"PENSTOCK_PORT": "many"}, "error[settings.invalid]: the environment says PENSTOCK_PORT"),
        (["run", "survey", "-i", "folder=.", "--out", "FILE"], {}, "error[out.unwritable]: --out"),
        (["run", "./"], {}, "error[file.unreadable]"),
        (["run", "survey", "--inputs", "missing.json"], {}, "error[file.unreadable]"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    shell: Shell, arguments: list[str], environment: dict[str, str], said: str
) -> None:
    file = shell.write("file", "")
    ended = shell(*(file if one == "FILE" else one for one in arguments), env=environment)
    assert ended.code == 2 and ended.err.startswith(said) and ended.err.count("\n") == 1, ended


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_stream_that_is_closed_is_a_stream_nobody_reads(shell: Shell, closed: str) -> None:
    path = shell.write("hello.json", HELLO)
    line = f"exec {' '.join(COMMAND)} run {path} {closed}>&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=shell.environment, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_help_loads_none_of_what_commands_do(shell: Shell) -> None:
    ended = shell("--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rpartition("|")[2].strip() for line in ended.err.splitlines() if line.startswith("import time:")}
    assert "penstock.cli.commands" in loaded
    assert not loaded & {"asyncio", "pydantic", "httpx2", "rich", "fastapi", "penstock.app", "penstock.ports"}
