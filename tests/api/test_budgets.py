"""Budgets over HTTP and on the command line: set, held at once, and what is used of them."""

from __future__ import annotations

import pytest

from penstock.ports import Charge, Commit
from penstock.purse import period_of

pytestmark = pytest.mark.anyio

SPENDER = """
penstock: 1
name: spender
nodes: {talk: {kind: agent, with: {instructions: Go., script: [a text]}}}
"""


async def test_a_budget_holds_at_once_and_says_what_is_used(house, is_problem):
    await house.core.apply(SPENDER)
    assert (await house.http.get("/budgets")).json() == {"items": []}
    made = await house.http.put("/budgets/workflow:spender", json={"iterations": 2, "usd": "0.10"})
    assert made.status_code == 200, made.text
    today = period_of("day", house.core.clock())
    nothing = {"scope": "workflow:spender", "tokens": 0, "usd": "0", "iterations": 0}
    shown = {"name": "workflow:spender", "tokens": None, "usd": "0.10", "iterations": 2, "per": "day", "period": today}
    assert made.json() == {**shown, "used": nothing}
    runs = [await house.run("spender") for _ in range(3)]
    assert [run["status"] for run in runs] == ["completed", "completed", "failed"]
    assert runs[2]["error"]["code"] == "limit.iterations"
    assert runs[2]["error"]["detail"]["level"] == "workflow"
    used = (await house.http.get("/budgets/workflow:spender")).json()["used"]
    assert (used["iterations"], used["usd"], used["tokens"] > 0) == (2, "0", True)
    usage = (await house.http.get("/usage")).json()
    assert usage["period"] == today
    assert {one["scope"]: one["iterations"] for one in usage["items"]}["workflow:spender"] == 2
    assert (await house.http.get("/usage", params={"period": "1999-01"})).json()["items"] == []
    assert (await house.http.delete("/budgets/workflow:spender")).status_code == 204
    assert (await house.run("spender"))["status"] == "completed"
    is_problem(await house.http.delete("/budgets/workflow:spender"), 404, "budget.not_found")
    is_problem(await house.http.get("/budgets/workflow:spender"), 404, "budget.not_found")


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("group", {}, "budget.invalid"),
        ("group", {"per": "day"}, "budget.invalid"),
        ("group", {"usd": 1, "per": "year"}, "budget.invalid"),
        ("group", {"usd": -1}, "budget.invalid"),
        ("group", {"usd": "a lot"}, "budget.invalid"),
        ("group", {"euros": 1}, "body.invalid"),
        ("groups", {"usd": 1}, "budget.bad_name"),
    ],
)
async def test_what_is_no_budget_is_refused(house, is_problem, name, body, code):
    answer = await house.http.put(f"/budgets/{name}", json=body)
    is_problem(answer, answer.status_code, code)
    assert 400 <= answer.status_code < 500
    is_problem(await house.http.get(f"/budgets/{name}"), 404, "budget.not_found")


async def test_money_is_shown_exactly(house):
    run = await house.run("double")
    row = await house.core.runs.row(run["run_id"])
    charge = Charge("workflow:exact", "1999-12-31", 7, 123_456_789_012, 1)
    # A commit that is refused (the run has gone on) charges nothing; one without events charges with the row.
    assert await house.core.journal.commit([Commit(run["run_id"], row.head - 1, [], row, None, (), (charge,))]) == [
        False
    ]
    assert await house.core.journal.commit([Commit(run["run_id"], row.head, [], row, None, (), (charge,))]) == [True]
    (used,) = (await house.http.get("/usage", params={"period": "1999-12-31"})).json()["items"]
    assert used == {"scope": "workflow:exact", "tokens": 7, "usd": "123.456789012", "iterations": 1}
