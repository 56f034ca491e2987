"""The pages over HTTP: which address answers with what, how long it may be kept, and what the page may do."""

from __future__ import annotations

import os
import re
from pathlib import Path

import httpx2
import pytest
from tests.services import absent

from docs import generate
from penstock.api import face
from penstock.api.face import Face

pytestmark = pytest.mark.anyio

HTML = {"Accept": "text/html,application/xhtml+xml"}


def key(house) -> dict[str, str]:
    return {"Authorization": f"Bearer {house.token}"}


async def at(house, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    return await house.bare.get(path, headers={**key(house), **(headers or {})})


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A face as the build leaves it, in small."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<meta property="csp-nonce" nonce="__NONCE__"><script src="/assets/a-1.js">')
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / ".digest").write_text("secret of the build")
    for ending, data in (("", b"plain"), (".br", b"as brotli"), (".gz", b"as gzip")):
        (tmp_path / f"assets/a-1.js{ending}").write_bytes(data)
    (tmp_path.parent / "outside.txt").write_text("not for you")
    monkeypatch.setattr(face, "_FACE", Face(tmp_path))
    return tmp_path


async def test_each_address_of_a_page_answers_with_the_page(house, built):
    for path in ("/", "/runs", "/runs/r_1", "/workflows/a.b/run"):
        page = await at(house, path, headers=HTML)
        assert page.status_code == 200, path
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"


async def test_each_answer_has_a_nonce_of_its_own(house, built):
    seen = set()
    for _ in range(3):
        page = await at(house, "/", headers=HTML)
        policy = page.headers["content-security-policy"]
        nonce = re.search(r"'nonce-([\w-]{20,})'", policy)[1]
        assert f'nonce="{nonce}"' in page.text
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        seen.add(nonce)
    assert len(seen) == 3


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/nothing", "/assets/gone-2.js"])
async def test_what_is_no_page_is_not_found(house, built, path, is_problem):
    is_problem(await at(house, path, headers=HTML), 404, "route.not_found")


async def test_who_wants_no_page_gets_a_problem(house, built, is_problem):
    is_problem(await at(house, "/nothing", headers={"Accept": "application/json"}), 404, "route.not_found")


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, br", "br", b"as brotli"),
        ("gzip", "gzip", b"as gzip"),
        ("identity", None, b"plain"),
        ("br;q=0", None, b"plain"),
    ],
)
async def test_hashed_files_are_kept_for_ever_and_sent_compressed(house, built, accepted, encoding, body):
    async with house.bare.stream(
        "GET", "/assets/a-1.js", headers={**key(house), "Accept-Encoding": accepted}
    ) as answer:
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert b"".join([part async for part in answer.aiter_raw()]) == body


async def test_files_without_a_hash_are_asked_for_again(house, built):
    icon = await at(house, "/favicon.svg")
    assert (icon.headers["cache-control"], icon.headers["content-type"]) == ("no-cache", "image/svg+xml")
    assert "etag" in icon.headers


@pytest.mark.parametrize(
    "path", ["/.digest", "/../outside.txt", "/%2e%2e/outside.txt", "/assets/..%2f..%2foutside.txt", "/index.html.gz"]
)
async def test_nothing_else_is_served(house, built, path):
    answer = await at(house, path)
    assert answer.status_code == 404


async def test_a_new_build_is_served_at_once(house, built):
    assert "new build" not in (await at(house, "/", headers=HTML)).text
    (built / "index.html").write_text("a new build")
    os.utime(built / "index.html", ns=(1, 1))
    (built / "assets/b-2.js").write_text("new")
    assert (await at(house, "/", headers=HTML)).text == "a new build"
    assert (await at(house, "/assets/b-2.js")).text == "new"


async def test_a_checkout_without_pages_says_what_to_do(house, monkeypatch, tmp_path):
    monkeypatch.setattr(face, "_FACE", Face(tmp_path / "nothing"))
    page = await at(house, "/", headers=HTML)
    assert page.status_code == 200
    assert "make ui" in page.text


async def test_who_is_not_signed_in_is_told_how(house, is_problem):
    page = await house.bare.get("/runs/r_1", headers=HTML)
    assert page.status_code == 401
    assert "penstock up" in page.text
    is_problem(await house.bare.get("/api/v1/runs", headers=HTML), 401, "auth.missing")


async def test_the_real_face_names_files_that_are_there(house):
    if not (face.FOLDER / face.PAGE).is_file():
        absent("the pages were not built: make ui")
    page, files = Face().look()
    named = re.findall(r'(?:src|href)="/([^"]+)"', page)
    assert named
    assert set(named) <= set(files)
    sent = [files[name] for name in named if name.endswith((".js", ".css"))]
    large = [file for file in sent if file.path.stat().st_size >= 1024]
    assert large
    assert all(set(file.twins) == {"br", "gzip"} for file in large)
    assert sum(file.twins.get("br", file.path).stat().st_size for file in sent) < 350_000
    for name in named:
        assert (await at(house, f"/{name}")).status_code == 200


def test_the_face_has_the_types_of_this_api():
    assert generate.face_types_are_fresh(), "the API is another than ui/src/api/schema.d.ts says: run make docs"
