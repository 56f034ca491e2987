"""`penstock up`: what happens to runs when it stops, dies and comes back, and who else may use its data folder."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import httpx2
import pytest
from tests.e2e.shell import HELLO, Gate, Shell, api, asking, gated
from tests.e2e.test_run import check_json


def only_run(url: str) -> dict[str, object]:
    (run,) = api(url, "/runs")["items"]
    return run


def finished(url: str, run_id: str) -> dict[str, object]:
    """The run once it has ended, as its event stream tells."""
    base, _, token = url.partition("/?token=")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.stream(
        "GET", f"{base}/api/v1/runs/{run_id}/stream", headers=headers, timeout=60, trust_env=False
    ) as sse:
        for _line in sse.iter_lines():
            pass
    return api(url, f"/runs/{run_id}")


def test_the_url_opens_the_page_and_nobody_else_may_come_in(shell: Shell) -> None:
    server, url = shell.up()
    with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
        assert browser.get(url).status_code == 200
        assert browser.get(url.partition("?")[0] + "api/v1/runs").status_code == 200
    assert httpx2.get(url.partition("?")[0] + "api/v1/runs", trust_env=False).status_code == 401
    for secret in ("token", "server.json"):
        assert stat.S_IMODE((shell.data / secret).stat().st_mode) == 0o600
    assert stat.S_IMODE(shell.data.stat().st_mode) == 0o700
    server.terminate()
    ended = server.ended()
    assert ended.code == 0 and "stopping" in ended.err
    assert not (shell.data / "server.json").exists()


def test_what_comes_with_penstock_is_in_the_catalog(shell: Shell) -> None:
    _, url = shell.up()
    offered = [one["slug"] for one in api(url, "/workflows")["items"]]
    assert sorted(offered) == ["add-feature", "learn-agentic-ai", "plan-and-do", "research-crew", "survey"]


def test_commands_go_through_the_server_that_owns_the_folder(shell: Shell) -> None:
    _, url = shell.up()
    ended = shell("run", shell.write("hello.json", HELLO), "--json")
    assert (ended.code, ended.err) == (0, "")
    check_json(ended.json, "completed")
    assert ended.json["outputs"]["greeting"] == "hello world"
    assert only_run(url)["run_id"] == ended.json["run_id"]

    plain = shell("run", "hello", "-i", "who=you")
    assert plain.code == 0 and "greeting: hello you" in plain.out and "greet: done in" in plain.err


@pytest.mark.parametrize("how", ["the whole URL", "the token from the environment"])
def test_a_server_is_named_with_its_url(shell: Shell, how: str, tmp_path: Path) -> None:
    _, url = shell.up()
    base, _, token = url.partition("/?token=")
    elsewhere = {"PENSTOCK_DATA": str(tmp_path / "elsewhere")}
    path = shell.write("hello.json", HELLO)
    if how == "the whole URL":
        ended = shell("run", path, "--server", url, "--json", env=elsewhere)
    else:
        ended = shell("run", path, "--server", base, "--json", env={**elsewhere, "PENSTOCK_TOKEN": token})
    assert ended.code == 0, ended
    check_json(ended.json, "completed")
    assert not (tmp_path / "elsewhere" / "penstock.db").exists()
    refused = shell("runs", "ls", "--server", base, env={**elsewhere, "PENSTOCK_TOKEN": "wrong"})
    assert refused.code == 2 and "error[auth.bad_token]" in refused.err and "wrong" not in refused.err


def test_a_wrong_document_has_its_lines_through_a_server_too(shell: Shell) -> None:
    shell.up()
    path = shell.write("flow.yaml", "penstock: 1\nname: x\nnodes:\n  a: {kind: cod}\n")
    ended = shell("run", path)
    assert ended.code == 2 and f"{path}:4:" in ended.err and "code" in ended.err, ended


def test_a_second_server_on_the_folder_is_told_where_the_first_is(shell: Shell) -> None:
    _, url = shell.up()
    ended = shell("up", "--port", "0")
    assert ended.code == 1
    assert "error[data.in_use]" in ended.err and url.partition("/?")[0] in ended.err
    assert "token" not in ended.err and ended.out == ""


def test_a_second_process_without_a_server_is_told_who_has_the_folder(shell: Shell, gate: Gate) -> None:
    first = shell.start("run", shell.write("gated.json", gated(gate)))
    gate.arrived()
    second = shell("run", shell.write("hello.json", HELLO))
    assert second.code == 1 and "error[data.in_use]" in second.err and str(first.process.pid) in second.err
    listed = shell("runs", "ls", "--json")  # looking is always possible
    assert listed.json["items"][0]["status"] == "running"
    gate.open()
    assert first.ended().code == 0


def test_ctrl_c_cancels_through_a_server(shell: Shell, gate: Gate) -> None:
    shell.up()
    running = shell.start("run", shell.write("gated.json", gated(gate)), "--json")
    gate.arrived()
    running.interrupt()
    ended = running.ended()
    assert ended.code == 3 and ended.json["status"] == "cancelled", ended


def test_a_run_outlives_a_stop_of_the_server_and_who_follows_it_sees_its_end(shell: Shell, gate: Gate) -> None:
    first, url = shell.up(env={"PENSTOCK_STOP_GRACE": "0"})
    following = shell.start("run", shell.write("gated.json", gated(gate)), "--json", "--server", url)
    gate.arrived()
    first.terminate()
    assert first.ended().code == 0
    gate.open()
    port = url.partition("/?")[0].rpartition(":")[2]
    second = shell.start("up", "--port", port)
    ended = following.ended()
    assert ended.code == 0 and ended.json["outputs"] == {"open": True}, ended
    second.terminate()
    assert second.ended().code == 0


def test_a_second_ctrl_c_does_not_wait_for_running_steps(shell: Shell, gate: Gate) -> None:
    server, url = shell.up(env={"PENSTOCK_STOP_GRACE": "600"})
    run_id = start(shell, url, gate)
    server.interrupt()
    server.wait_for("stopping")
    server.interrupt()
    assert server.ended().code == 130
    gate.open()
    _, url = shell.up()
    assert finished(url, run_id)["status"] == "completed"


def test_a_killed_server_leaves_nothing_undone(shell: Shell, gate: Gate) -> None:
    first, url = shell.up()
    run_id = start(shell, url, gate)
    first.kill()
    first.process.wait()
    gate.open()
    assert (shell.data / "server.json").exists()
    _, url = shell.up()
    run = finished(url, run_id)
    assert run["status"] == "completed" and run["outputs"] == {"open": True}
    events = api(url, f"/runs/{run_id}/events")["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    ends = [event["data"]["step"] for event in events if event["kind"] == "step.completed"]
    assert sorted(ends) == ["after#1", "before#1", "gate#1"]


def start(shell: Shell, url: str, gate: Gate) -> str:
    """A run that stands at the gate, begun over HTTP."""
    base, _, token = url.partition("/?token=")
    shell("workflows", "apply", shell.write("gated.json", gated(gate)))
    body = {"workflow": "gated", "inputs": {}}
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx2.post(f"{base}/api/v1/runs", json=body, headers=headers, trust_env=False)
    gate.arrived()
    return answer.json()["run_id"]


def test_a_killed_run_is_finished_by_the_server_that_comes_after(shell: Shell, gate: Gate) -> None:
    running = shell.start("run", shell.write("gated.json", gated(gate)))
    gate.arrived()
    running.kill()
    running.process.wait()
    gate.open()
    _, url = shell.up()
    run_id = str(only_run(url)["run_id"])
    assert finished(url, run_id)["status"] == "completed"


def test_a_stale_server_file_misleads_nobody(shell: Shell) -> None:
    shell.data.mkdir()
    (shell.data / "server.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "pid": 1}))
    assert shell("run", shell.write("hello.json", HELLO), "-q").code == 0
    (shell.data / "server.json").write_text("{")
    assert shell("runs", "ls").code == 0


def test_an_answer_reaches_the_run_that_waits_at_a_server(shell: Shell) -> None:
    shell.up()
    waiting = shell("run", shell.write("asking.json", asking(comment="on_reject")))
    assert waiting.code == 4
    command = next(line for line in waiting.err.splitlines() if "penstock approvals answer" in line)
    run_id, step = command.split()[5:7]
    assert shell("approvals", "ls").out.count(run_id) == 1
    refused = shell("approvals", "answer", run_id, step, "reject")
    assert refused.code == 2 and "error[approval.comment_required]" in refused.err
    answered = shell("approvals", "answer", run_id, step, "reject", "--comment", "not yet")
    assert answered.code == 0 and "decision: reject" in answered.out, answered
    again = shell("approvals", "answer", run_id, step, "approve")
    assert again.code != 0 and "error[approval" in again.err


@pytest.mark.parametrize(
    ("planes", "code"),
    [
        ("control", "plane.unavailable"),
        ("control,data", "plane.unavailable"),
        ("kontrol", "plane.unknown"),
        ("", "plane.unavailable"),
    ],
)
def test_planes_that_cannot_be_served_say_what_is_missing(shell: Shell, planes: str, code: str) -> None:
    ended = shell("serve", "--plane", planes)
    assert ended.code == 2 and f"error[{code}]" in ended.err


def test_all_planes_are_the_same_as_up(shell: Shell) -> None:
    server = shell.start("serve", "--plane", "executor,control,data", "--port", "0")
    assert server.process.stdout is not None
    assert server.process.stdout.readline().startswith("http://127.0.0.1:")
    server.interrupt()
    assert server.ended().code == 0
