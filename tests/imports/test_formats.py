"""`penstock import` and POST /imports, as people and programs use them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import yaml
from tests.imports.test_crewai import AGENTS, TASKS

import penstock
from penstock.api.application import create_app
from penstock.app import Penstock
from penstock.cli.imports import collect, slug_of
from penstock.imports.crewai import NAMES

pytestmark = pytest.mark.anyio


def project(folder: Path, tasks: bytes = TASKS) -> Path:
    config = folder / "My Crew" / "src" / "my_crew" / "config"
    config.mkdir(parents=True)
    (config / "agents.yaml").write_bytes(AGENTS)
    (config / "tasks.yaml").write_bytes(tasks)
    return folder / "My Crew"


def shell(*words: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "penstock.cli", *words], capture_output=True, text=True, timeout=120, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_folder_is_printed_as_a_workflow_and_with_apply_saved(tmp_path: Path) -> None:
    folder, data = str(project(tmp_path)), str(tmp_path / "data")
    code, out, err = shell("import", "crewai", folder, "--data", data)
    document = yaml.safe_load(out)
    assert (code, document["name"]) == (0, "my-crew")
    assert "agents.yaml:10:3  verbose is not needed" in err
    code, out, err = shell("import", "crewai", folder, "--apply", "--name", "trip", "--data", data)
    assert (code, out) == (0, "") and "trip: saved as the draft" in err
    code, out, _ = shell("workflows", "show", "trip", "--json", "--data", data)
    assert json.loads(out)["document"] == {**document, "name": "trip"}


def test_what_is_wrong_is_said_with_its_place_and_nothing_is_saved(tmp_path: Path) -> None:
    folder, data = (
        str(project(tmp_path, TASKS + b"lost: {description: d, expected_output: e}\n")),
        str(tmp_path / "data"),
    )
    code, out, err = shell("import", "crewai", folder, "--apply", "--data", data)
    assert code == 2 and "tasks.yaml:16:1  nobody is to do the task 'lost'" in err
    assert yaml.safe_load(out)["nodes"], "what could be made of it is shown"
    code, out, _ = shell("import", "crewai", folder, "--json", "--process", "hierarchical")
    assert code == 0 and json.loads(out)["document"]["nodes"]["crew"]["with"]["process"] == "hierarchical"
    code, out, err = shell("import", "crewai", str(tmp_path / "none"))
    assert code == 2 and "this is no folder" in err
    (tmp_path / "empty").mkdir()
    code, out, err = shell("import", "crewai", str(tmp_path / "empty"))
    assert code == 2 and "import.missing_file" in err


def test_only_files_that_are_looked_at_are_read(tmp_path: Path) -> None:
    folder = project(tmp_path)
    for hidden in (".venv", "node_modules", "a/b/c/d/e/f/g"):
        (folder / hidden).mkdir(parents=True)
        (folder / hidden / "agents.yaml").write_text("x")
    (folder / "secrets.yaml").write_text("x")
    assert sorted(collect(folder, NAMES)) == ["src/my_crew/config/agents.yaml", "src/my_crew/config/tasks.yaml"]
    assert slug_of(str(folder)) == "my-crew"


async def client(p: Penstock) -> httpx.AsyncClient:
    app: Any = create_app(p)
    token = (p.settings.data / "token").read_text().strip()
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/api/v1", headers=headers)


async def test_the_api_answers_with_the_document_and_the_diagnostics(tmp_path: Path) -> None:
    files = {"agents.yaml": AGENTS.decode(), "tasks.yaml": TASKS.decode()}
    async with penstock.local(tmp_path) as p, await client(p) as api:
        answer = await api.post("/imports/crewai", json={"files": files, "name": "trip"})
        assert answer.status_code == 200 and answer.json()["draft"] is None
        assert answer.json()["document"]["name"] == "trip"
        assert [one["code"] for one in answer.json()["diagnostics"]] == ["import.not_needed"]
        saved = await api.post("/imports/crewai", json={"files": files, "name": "trip", "apply": True})
        assert saved.json()["draft"] == (await p.workflows.draft("default", "trip")).etag
        wrong = {"files": {**files, "tasks.yaml": "t: {description: d}"}, "apply": True}
        refused = await api.post("/imports/crewai", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "import.wrong")
        unknown = await api.post("/imports/crewia", json={"files": files})
        assert (unknown.status_code, unknown.json()["code"]) == (404, "import.unknown_format")
        assert "crewai" in str(unknown.json())
