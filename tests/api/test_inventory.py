"""What there is: kinds, servers, secrets, counts."""

from __future__ import annotations

import jsonschema
import pytest

pytestmark = pytest.mark.anyio

SECRET = "correct-horse-battery-staple"


async def test_a_secret_goes_in_and_never_comes_out(house, is_problem):
    assert (await house.http.put("/secrets/api-key", json={"value": SECRET})).status_code == 204
    assert (await house.http.put("/secrets/api-key", json={"value": SECRET + "2"})).status_code == 204
    shown = [await house.http.get("/secrets"), await house.http.get("/secrets/api-key")]
    assert [answer.json() for answer in shown] == [{"names": ["api-key"]}, {"name": "api-key"}]
    assert await house.core.vault.get("default", "api-key") == SECRET + "2"
    wrong = await house.http.put("/secrets/api-key", json={"value": [SECRET]})
    assert SECRET not in is_problem(wrong, 422, "body.invalid")["detail"]
    assert SECRET not in wrong.text
    assert (await house.http.delete("/secrets/api-key")).status_code == 204
    is_problem(await house.http.delete("/secrets/api-key"), 404, "secret.not_found")
    is_problem(await house.http.get("/secrets/api-key"), 404, "secret.not_found")


async def test_a_missing_secret_is_named_before_the_run(house, is_problem):
    node = {"kind": "http", "with": {"url": "http://127.0.0.1:9/", "auth_secret": "absent"}}
    document = {"penstock": 1, "name": "with-secret", "nodes": {"a": node}}
    checked = (await house.http.post("/workflows/with-secret/validate", json=document)).json()
    assert checked["valid"] is True
    missing = checked["preflight"][0]
    assert (missing["code"], missing["pointer"]) == ("secret.missing", "/nodes/a/with/auth_secret")
    await house.http.post("/workflows", json=document)
    is_problem(await house.http.post("/runs", json={"workflow": "with-secret"}), 422, "preflight.failed")


async def test_kinds_come_with_the_schema_of_their_configuration(house):
    items = {item["name"]: item for item in (await house.http.get("/kinds")).json()["items"]}
    assert {"function", "human", "render", "subflow", "wait"} <= items.keys()
    for item in items.values():
        jsonschema.Draft202012Validator.check_schema(item["config"])
        assert item["description"], item["name"]
    assert items["function"]["config"]["required"] == ["function"]


async def test_servers_are_listed_without_how_they_are_reached(house):
    answer = await house.http.get("/servers")
    items = answer.json()["items"]
    assert items[0]["name"] == "code"
    assert "code.files" in items[0]["capabilities"]
    assert "command" not in answer.text


async def test_metrics_count_what_happens(house):
    await house.run("double")
    await house.run("positive", {"value": -5})
    text = (await house.bare.get("/metrics")).text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['penstock_runs_ended_total{status="completed"}']) >= 1
    assert float(lines['penstock_steps_total{kind="function",outcome="failed"}']) >= 1
    assert float(lines['penstock_step_seconds_bucket{kind="function",le="+Inf"}']) >= 2
    assert float(lines['penstock_step_seconds_count{kind="function"}']) >= 2
    assert float(lines['penstock_runs{status="failed"}']) >= 1
    assert float(lines["penstock_commits_total"]) > 0
    assert {"penstock_queue_depth", "penstock_streams", "penstock_steps_held"} <= lines.keys()
