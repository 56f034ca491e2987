"""Providers over HTTP: a key is tried before it is kept, belongs to its address, and never comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.models.server import Answer, Provider, fails, say

from penstock.errors import NotFound

pytestmark = pytest.mark.anyio

KEY = "k3y-of-canary-0123456789"
MODELS = Answer(raw=json.dumps({"data": [{"id": "gpt-5"}, {"id": "tiny"}]}).encode())


@pytest.fixture
async def own(housekeeping, tmp_path: Path):
    async with housekeeping(tmp_path) as house:
        yield house


async def test_a_key_that_is_taken_is_kept_and_used(own):
    async with Provider(MODELS, say("hello")) as provider:
        put = await own.http.put("/providers/openai", json={"key": KEY, "base_url": provider.url, "model": "gpt-5"})
        assert put.status_code == 200, put.text
        shown = put.json()
        assert (shown["status"], shown["connected"], shown["key"]) == ("connected", True, "vault")
        assert (shown["base_url"], shown["error"]) == (provider.url, None)
        assert shown["checked_at"] is not None
        assert provider.headers[0]["authorization"] == f"Bearer {KEY}"
        await own.core.apply(
            {
                "penstock": 1,
                "name": "asks",
                "nodes": {"a": {"kind": "agent", "with": {"model": "openai:gpt-5", "instructions": "Hi"}}},
                "outputs": {"text": "${{ nodes.a.output.text }}"},
            }
        )
        run = await own.run("asks")
        assert (run["status"], run["outputs"]) == ("completed", {"text": "hello"})
        assert provider.headers[1]["authorization"] == f"Bearer {KEY}"
        listed = await own.http.get("/providers")
        one = next(item for item in listed.json()["items"] if item["name"] == "openai")
        assert [breaker["state"] for breaker in one["breakers"]] == ["closed"]
        metrics = (await own.bare.get("/metrics")).text
        assert f'penstock_provider_breaker{{provider="openai at {provider.url}"}} 0.0' in metrics
        for answer in (put, listed, await own.http.get("/providers/openai"), await own.http.get("/secrets")):
            assert KEY not in answer.text


async def test_a_key_that_is_not_taken_is_not_kept(own, is_problem):
    async with Provider(fails(401, f"wrong key {KEY}")) as provider:
        put = await own.http.put("/providers/openai", json={"key": KEY, "base_url": provider.url})
        assert KEY not in is_problem(put, 403, "model.bad_key")["detail"]
    shown = (await own.http.get("/providers/openai")).json()
    assert (shown["status"], shown["base_url"]) == ("no_key", "https://api.openai.com/v1")
    assert (await own.http.get("/secrets")).json()["names"] == []


async def test_a_key_may_be_kept_unverified_and_tried_later(own):
    async with Provider(fails(401, "no"), MODELS) as provider:
        body = {"key": KEY, "base_url": provider.url, "verify": False}
        assert (await own.http.put("/providers/openai", json=body)).json()["status"] == "unverified"
        assert provider.bodies == []
        first = (await own.http.post("/providers/openai/check")).json()
        assert (first["status"], first["error"]["code"]) == ("failed", "model.bad_key")
        again = (await own.http.post("/providers/openai/check")).json()
        assert (again["status"], again["error"]) == ("connected", None)


async def test_a_model_must_be_there_and_a_server_without_a_list_is_asked_for_a_token(own, is_problem):
    async with Provider(MODELS) as provider:
        body = {"key": KEY, "base_url": provider.url, "model": "gpt-9"}
        is_problem(await own.http.put("/providers/openai", json=body), 422, "model.unknown")
    async with Provider(fails(404), say("x"), fails(404)) as provider:
        body = {"key": KEY, "base_url": provider.url, "model": "gpt-5"}
        assert (await own.http.put("/providers/openai", json=body)).json()["connected"]
        assert provider.bodies[1]["max_tokens"] == 1
        del body["model"]
        is_problem(await own.http.put("/providers/openai", json=body), 422, "provider.not_verified")


async def test_a_kept_key_goes_to_no_other_address(own, is_problem):
    async with Provider(MODELS) as first, Provider(MODELS) as second:
        await own.http.put("/providers/openai", json={"key": KEY, "base_url": first.url})
        taken = await own.http.put("/providers/openai", json={"base_url": second.url})
        is_problem(taken, 422, "provider.key_needed")
        home = await own.http.put("/providers/openai", json={"verify": False})
        is_problem(home, 422, "provider.key_needed")
        assert second.headers == []
        assert (await own.http.put("/providers/openai", json={"base_url": first.url})).json()["connected"]
        with pytest.raises(NotFound):  # the provider's own models do not see it
            await own.core.vault.get("default", "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"key": "k", "base_url": "ftp://x"}, "provider.bad_address"),
        ({"key": "k", "base_url": "https://user:pw@x"}, "provider.bad_address"),
        ({"key": "k", "base_url": "https://x?key=1"}, "provider.bad_address"),
        ({}, "provider.no_key"),
        ({"key": 5}, "body.invalid"),
        ({"kee": "k"}, "body.invalid"),
    ],
)
async def test_what_is_wrong_is_refused(own, is_problem, body, code):
    is_problem(await own.http.put("/providers/openai", json=body), 422, code)
    assert (await own.http.get("/providers/openai")).json()["status"] == "no_key"


async def test_unknown_and_forgotten_providers(own, is_problem):
    answer = is_problem(await own.http.get("/providers/opnai"), 404, "provider.not_found")
    assert "openai" in answer["detail"]
    is_problem(await own.http.delete("/providers/groq"), 404, "provider.not_found")
    is_problem(await own.http.post("/providers/groq/check"), 422, "provider.no_key")
    await own.http.put("/providers/groq", json={"key": KEY, "verify": False})
    assert (await own.http.delete("/providers/groq")).status_code == 204
    assert (await own.http.get("/providers/groq")).json()["status"] == "no_key"
    assert (await own.http.get("/secrets")).json()["names"] == []


async def test_keys_are_rotated_while_the_server_goes_on(own):
    for name in ("a", "b"):
        await own.http.put(f"/secrets/{name}", json={"value": KEY})
    before = await own.core.database.fetch("SELECT sealed FROM secrets", ())
    assert (await own.http.post("/secrets/rotate")).json() == {"sealed": 2}
    after = await own.core.database.fetch("SELECT sealed FROM secrets", ())
    assert not {row[0] for row in before} & {row[0] for row in after}
    assert await own.core.vault.get("default", "a") == KEY


async def test_a_run_says_before_it_begins_what_it_lacks_and_costs(own, is_problem):
    asks = {"model": "openai:gpt-5", "instructions": "Hi", "max_tokens": 100, "repairs": 0}
    document = {"penstock": 1, "name": "costs", "nodes": {"a": {"kind": "agent", "with": asks}}}
    await own.core.apply(document)
    refused = is_problem(await own.http.post("/runs", json={"workflow": "costs"}), 422, "preflight.failed")
    assert (refused["errors"][0]["code"], refused["errors"][0]["pointer"]) == ("model.no_key", "/nodes/a/with/model")
    assert "penstock providers set openai" in refused["errors"][0]["hint"]
    await own.http.put("/providers/openai", json={"key": KEY, "verify": False})
    run = await own.run("costs", run_mode="validate_only")
    assert run["status"] == "completed"
    cost = (await own.core.journal.read(run["run_id"]))[1].fact.report["cost"]
    assert cost["by"] == "prices"
    assert 0.001 < float(cost["usd"]) < 0.01
    document["nodes"]["b"] = {"kind": "agent", "with": {**asks, "tools": [{"server": "builtin"}]}}
    await own.core.apply(document)
    run = await own.run("costs", run_mode="validate_only")
    cost = (await own.core.journal.read(run["run_id"]))[1].fact.report["cost"]
    assert (cost["usd"], cost["nodes"]["b"]) == ("unknown", "unknown")
    await own.core.apply({**document, "limits": {"usd": 0.5}})
    run = await own.run("costs", run_mode="validate_only")
    cost = (await own.core.journal.read(run["run_id"]))[1].fact.report["cost"]
    assert (cost["usd"], cost["by"]) == ("0.5", "limit")
