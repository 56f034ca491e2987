"""The OpenAPI document: valid, true of every answer, and no example of it breaks the server."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks

from penstock.api import models, server_models
from penstock.api.problems import STATUS

pytestmark = pytest.mark.anyio

EXAMPLES = 8
checks.load_all_checks()
CHECKS = checks.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
    ]
)


@pytest.fixture(scope="module")
async def document(house) -> dict[str, Any]:
    return (await house.http.get("/openapi.json")).json()


async def test_it_is_openapi_3_1_and_says_how_to_come_in(document):
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    assert "HTTPValidationError" not in str(document)


async def test_every_operation_has_a_name_words_and_problem_answers(document):
    names = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert operation.get("description") or operation.get("summary"), (method, path)
            if path.startswith("/api/"):
                for status in ("401", "422", "500"):
                    assert "application/problem+json" in operation["responses"][status]["content"], (method, path)
    assert len(names) == len(set(names))


def test_every_kind_of_error_has_a_status():
    assert set(STATUS.values()) == {401, 403, 404, 409, 412, 413, 422, 503, 504}


async def test_every_answer_is_as_it_is_documented(house):
    done = await house.run("files", {"name": "a.txt", "text": "a"})
    failed = await house.run("positive", {"value": -1})
    asking = await house.run("ask", wait=0)
    await house.until(asking["run_id"], "waiting")
    gate = uuid.uuid4().hex
    working = await house.run("gated", {"gate": gate}, wait=1)
    await house.http.post("/workflows/double/publish")
    expected = [
        ("/runs", models.RunPage),
        *((f"/runs/{run['run_id']}", models.Run) for run in (done, failed, asking, working)),
        *((f"/runs/{run['run_id']}/timeline", models.Timeline) for run in (done, failed, asking, working)),
        (f"/runs/{done['run_id']}/events", models.EventPage),
        (f"/runs/{done['run_id']}/artifacts", models.RunArtifacts),
        ("/workflows", models.WorkflowPage),
        ("/workflows/double", models.Draft),
        ("/workflows/double/versions", models.VersionPage),
        ("/workflows/double/versions/1", models.Version),
        ("/approvals", models.ApprovalPage),
        ("/dead-letters", models.DeadLetterPage),
        ("/kinds", models.Kinds),
        ("/servers", server_models.Servers),
        ("/servers/code", server_models.ServerDetail),
        ("/capabilities", server_models.Capabilities),
        ("/secrets", models.SecretNames),
        ("/runs/nothing", models.Problem),
    ]
    for path, model in expected:
        model.model_validate_json((await house.http.get(path)).content)
    for version in range(1, done["head"] + 1):
        answer = await house.http.get(f"/runs/{done['run_id']}", params={"at": version})
        models.Run.model_validate_json(answer.content)
    house.open(gate)


async def test_no_example_of_it_breaks_the_server(house, document):
    """Schemathesis makes requests from the document, right and wrong ones; names of things that are there come in between."""
    run = await house.run("files", {"name": "a.txt", "text": "a"})
    failed = await house.run("positive", {"value": -1})
    letter = (await house.http.get("/dead-letters")).json()["items"][0]["id"]
    there = {
        "run_id": itertools.cycle([run["run_id"], failed["run_id"], None]),
        "slug": itertools.cycle(["double", "talk", None]),
        "digest": itertools.cycle([run["artifacts"][0]["digest"], None]),
        "name": itertools.cycle(["a.txt", "trace.json", None]),
        "number": itertools.cycle([1, None]),
        "id": itertools.cycle([letter, None]),
    }
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {house.token}"}
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation, mode in itertools.product(operations, schemathesis.GenerationMode):
        if mode is schemathesis.GenerationMode.NEGATIVE and not (
            operation.path_parameters or operation.query or operation.body
        ):
            continue  # there is nothing to get wrong

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def story(case: schemathesis.Case) -> None:
            for name, values in there.items():
                if name in (case.path_parameters or {}) and (value := next(values)) is not None:
                    case.path_parameters[name] = value
            if case.headers and "prefer" in case.headers:
                case.headers["prefer"] = "wait=1"
            case.call_and_validate(base_url=house.url, headers=headers, checks=CHECKS, timeout=20)

        try:
            await asyncio.to_thread(story)
        except Unsatisfiable:
            continue  # whatever is generated for it fits
    assert (await house.bare.get("/readyz")).status_code == 200
