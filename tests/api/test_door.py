"""Who comes in: bearer tokens, the cookie of the page, and what neither may do."""

from __future__ import annotations

import stat

import httpx2
import pytest

from penstock.api.auth import Door, ensure_token

pytestmark = pytest.mark.anyio


async def page_cookie(house) -> dict[str, str]:
    """What a browser sends after it followed the printed URL."""
    answer = await house.bare.get("/", params={"token": house.token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    house.bare.cookies.clear()
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=strict" in cookie.lower()
    assert house.token not in cookie
    return {"Cookie": cookie.partition(";")[0]}


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/openapi.json", "/api/v1/nothing", "/nothing", "/docs"])
async def test_nothing_is_shown_without_a_token(house, path, is_problem):
    answer = await house.bare.get(path)
    is_problem(answer, 401, "auth.missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["wrong", "", "Bearer", "ü"])
async def test_a_wrong_token_is_refused(house, token, is_problem):
    headers = {"Authorization": f"Bearer {token}".strip().encode()}
    is_problem(await house.bare.get("/api/v1/runs", headers=headers), 401, "auth.bad_token")
    basic = await house.bare.get("/api/v1/runs", headers={"Authorization": f"Basic {house.token}"})
    is_problem(basic, 401, "auth.bad_token")
    assert (await house.bare.get("/", params={"token": token})).status_code == 401


async def test_health_needs_no_token(house):
    assert (await house.bare.get("/healthz")).json()["status"] == "ok"
    assert (await house.bare.get("/readyz")).json() == {"status": "ready", "checks": {"journal": "ok", "serving": "ok"}}
    assert (await house.bare.head("/healthz")).status_code == (await house.bare.head("/readyz")).status_code == 200
    assert (await house.bare.get("/metrics")).status_code == 200


async def test_the_printed_url_leads_to_the_page(house):
    assert (await house.bare.get("/")).status_code == 401
    cookie = await page_cookie(house)
    page = await house.bare.get("/", headers=cookie)
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert (await house.bare.get("/api/v1/runs", headers=cookie)).status_code == 200


async def test_the_page_asks_nothing_of_other_sites(house):
    page = (await house.bare.get("/", headers=await page_cookie(house))).text
    outside = [
        word for word in ("http://", "https://", "//cdn") if word in page.replace("http://www.w3.org/2000/svg", "")
    ]
    assert outside == []


async def test_a_cookie_is_no_good_for_another_sites_page(house, is_problem):
    cookie = await page_cookie(house)
    body = {"workflow": "double"}
    own = {"Origin": house.url}
    assert (await house.bare.post("/api/v1/runs", json=body, headers={**cookie, **own})).status_code == 201
    same = {"Sec-Fetch-Site": "same-origin"}
    assert (await house.bare.post("/api/v1/runs", json=body, headers={**cookie, **same})).status_code == 201
    for other in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = await house.bare.post("/api/v1/runs", json=body, headers={**cookie, **other})
        is_problem(answer, 403, "auth.origin")
    reading = await house.bare.get("/api/v1/runs", headers={**cookie, "Origin": "http://evil.example"})
    is_problem(reading, 403, "auth.origin")


async def test_a_cookie_is_no_good_under_a_name_that_is_not_ours(house, is_problem):
    port = house.url.rpartition(":")[2]
    cookie = await page_cookie(house)
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", f"192.168.1.7:{port}"):
        answer = await house.bare.get("/api/v1/runs", headers={**cookie, "Host": host})
        assert answer.status_code == 200, host
    rebound = await house.bare.get("/api/v1/runs", headers={**cookie, "Host": f"evil.example:{port}"})
    is_problem(rebound, 403, "auth.host")
    is_problem(await house.bare.get("/metrics", headers={"Host": f"evil.example:{port}"}), 401, "auth.missing")
    forged = {"Cookie": f"penstock_{port}=forged"}
    is_problem(await house.bare.get("/api/v1/runs", headers=forged), 401, "auth.missing")


def test_the_token_is_made_once_and_kept_to_its_owner(tmp_path):
    made = ensure_token("", tmp_path)
    assert len(made) >= 32
    assert ensure_token("", tmp_path) == made
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert ensure_token("given", tmp_path) == "given"


async def test_what_breaks_is_answered_with_an_id_and_no_traceback(caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("a detail nobody outside may see")

    transport = httpx2.ASGITransport(Door(broken, "token"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/api/v1/runs", headers={"Authorization": "Bearer token"})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "internal")
    assert "detail nobody" not in answer.text
    assert body["id"] in caplog.text
    assert "a detail nobody outside may see" in caplog.text
