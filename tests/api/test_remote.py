"""What remote workers meet at our side: taking work, and bringing one result for each ticket."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import penstock
from penstock.tools import envelope as sealed
from penstock.tools.desk import LARGEST, Desk, Order
from penstock.tools.envelope import Envelope

pytestmark = pytest.mark.anyio

GROUP, AUDIENCE = "default", "fish-lab"
TOOLS = {"tools": [{"name": "echo", "input_schema": {"type": "object"}}]}


async def ticket(desk: Desk, seconds: float = 60, arguments: dict[str, Any] | None = None) -> tuple[Order, Envelope]:
    """An order, handed out."""
    order, _ = await desk.order(GROUP, AUDIENCE, "echo", arguments or {}, seconds, None)
    return order, (await desk.deliver(order, "pull", desk.lease))[1]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def bring(house: Any, envelope: Envelope, body: Any, token: str | None = None) -> httpx2.Response:
    reply = envelope.reply
    return await house.bare.post(f"{reply['url']}/result", json=body, headers=bearer(token or reply["token"]))


# ------------------------------------------------------------------------------------------------------- the keys


async def test_the_key_set_is_open_to_all_and_holds_no_private_half(house: Any) -> None:
    await house.core.desk.keys.current()
    answer = await house.bare.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    for row in answer.json()["keys"]:
        assert row.keys() == {"kty", "n", "e", "kid", "use", "alg"}


async def test_keys_are_listed_and_rotated_by_who_has_the_token(house: Any, is_problem: Any) -> None:
    for method, path in (("GET", "/keys"), ("POST", "/keys/rotate"), ("GET", "/workers"), ("POST", "/workers")):
        is_problem(await house.bare.request(method, f"/api/v1{path}"), 401, "auth.missing")
    before = (await house.http.get("/keys")).json()["items"]
    after = (await house.http.post("/keys/rotate", json={})).json()["items"]
    assert len(after) == len(before) + 1
    assert after[0]["published_until"] is None
    published = (await house.bare.get("/.well-known/jwks.json")).json()["keys"]
    assert [row["kid"] for row in published] == [row["kid"] for row in after]


async def test_a_workers_token_takes_work_and_opens_nothing_else(house: Any, is_problem: Any) -> None:
    made = await house.http.post("/workers", json={"audience": AUDIENCE})
    assert made.status_code == 201
    token = made.json()["token"]
    for path in ("/api/v1/runs", "/api/v1/keys", "/api/v1/workers", "/api/v1/secrets"):
        is_problem(await house.bare.get(path, headers=bearer(token)), 401, "auth.bad_token")
    claim = "/api/v1/work/claim"
    assert (await house.bare.post(claim, json=TOOLS, headers=bearer(token))).status_code == 204
    is_problem(await house.bare.post(claim, json=TOOLS), 401, "auth.missing")
    is_problem(await house.bare.post(claim, json=TOOLS, headers=bearer("no")), 401, "worker.bad_token")
    is_problem(await house.http.post("work/claim", json=TOOLS), 401, "worker.bad_token")
    listed = (await house.http.get("/workers")).json()["items"]
    assert [row["audience"] for row in listed] == [AUDIENCE]
    assert token not in json.dumps(listed)
    assert (await house.http.delete(f"/workers/{AUDIENCE}")).status_code == 204
    is_problem(await house.bare.post(claim, json=TOOLS, headers=bearer(token)), 401, "worker.bad_token")
    is_problem(await house.http.delete(f"/workers/{AUDIENCE}"), 404, "worker.not_found")


@pytest.mark.parametrize(
    "body", [{}, {"tools": [{}]}, {"tools": [{"name": ""}]}, {"tools": [], "wait": -1}, {"tools": 5}]
)
async def test_a_claim_that_is_not_right(house: Any, is_problem: Any, body: Any) -> None:
    token = await house.core.worker_tokens.issue(GROUP, "odd")
    is_problem(await house.bare.post("/api/v1/work/claim", json=body, headers=bearer(token)), 422, "body.invalid")


async def test_an_envelope_is_claimed_once_and_says_what_was_ordered(house: Any) -> None:
    desk: Desk = house.core.desk
    token = await house.core.worker_tokens.issue(GROUP, AUDIENCE)
    order, _ = await desk.order(GROUP, AUDIENCE, "echo", {"text": "hi"}, 60, "run_9:ask#1")
    await desk.queue(order)
    claims = (house.bare.post("/api/v1/work/claim", json=TOOLS, headers=bearer(token)) for _ in range(6))
    found = [answer.json() for answer in await asyncio.gather(*claims) if answer.status_code == 200]
    assert len(found) == 1
    opened = await sealed.open_claims(found[0]["envelope"], desk.keys.public, sealed.TYPE)
    assert (opened["aud"], opened["run"], opened["step"]) == (AUDIENCE, "run_9", "ask#1")
    assert opened["arguments"]["inline"] == {"text": "hi"}
    assert found[0]["lease"] == desk.lease
    await desk.withdraw(order)


# ----------------------------------------------------------------------------------------------------- the result


async def test_a_result_is_taken_once(house: Any, is_problem: Any) -> None:
    order, envelope = await ticket(house.core.desk)
    assert (await bring(house, envelope, {"result": {"n": 1}})).status_code == 204
    is_problem(await bring(house, envelope, {"result": {"n": 2}}), 409, "callback.used")
    assert await house.core.desk.take(order, LARGEST) == {"result": {"n": 1}}
    is_problem(await bring(house, envelope, {"result": {"n": 3}}), 409, "callback.used")


async def test_of_many_results_at_once_one_is_taken(house: Any) -> None:
    order, envelope = await ticket(house.core.desk)
    answers = await asyncio.gather(*(bring(house, envelope, {"result": n}) for n in range(20)))
    winners = [n for n, answer in enumerate(answers) if answer.status_code == 204]
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} == {204, 409}
    assert await house.core.desk.take(order, LARGEST) == {"result": winners[0]}


async def test_a_used_ticket_stays_used_after_a_restart(housekeeping: Any, tmp_path: Path, is_problem: Any) -> None:
    async with housekeeping(tmp_path) as house:
        _, used = await ticket(house.core.desk)
        _, unused = await ticket(house.core.desk)
        assert (await bring(house, used, {"result": 1})).status_code == 204
    async with housekeeping(tmp_path) as house:
        is_problem(await bring(house, used, {"result": 2}), 409, "callback.used")
        assert (await bring(house, unused, {"result": 3})).status_code == 204


async def test_nobody_brings_a_result_without_its_token(house: Any, is_problem: Any) -> None:
    order, envelope = await ticket(house.core.desk)
    _, other = await ticket(house.core.desk)
    url = f"{envelope.reply['url']}/result"
    is_problem(await house.bare.post(url, json={"result": 1}), 401, "auth.missing")
    for wrong in ("x", other.reply["token"], house.token):
        is_problem(await bring(house, envelope, {"result": 1}, wrong), 401, "callback.bad_token")
    made_up = url.replace(envelope.nonce, "made-up-made-up-made-up")
    answer = await house.bare.post(made_up, json={"result": 1}, headers=bearer(envelope.reply["token"]))
    is_problem(answer, 404, "callback.unknown")
    assert await house.core.desk.take(order, LARGEST) is None
    assert (await bring(house, envelope, {"result": 1})).status_code == 204


async def test_a_result_that_comes_too_late(house: Any, is_problem: Any) -> None:
    desk: Desk = house.core.desk
    _, envelope = await ticket(desk)
    row = await house.core.registry.get("system", "callbacks", envelope.nonce)
    await house.core.registry.put("system", "callbacks", envelope.nonce, {**row, "expires": time.time() - 1})
    is_problem(await bring(house, envelope, {"result": 1}), 403, "callback.expired")


async def test_a_result_of_an_order_that_was_withdrawn(house: Any, is_problem: Any) -> None:
    order, envelope = await ticket(house.core.desk)
    await house.core.desk.withdraw(order)
    is_problem(await bring(house, envelope, {"result": 1}), 409, "callback.used")
    beat = await house.bare.post(f"{envelope.reply['url']}/heartbeat", headers=bearer(envelope.reply["token"]))
    is_problem(beat, 409, "callback.used")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "callback.bad_result"),
        ({"result": 1, "error": {"message": "x"}}, 422, "callback.bad_result"),
        ({"error": {}}, 422, "body.invalid"),
        ({"error": None}, 422, "callback.bad_result"),
        ({"pointer": {"digest": "sha256:00", "size": 1}}, 422, "callback.bad_pointer"),
        ({"pointer": {"digest": "sha256:00"}}, 422, "body.invalid"),
        ({"result": {"$spilled": "sha256:00"}}, 422, "body.reserved_key"),
        ({"result": 1, "more": 2}, 422, "body.invalid"),
        ({"result": "x" * 1_100_000}, 413, "body.too_large"),
        ([], 422, "body.invalid"),
    ],
)
async def test_a_body_that_is_no_result_uses_nothing_up(
    house: Any, is_problem: Any, body: Any, status: int, code: str
) -> None:
    _, envelope = await ticket(house.core.desk)
    is_problem(await bring(house, envelope, body), status, code)
    assert (await bring(house, envelope, {"result": None})).status_code == 204


async def test_no_body_is_read_for_who_may_not_bring_one(house: Any, is_problem: Any) -> None:
    _, envelope = await ticket(house.core.desk)
    answer = await bring(house, envelope, {"result": "x" * 2_000_000}, "wrong")
    is_problem(answer, 401, "callback.bad_token")


async def test_a_heartbeat_says_whether_the_result_is_wanted(house: Any) -> None:
    order, envelope = await ticket(house.core.desk)
    url, headers = f"{envelope.reply['url']}/heartbeat", bearer(envelope.reply["token"])
    assert (await house.bare.post(url, headers=headers)).json() == {"wanted": True, "lease": 30.0}
    row = await house.core.registry.get("system", "orders", order.task)
    await house.core.registry.put("system", "orders", order.task, {**row, "watched_at": time.time() - 61})
    assert (await house.bare.post(url, headers=headers)).json()["wanted"] is False


# ----------------------------------------------------------------------------------------------- large ones


async def test_a_large_result_is_uploaded_once_and_pointed_to(house: Any, is_problem: Any) -> None:
    order, envelope = await ticket(house.core.desk)
    data = json.dumps({"text": "x" * 2_000_000}).encode()
    url = envelope.reply["upload"]
    answer = await house.bare.put(url, content=data)
    assert answer.status_code == 201, answer.text
    handle = answer.json()
    assert handle == {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
    is_problem(await house.bare.put(url, content=b"{}"), 409, "upload.used")
    for wrong in ({**handle, "size": 1}, {**handle, "digest": "sha256:" + "0" * 64}):
        is_problem(await bring(house, envelope, {"pointer": wrong}), 422, "callback.bad_pointer")
    assert (await bring(house, envelope, {"pointer": handle})).status_code == 204
    assert await house.core.desk.take(order, LARGEST) == {"result": {"text": "x" * 2_000_000}}
    is_problem(await house.bare.put(url, content=data), 409, "upload.used")


async def test_of_many_uploads_at_once_one_is_taken(house: Any) -> None:
    _, envelope = await ticket(house.core.desk)
    answers = await asyncio.gather(*(house.bare.put(envelope.reply["upload"], content=b"%d" % n) for n in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11


async def test_an_address_that_was_not_signed_for_this(house: Any, is_problem: Any) -> None:
    desk: Desk = house.core.desk
    (_, envelope), (_, other) = await ticket(desk), await ticket(desk)
    url = envelope.reply["upload"]
    signed = url.partition("signed=")[2]
    swapped = url.replace(signed, other.reply["upload"].partition("signed=")[2])
    is_problem(await house.bare.put(swapped, content=b"1"), 403, "upload.foreign")
    head, body, tail = signed.split(".")
    altered = url.replace(signed, f"{head}.{body[:-2]}AA.{tail}")
    is_problem(await house.bare.put(altered, content=b"1"), 403, "envelope.signature")
    unsigned = url.replace(signed, f"eyJhbGciOiJub25lIn0.{body}.")
    is_problem(await house.bare.put(unsigned, content=b"1"), 403, "envelope.algorithm")
    order = sealed.sign(envelope.claims(), await desk.keys.current())
    is_problem(await house.bare.put(url.replace(signed, order), content=b"1"), 403, "envelope.malformed")
    is_problem(await house.bare.put(url.partition("?")[0], content=b"1"), 422, "parameter.invalid")
    expired = {"iss": sealed.ISSUER, "jti": envelope.nonce, "exp": time.time() - 1}
    old = sealed.sign(expired, await desk.keys.current(), sealed.UPLOAD)
    is_problem(await house.bare.put(url.replace(signed, old), content=b"1"), 403, "upload.expired")
    assert (await house.bare.put(url, content=b"1")).status_code == 201


async def test_an_upload_has_an_end(house: Any, is_problem: Any) -> None:
    _, envelope = await ticket(house.core.desk)
    long = b"x" * (LARGEST + 1)
    is_problem(await house.bare.put(envelope.reply["upload"], content=long), 413, "body.too_large")
    assert (await house.bare.put(envelope.reply["upload"], content=b"1")).status_code == 201


async def test_large_arguments_are_read_by_who_has_the_envelope(house: Any, is_problem: Any) -> None:
    given = {"text": "x" * 100_000}
    order, envelope = await ticket(house.core.desk, arguments=given)
    assert envelope.arguments is None
    url = f"{envelope.reply['url']}/arguments"
    is_problem(await house.bare.get(url, headers=bearer("no")), 401, "callback.bad_token")
    answer = await house.bare.get(url, headers=bearer(envelope.reply["token"]))
    assert answer.json() == given
    sealed.check_digest(answer.content, envelope.digest, envelope.size)
    await house.core.desk.withdraw(order)
    is_problem(await house.bare.get(url, headers=bearer(envelope.reply["token"])), 409, "callback.used")


# ------------------------------------------------------------------------------------------------ being watched


async def test_each_refusal_is_counted_and_logged_with_its_code(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def count() -> float:
        lines = (await house.bare.get("/metrics")).text.splitlines()
        found = [line for line in lines if line.startswith('penstock_work_refused_total{code="callback.bad_token"}')]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    before = await count()
    _, envelope = await ticket(house.core.desk)
    await bring(house, envelope, {"result": 1}, "wrong")
    assert await count() == before + 1
    said = [record.getMessage() for record in caplog.records if record.name == "penstock.remote"]
    assert said == ["refused a result from 127.0.0.1: callback.bad_token"]
    assert envelope.reply["token"] not in caplog.text


async def test_envelopes_name_our_public_address_where_there_is_one(housekeeping: Any, tmp_path: Path) -> None:
    async with housekeeping(tmp_path, public_url="https://penstock.example/inside/") as house:
        _, envelope = await ticket(house.core.desk)
        start = f"https://penstock.example/inside/api/v1/work/{envelope.nonce}"
        assert envelope.reply["url"] == start
        assert envelope.reply["upload"].startswith(f"{start}/upload?signed=")


@pytest.fixture
async def command(house: Any, tmp_path: Path) -> AsyncIterator[Any]:
    source = str(Path(penstock.__file__).parents[1])
    env = {"PYTHONPATH": source, "PENSTOCK_SERVER": house.url, "PENSTOCK_TOKEN": house.token, "HOME": str(tmp_path)}

    async def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "penstock.cli", *words]
        return await asyncio.to_thread(
            subprocess.run, line, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    yield run


async def test_the_operators_commands(house: Any, command: Any) -> None:
    rotated = await command("keys", "rotate", "--json")
    listed = await command("keys", "ls", "--json")
    assert json.loads(rotated.stdout) == json.loads(listed.stdout)
    assert "signs" in (await command("keys", "ls")).stdout
    issued = await command("workers", "issue", "https://lab.example/fish")
    assert await house.core.worker_tokens.bearer(issued.stdout.strip()) == (GROUP, "https://lab.example/fish")
    assert "https://lab.example/fish" in (await command("workers", "ls")).stdout
    assert (await command("workers", "revoke", "https://lab.example/fish")).returncode == 0
    gone = await command("workers", "revoke", "https://lab.example/fish")
    assert gone.returncode == 2
    assert "worker.not_found" in gone.stderr
    alone = await command("worker", "--audience", "a", "--tools", "code")
    assert alone.returncode == 2
    assert "worker.no_token" in alone.stderr


async def test_an_order_is_an_order() -> None:
    """What is signed is all that an order is."""
    assert {field.name for field in dataclasses.fields(Order)} - {"expires", "group"} <= {
        field.name for field in dataclasses.fields(Envelope)
    }
