"""Artifacts over HTTP: by name, by digest, in parts, and only to those whose run made them."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

pytestmark = pytest.mark.anyio


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def test_every_run_has_three_files_besides_its_own(house):
    run = await house.run("files", {"name": "notes.md", "text": "# Hello", "mime": "text/markdown"})
    listed = (await house.http.get(f"/runs/{run['run_id']}/artifacts")).json()["artifacts"]
    assert [one["name"] for one in listed] == ["notes.md", "trace.json", "logs.txt", "metadata.json"]
    assert listed[0]["digest"] == digest(b"# Hello")
    assert (listed[0]["size"], listed[0]["mime"], listed[0]["step"]) == (7, "text/markdown", "make#1")
    contents = {one["name"]: await house.bare.get(one["url"], headers=house.http.headers) for one in listed}
    assert contents["notes.md"].content == b"# Hello"
    assert contents["notes.md"].headers["content-type"] == "text/markdown; charset=utf-8"
    trace = contents["trace.json"].json()
    assert [event["seq"] for event in trace["events"]] == list(range(1, run["head"] + 1))
    assert trace["steps"] == run["steps"]
    assert "completed" in contents["logs.txt"].text
    metadata = contents["metadata.json"].json()
    assert (metadata["run_id"], metadata["events"]) == (run["run_id"], run["head"])
    assert metadata["artifacts"][0]["digest"] == digest(b"# Hello")


async def test_content_is_served_so_that_nothing_in_it_runs(house):
    run = await house.run("files", {"name": "page.html", "text": "<script>alert(1)</script>", "mime": "text/html"})
    answer = await house.http.get(f"/runs/{run['run_id']}/artifacts/page.html")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    plain = await house.run("files", {"name": "plain.txt", "text": "hello"})
    assert (
        (await house.http.get(f"/runs/{plain['run_id']}/artifacts/plain.txt"))
        .headers["content-disposition"]
        .startswith("inline;")
    )


async def test_names_in_other_scripts_survive(house):
    run = await house.run("files", {"name": "übersicht 1.txt", "text": "x"})
    url = (await house.http.get(f"/runs/{run['run_id']}/artifacts")).json()["artifacts"][0]["url"]
    answer = await house.bare.get(url, headers=house.http.headers)
    assert answer.status_code == 200
    assert "filename*=UTF-8''%C3%BCbersicht%201.txt" in answer.headers["content-disposition"]


async def test_parts_of_an_artifact(house, is_problem):
    data = b"0123456789"
    run = await house.run("files", {"name": "ten", "text": data.decode()})
    path = f"/artifacts/{digest(data)}"
    whole = await house.http.get(path)
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, data, "bytes")
    for given, content, shown in [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", data, None),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=0-9", data, None),
    ]:
        part = await house.http.get(path, headers={"Range": given})
        assert part.content == content, given
        assert part.status_code == (206 if shown else 200)
        assert part.headers.get("content-range") == shown
    for given in ("bytes=10-", "bytes=99-100", "bytes=-0"):
        answer = await house.http.get(path, headers={"Range": given})
        is_problem(answer, 416, "range.not_satisfiable")
        assert answer.headers["content-range"] == "bytes */10"
    for given in ("bytes=4-2", "lines=1-2", "bytes=1-2,4-5", "bytes=-", "bytes=a-b"):
        assert (await house.http.get(path, headers={"Range": given})).status_code == 200, given
    stale = await house.http.get(path, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert stale.status_code == 200
    fresh = await house.http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (fresh.status_code, fresh.content) == (304, b"")
    assert run["status"] == "completed"


async def test_a_large_artifact_comes_whole(house):
    text, times = "0123456789abcdef", 3 * 65536
    run = await house.run(
        "files", {"name": "large.bin", "text": text, "times": times, "mime": "application/octet-stream"}
    )
    data = text.encode() * times
    answer = await house.http.get(f"/runs/{run['run_id']}/artifacts/large.bin")
    assert len(answer.content) == len(data)
    assert digest(answer.content) == digest(data)
    part = await house.http.get(f"/artifacts/{digest(data)}", headers={"Range": "bytes=1048570-1048585"})
    assert part.content == data[1048570:1048586]


async def test_a_digest_is_no_permission(house, is_problem):
    stray = await house.core.artifacts.put(b"of nobody's run")
    is_problem(await house.http.get(f"/artifacts/{stray}"), 404, "artifact.not_found")
    run = await house.run("double")
    is_problem(await house.http.get(f"/artifacts/{stray}", params={"run": run["run_id"]}), 404, "artifact.not_found")
    mentioned = await house.run("talk", {"lines": 1})
    is_problem(
        await house.http.get(f"/artifacts/{stray}", params={"run": mentioned["run_id"]}), 404, "artifact.not_found"
    )
    is_problem(await house.http.get("/artifacts/sha256:short"), 422, "parameter.invalid")


async def test_a_pointer_cannot_be_smuggled_in(house, is_problem):
    stray = await house.core.artifacts.put(json.dumps("secret").encode())
    for inputs in ({"name": "x", "text": {"$spilled": stray}}, {"$spilled": stray}):
        answer = await house.http.post("/runs", json={"workflow": "files", "inputs": inputs})
        assert is_problem(answer, 422, "body.reserved_key")["errors"][0]["pointer"].endswith("/$spilled")
    sly = json.dumps({"workflow": "files", "inputs": {"$spilled": stray}}).replace("$", "\\u0024")
    answer = await house.http.post("/runs", content=sly, headers={"Content-Type": "application/json"})
    is_problem(answer, 422, "body.reserved_key")


async def test_a_value_too_large_for_the_journal_is_served_by_its_digest(house):
    text = "a long story " * 8_000
    run = await house.run("files", {"name": "story.txt", "text": text})
    pointer = run["inputs"]["$spilled"]
    answer = await house.http.get(f"/artifacts/{pointer}", params={"run": run["run_id"]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["text"] == text


async def test_an_artifact_is_found_after_a_restart(tmp_path, housekeeping):
    async with housekeeping(tmp_path) as house:
        await house.run("files", {"name": "kept.txt", "text": "kept"})
    async with housekeeping(tmp_path) as house:
        answer = await house.http.get(f"/artifacts/{digest(b'kept')}")
        assert answer.content == b"kept"


async def test_other_peoples_runs_are_not_there(house, is_problem):
    run_id = await house.core.start("files", {"name": "theirs.txt", "text": "theirs"})
    await house.core.wait(run_id)
    row = await house.core.runs.row(run_id)
    moved = "UPDATE runs SET grp = 'others' WHERE run_id = ?1 RETURNING run_id"
    assert await house.core.database.execute(moved, (run_id,))
    assert row.group == "default"
    for path in ("", "/events", "/stream", "/timeline", "/artifacts", "/artifacts/theirs.txt"):
        is_problem(await house.http.get(f"/runs/{run_id}{path}"), 404, "run.not_found")
    for action in ("cancel", "pause", "resume"):
        is_problem(await house.http.post(f"/runs/{run_id}/{action}"), 404, "run.not_found")
    is_problem(await house.http.get(f"/artifacts/{digest(b'theirs')}"), 404, "artifact.not_found")
    assert run_id not in {
        item["run_id"] for item in (await house.http.get("/runs", params={"limit": 200})).json()["items"]
    }


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/secret", "a%00b", "a%5cb", "%2fetc%2fpasswd", "a//b"]
)
async def test_no_name_leads_out_of_the_run(house, name, is_problem):
    run = await house.run("double")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    path = f"/api/v1/runs/{run['run_id']}/artifacts/{name}"
    headers = f"Host: x\r\nAuthorization: Bearer {house.token}\r\nConnection: close"
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.split()[1] == b"422"
    assert json.loads(body)["code"] == "artifact.bad_name"


async def test_an_unknown_name_is_not_found(house, is_problem):
    run = await house.run("double")
    is_problem(await house.http.get(f"/runs/{run['run_id']}/artifacts/nothing.txt"), 404, "artifact.not_found")
