"""Workflows over HTTP: drafts under ETags, versions for ever, and what differs between them."""

from __future__ import annotations

import uuid

import pytest

pytestmark = pytest.mark.anyio

YAML = {"Content-Type": "application/yaml"}


def document(name: str, value: int = 1, **more: object) -> dict[str, object]:
    node = {"kind": "function", "with": {"function": "api_double", "input": {"value": value}}}
    return {"penstock": 1, "name": name, "nodes": {"a": node}, **more}


@pytest.fixture
def name() -> str:
    return f"w-{uuid.uuid4().hex[:12]}"


async def test_a_draft_is_made_changed_and_read(house, name, is_problem):
    made = await house.http.post("/workflows", json=document(name))
    assert made.status_code == 201
    assert made.headers["location"] == f"/api/v1/workflows/{name}"
    is_problem(await house.http.post("/workflows", json=document(name)), 409, "workflow.exists")
    tag = made.headers["etag"]
    saved = await house.http.put(f"/workflows/{name}", json=document(name, 2), headers={"If-Match": tag})
    assert saved.status_code == 200
    assert saved.headers["etag"] != tag
    read = await house.http.get(f"/workflows/{name}")
    assert read.json() == saved.json()
    assert read.json()["document"] == document(name, 2)
    unchanged = await house.http.get(f"/workflows/{name}", headers={"If-None-Match": read.headers["etag"]})
    assert unchanged.status_code == 304


async def test_two_people_cannot_save_over_each_other(house, name, is_problem):
    tag = (await house.http.post("/workflows", json=document(name))).headers["etag"]
    first = await house.http.put(f"/workflows/{name}", json=document(name, 2), headers={"If-Match": tag})
    second = await house.http.put(f"/workflows/{name}", json=document(name, 3), headers={"If-Match": tag})
    assert first.status_code == 200
    body = is_problem(second, 412, "etag.mismatch")
    assert body["context"]["etag"] == first.json()["etag"]
    is_problem(await house.http.put(f"/workflows/{name}", json=document(name, 4)), 428, "etag.required")
    new = await house.http.put(f"/workflows/{name}", json=document(name), headers={"If-None-Match": "*"})
    is_problem(new, 412, "etag.mismatch")
    for header in ({"If-Match": "unquoted"}, {"If-None-Match": '"a"'}, {"If-Match": '"a", "b"'}):
        wrong = await house.http.put(f"/workflows/{name}", json=document(name), headers=header)
        is_problem(wrong, 422, "etag.invalid")


async def test_put_makes_a_draft_that_must_be_new(house, name, is_problem):
    made = await house.http.put(f"/workflows/{name}", json=document(name), headers={"If-None-Match": "*"})
    assert made.status_code == 201
    other = f"{name}-x"
    absent = await house.http.put(f"/workflows/{other}", json=document(other), headers={"If-Match": "*"})
    is_problem(absent, 404, "workflow.not_found")
    is_problem(await house.http.get(f"/workflows/{other}"), 404, "workflow.not_found")


async def test_a_document_must_have_the_name_it_is_saved_under(house, name, is_problem):
    wrong = await house.http.put(f"/workflows/{name}", json=document("another"), headers={"If-None-Match": "*"})
    assert is_problem(wrong, 422, "workflow.bad_name")["errors"][0]["pointer"] == "/name"
    is_problem(await house.http.post("/workflows", json={"name": "Not A Slug"}), 422, "workflow.bad_name")
    is_problem(await house.http.post("/workflows", json={}), 422, "workflow.bad_name")
    is_problem(await house.http.post("/workflows", json=[1]), 422, "workflow.invalid")
    is_problem(await house.http.post("/workflows"), 400, "body.missing")


async def test_an_incomplete_draft_is_saved_but_not_published_or_run(house, name, is_problem):
    made = await house.http.post("/workflows", json={"name": name, "nodes": {"a": {"kind": "functoin"}}})
    assert made.status_code == 201
    checked = (await house.http.post(f"/workflows/{name}/validate")).json()
    assert checked["valid"] is False
    assert {problem["code"] for problem in checked["problems"]} >= {"kind.unknown"}
    is_problem(await house.http.post(f"/workflows/{name}/publish"), 422, "workflow.invalid")
    is_problem(await house.http.post("/runs", json={"workflow": name}), 422, "workflow.invalid")


