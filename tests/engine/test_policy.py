"""Policies decide: the strictest that applies, inclusive limits, exact money, and no for whatever is broken."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.engine.policy import POINTS, STRICTNESS, Money, Policy, decide, merge, parse_policies, parse_policy
from penstock.errors import Invalid

NOTHING: dict[str, list[Any]] = {"secrets": [], "pii": [], "injection": []}


def scope(**more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "point": "tool.call",
        "run": {"id": "r", "usd": Money("0"), "tokens": 0, "mode": "full_run"},
        "step": {"id": "s#1"},
        "agent": {},
        "call": {"tool": "send", "usd": Money("0"), "touches": []},
        "found": NOTHING,
        "touched": {"private": False, "untrusted": False, "sends": False},
        "inputs": {},
    }
    return {**base, **more}


def policy(name: str, then: str, when: str | None = None, **more: Any) -> Policy:
    return parse_policy(name, {"on": list(more.pop("on", ["tool.call"])), "then": then, "when": when, **more})


@pytest.mark.parametrize("first", range(len(STRICTNESS)))
@pytest.mark.parametrize("second", range(len(STRICTNESS)))
def test_the_strictest_decides_whatever_the_order(first: int, second: int) -> None:
    found = {**NOTHING, "secrets": [{"kind": "k", "start": 0, "end": 1}]}
    made = [
        policy(f"p{index}", STRICTNESS[index], **({"what": ["secrets"]} if STRICTNESS[index] == "redact" else {}))
        for index in dict.fromkeys((first, second))
    ]
    for order in (made, made[::-1]):
        assert decide(order, "tool.call", scope(found=found)).then == STRICTNESS[min(first, second)]


def test_no_policy_allows() -> None:
    decision = decide([], "tool.call", scope())
    assert (decision.then, decision.said) == ("allow", None)
    assert decide([policy("p", "deny", on=["model.call"])], "tool.call", scope()).said is None
    assert decide([policy("p", "deny", enabled=False)], "tool.call", scope()).said is None
    assert decide([policy("p", "deny", "false")], "tool.call", scope()).said is None


def test_an_exception_ends_the_say_of_lower_ones_alone() -> None:
    denies, allows = policy("denies", "deny"), policy("allows", "allow", priority=1)
    above = policy("above", "pause", priority=2)
    assert decide([denies, allows], "tool.call", scope()).then == "allow"
    assert decide([denies, policy("same", "allow")], "tool.call", scope()).then == "deny"
    assert decide([denies, allows, above], "tool.call", scope()).then == "pause"
    assert decide([denies, policy("not now", "allow", "false", priority=1)], "tool.call", scope()).then == "deny"


@pytest.mark.parametrize(
    "broken",
    ["call.nothing > 1", "run.usd", "1 / (run.tokens - run.tokens) > 0", "run.usd / 0.0 > 1.0", "size(run.usd) > 1"],
)
def test_what_cannot_be_computed_denies_and_no_exception_helps(broken: str) -> None:
    decision = decide([policy("odd", "allow", broken), policy("yes", "allow", priority=9)], "tool.call", scope())
    assert (decision.then, decision.code) == ("deny", "policy.broken")
    assert decision.said is not None
    assert decision.said.policy == "odd"


@pytest.mark.parametrize(
    ("spent", "asked", "then"),
    [("0.1", "0.2", "allow"), ("0.1", "0.2000000001", "deny"), ("0.3", "0", "allow"), ("0.30", "0.0", "allow")],
)
def test_limits_are_inclusive_and_money_is_exact(spent: str, asked: str, then: str) -> None:
    cap = policy("cap", "deny", "!(run.usd + call.usd <= 0.3)")
    said = scope(run={"usd": Money(spent)}, call={"usd": Money(asked)})
    assert decide([cap], "tool.call", said).then == then


def test_money_is_a_decimal_in_every_operation() -> None:
    money = Money("0.1")
    assert money + 0.2 == 0.3 == 0.2 + money
    assert money * 3 == Money("0.3") == 3 * money
    assert (1 - money, money - 1, -money, abs(-money)) == (0.9, -0.9, -0.1, 0.1)
    assert 0.1 <= money <= 0.1
    assert not Money("0.100000000000000000001") <= 0.1
    assert Money("0.099999999999999999999") < 0.1
    assert not Money("0.099999999999999999999") >= 0.1
    assert not money < 0.1
    assert not money > 0.1
    assert money / 3 != Money("0.0333")
    assert money != "0.1"
    assert len({money, Money("0.10")}) == 1
    assert (round(Money("0.126"), 2), round(Money("1.5"))) == (Money("0.13"), 2)


def test_an_unknown_cost_is_not_free() -> None:
    cap = policy("cap", "deny", "call.usd > 0.3")
    assert decide([cap], "tool.call", scope(call={"usd": None})).code == "policy.broken"


def test_redactions_of_all_that_apply_are_made() -> None:
    found = {**NOTHING, "pii": [{"kind": "email", "start": 0, "end": 3}]}
    policies = [
        policy("s", "redact", what=["secrets"]),
        policy("p", "redact", what=["pii", "injection"]),
        policy("asks", "require_approval"),
    ]
    decision = decide(policies, "tool.call", scope(found=found))
    assert (decision.then, decision.redact) == ("require_approval", {"pii", "injection"})
    assert [said.policy for said in decision.redacting] == ["p"]


def test_layers_are_merged_key_by_key() -> None:
    merged = merge(
        {"a": {"on": ["tool.call"], "then": "deny"}}, {"a": {"enabled": False}}, {"a": {"message": "m"}, "b": {}}
    )
    assert merged == {"a": {"on": ["tool.call"], "then": "deny", "enabled": False, "message": "m"}, "b": {}}


@pytest.mark.parametrize(
    ("body", "pointer", "hint"),
    [
        ({"on": ["tool.cal"], "then": "deny"}, "/on/0", "'tool.call'"),
        ({"on": [], "then": "deny"}, "/on", "known"),
        ({"on": ["tool.call"], "then": "denny"}, "/then", "'deny'"),
        ({"on": ["tool.call"]}, "/then", "known"),
        ({"on": ["tool.call"], "then": "deny", "whenn": "true"}, "/whenn", "'when'"),
        ({"on": ["tool.call"], "then": "deny", "when": "runs.usd > 1"}, "/when", "'run'"),
        ({"on": ["tool.call"], "then": "deny", "when": "1 +"}, "/when", None),
        ({"on": ["tool.call"], "then": "deny", "when": 3}, "/when", "text"),
        ({"on": ["tool.call"], "then": "redact"}, "/what", "known"),
        ({"on": ["tool.call"], "then": "redact", "what": ["secret"]}, "/what/0", "'secrets'"),
        ({"on": ["tool.call"], "then": "deny", "what": ["pii"]}, "/what", "found.pii"),
        ({"on": ["run.start"], "then": "pause"}, "/then", "human"),
        ({"on": ["tool.call"], "then": "deny", "when": "inputs.x == 1"}, "/when", "run.start"),
        ({"on": ["tool.call"], "then": "deny", "priority": 1.5}, "/priority", None),
        ({"on": ["tool.call"], "then": "deny", "enabled": "no"}, "/enabled", None),
        ({"on": ["tool.call"], "then": "deny", "message": "x" * 501}, "/message", None),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(body: dict[str, Any], pointer: str, hint: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        parse_policies({"p": body})
    problem = caught.value.problems[0]
    assert (caught.value.code, problem.pointer) == ("policy.invalid", "/p" + pointer)
    assert hint is None or hint in (problem.hint or "")


def test_every_point_can_be_named() -> None:
    assert policy("p", "deny", on=POINTS).on == set(POINTS)


def test_names_are_names() -> None:
    for name in ("", "a/b", "x" * 65, "a\n"):
        with pytest.raises(Invalid):
            parse_policies({name: {"on": ["tool.call"], "then": "deny"}})
