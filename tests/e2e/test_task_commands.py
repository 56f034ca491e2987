"""`penstock tasks …` as a shell sees it, with everything in the process of the command."""

from __future__ import annotations

import json

from tests.e2e.shell import Shell


def test_a_task_is_sent_listed_shown_and_read(shell: Shell) -> None:
    (shell.folder / "a.py").write_text("x = 1\n")
    ended = shell("tasks", "submit", "list", "-c", "code.files", "-a", f"path={shell.folder}", "--json")
    assert ended.code == 0, ended
    task = ended.json
    assert (task["status"], task["type"], task["route"]["server"]) == ("completed", "list", "code")
    assert ", for code/list_files" in ended.err
    listed = shell("tasks", "ls")
    assert task["task_id"] in listed.out and "✓ completed" in listed.out and "list" in listed.out
    shown = shell("tasks", "show", task["task_id"])
    assert "code/list_files: " in shown.out and "application/json" in shown.out
    assert shell("tasks", "show", task["task_id"], "--json").json == task | {"estimate": None}
    assert shell("tasks", "result", task["task_id"]).json == task["result"]
    assert shell("tasks", "result", task["task_id"], "--out", "r.json").code == 0
    assert json.loads((shell.folder / "r.json").read_text()) == task["result"]


def test_what_does_not_work_says_why_and_what_to_do(shell: Shell) -> None:
    failed = shell("tasks", "submit", "code.read", "-a", f"root={shell.folder}", "-a", "path=nowhere.txt")
    assert failed.code == 1 and failed.out == ""
    assert "there is no file nowhere.txt" in failed.err and "[tool.error]" in failed.err
    task_id = shell("tasks", "ls", "--json").json["items"][0]["task_id"]
    none = shell("tasks", "result", task_id)
    assert none.code == 2 and "error[result.not_found]" in none.err
    unknown = shell("tasks", "submit", "code.fles")
    assert unknown.code == 2 and "did you mean 'code.files'?" in unknown.err
    for wrong in (("-a", "path"), ("--notify-url", "http://x.test/"), ("--detach",)):
        assert shell("tasks", "submit", "code.files", *wrong).code == 2
    assert shell("tasks", "show", "run_nothing").code == 2