async def test_yaml_is_read_and_mistakes_have_lines(house, name, is_problem):
    text = f"penstock: 1\nname: {name}\nnodes:\n  a: {{kind: functoin}}\n"
    made = await house.http.post("/workflows", content=text, headers=YAML)
    assert made.status_code == 201
    checked = await house.http.post(f"/workflows/{name}/validate", content=text, headers=YAML)
    assert checked.status_code == 200
    wrong = checked.json()["problems"][0]
    assert (wrong["code"], wrong["pointer"], wrong["line"]) == ("kind.unknown", "/nodes/a/kind", 4)
    assert "function" in wrong["hint"]
    twice = await house.http.post("/workflows", content=f"name: {name}\nname: {name}\n", headers=YAML)
    error = is_problem(twice, 422, "workflow.invalid")["errors"][0]
    assert (error["code"], error["line"]) == ("document.duplicate_key", 2)
    broken = await house.http.post("/workflows", content="name: [", headers=YAML)
    assert is_problem(broken, 400, "body.malformed")["errors"][0]["line"] is not None


async def test_a_valid_document_says_what_is_missing_to_run_it(house, name):
    checked = await house.http.post(f"/workflows/{name}/validate", json=document(name))
    assert checked.json() == {"valid": True, "problems": [], "preflight": []}


async def test_versions_are_published_compared_and_restored(house, name, is_problem):
    tag = (await house.http.post("/workflows", json=document(name, 1))).headers["etag"]
    first = await house.http.post(f"/workflows/{name}/publish", json={"note": "the first"})
    assert (first.status_code, first.json()["number"], first.json()["note"]) == (200, 1, "the first")
    assert first.headers["location"] == f"/api/v1/workflows/{name}/versions/1"
    assert (await house.http.post(f"/workflows/{name}/publish")).json()["number"] == 1
    await house.http.put(f"/workflows/{name}", json=document(name, 2, title="Two"), headers={"If-Match": tag})
    assert (await house.http.post(f"/workflows/{name}/publish")).json()["number"] == 2

    different = (await house.http.get(f"/workflows/{name}/versions/compare", params={"from": 1, "to": 2})).json()
    assert different["same"] is False
    assert different["nodes"]["changed"][0]["name"] == "a"
    assert different["workflow"][0]["pointer"] == "/title"
    newest = (await house.http.get(f"/workflows/{name}/versions/compare", params={"from": 1})).json()
    assert newest == different

    restored = await house.http.post(f"/workflows/{name}/versions/1/restore")
    assert restored.json()["number"] == 3
    assert restored.json()["document"] == document(name, 1)
    assert (await house.http.get(f"/workflows/{name}")).json()["document"] == document(name, 1)

    listed = (await house.http.get(f"/workflows/{name}/versions", params={"limit": 2})).json()
    assert [item["number"] for item in listed["items"]] == [3, 2]
    rest = (await house.http.get(f"/workflows/{name}/versions", params={"cursor": listed["cursor"]})).json()
    assert [item["number"] for item in rest["items"]] == [1]
    assert (await house.http.get(f"/workflows/{name}/versions/1")).json()["document"] == document(name, 1)
    is_problem(await house.http.get(f"/workflows/{name}/versions/9"), 404, "version.not_found")
    is_problem(await house.http.get("/workflows/nothing-here/versions"), 404, "workflow.not_found")


async def test_the_input_schema_of_draft_and_version(house, name):
    inputs = {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}
    tag = (await house.http.post("/workflows", json=document(name, inputs=inputs))).headers["etag"]
    await house.http.post(f"/workflows/{name}/publish")
    await house.http.put(f"/workflows/{name}", json=document(name), headers={"If-Match": tag})
    old = (await house.http.get(f"/workflows/{name}/schema", params={"version": 1})).json()
    assert old["properties"] == inputs["properties"]
    assert "properties" not in (await house.http.get(f"/workflows/{name}/schema")).json()


async def test_the_catalog_is_filtered_and_shows_the_last_run(house):
    run = await house.run("double")
    items = (await house.http.get("/workflows", params={"tag": "numbers"})).json()["items"]
    assert [item["slug"] for item in items] == ["double"]
    assert items[0]["last_run"]["run_id"] == run["run_id"]
    assert items[0]["last_run"]["status"] == "completed"
    assert (await house.http.get("/workflows", params={"persona": "nobody"})).json()["items"] == []
    found = (await house.http.get("/workflows", params={"search": "Double a"})).json()["items"]
    assert [item["title"] for item in found] == ["Double a number"]


async def test_the_catalog_comes_page_by_page(house):
    slugs, cursor = [], None
    while True:
        page = (
            await house.http.get("/workflows", params={"limit": 3, **({"cursor": cursor} if cursor else {})})
        ).json()
        slugs += [item["slug"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert slugs == sorted(set(slugs))
    assert {"ask", "double", "gated"} <= set(slugs)
