"""What policies would have said: of a call that is described, or of everything that a recorded run asked and heard.

A journal holds what came back from each call, and of calls what the model asked for. What was sent to a model is not in it, so of a
recorded run `model.call` is not rehearsed. What was redacted then is redacted here too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..engine import events as ev
from ..engine.policy import POINTS, STRICTNESS, Money, decide
from ..engine.scope import SPILLED
from ..errors import Invalid, Problem
from .detect import by_what, counted, looked_at, redact_in
from .guard import TOUCHES, rules_of

Fetch = Callable[[Mapping[str, Any]], Awaitable[Any]]  # the value behind a pointer
Manifest = Callable[[str, str], frozenset[str]]  # (server, tool): what it touches


@dataclass(slots=True)
class Subject:
    """One call at one point. `value` is what is sent or came back."""

    point: str
    value: Any
    call: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    step: str = ""
    key: str = ""
    agent: Mapping[str, Any] = field(default_factory=dict)
    touches: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()


async def rehearse(policies: Sequence[Mapping[str, Any]], subject: Subject) -> dict[str, Any]:
    """{point, step, key, then, policy, message, found, redacted}: `policy` is None when none applies, `redacted` the value as
    it would go on, None when it would not."""
    if subject.point not in POINTS:
        message = f"{subject.point!r} is no point"
        raise Invalid(message, problems=[Problem("policy.invalid", message, "/point", f"known: {', '.join(POINTS)}")])
    rules = rules_of(policies)
    if rules.broken is not None:
        return _answer(subject, "deny", rules.broken.policy, rules.broken.message, {}, None)
    found = await looked_at(subject.value, rules.looks_for(subject.point))
    touched = subject.touched | subject.touches
    decision = decide(rules.at.get(subject.point, ()), subject.point, _scope(subject, by_what(found), touched))
    passes = STRICTNESS.index(decision.then) >= STRICTNESS.index("require_approval")
    value = redact_in(subject.value, decision.redact) if decision.redact else subject.value
    said = decision.said
    return _answer(
        subject,
        decision.then,
        None if said is None else said.policy,
        "" if said is None else said.message,
        counted(found),
        value if passes else None,
    )


def _scope(subject: Subject, found: Mapping[str, Any], touched: frozenset[str]) -> dict[str, Any]:
    usd = subject.run.get("usd", "0")
    call = dict(subject.call)
    if isinstance(call.get("usd"), str | float | int):
        call["usd"] = Money(call["usd"])
    return {
        "point": subject.point,
        "run": {
            **{
                "id": None,
                "workflow": "",
                "version": 0,
                "mode": "full_run",
                "actor": "",
                "group": "default",
                "tokens": 0,
            },
            **subject.run,
            "usd": None if usd is None else Money(usd),
        },
        "step": {"id": subject.step, "node": subject.step.partition("#")[0], "attempt": 1},
        "agent": dict(subject.agent),
        "call": {
            **({"text": subject.value} if isinstance(subject.value, str) else {"arguments": subject.value}),
            **call,
            "touches": sorted(subject.touches),
        },
        "found": found,
        "touched": {name: name in touched for name in TOUCHES},
        "inputs": subject.value if subject.point == "run.start" else {},
    }


def _answer(
    subject: Subject, then: str, policy: str | None, message: str, found: dict[str, int], value: Any
) -> dict[str, Any]:
    return {
        "point": subject.point,
        "step": subject.step,
        "key": subject.key,
        "then": then,
        "policy": policy,
        "message": message,
        "found": found,
        "redacted": value,
    }


async def subjects_of(events: Sequence[ev.Event], fetch: Fetch, manifest: Manifest) -> list[Subject]:
    """Everything that a recorded run would be asked about again, in its order."""
    out: list[Subject] = []
    about: dict[str, Any] = {}
    steps: dict[str, _Step] = {}
    for event in events:
        fact = event.fact
        if isinstance(fact, ev.RunCreated):
            about = {"workflow": fact.workflow, "version": fact.version, "mode": fact.mode, "actor": fact.actor}
            about |= {"group": fact.group, "tokens": 0, "usd": "0"}
            out.append(Subject("run.start", await _whole(fact.inputs, fetch), run=dict(about)))
        elif isinstance(fact, ev.StepScheduled) and fact.input is not None:
            given = await _whole(fact.input, fetch)
            steps[fact.step] = _Step(given if isinstance(given, dict) else {})
        elif isinstance(fact, ev.StepKept):
            step = steps.setdefault(fact.step, _Step({}))
            value = await _whole(fact.value, fetch)
            for subject in step.heard(fact.key, value, manifest):
                subject.step, subject.key, subject.run = fact.step, fact.key, dict(about)
                out.append(subject)
            if isinstance(value, dict) and isinstance(value.get("usage"), dict):
                about["tokens"] += value["usage"].get("input_tokens", 0) + value["usage"].get("output_tokens", 0)
                cost, spent = value.get("cost_usd"), about["usd"]
                about["usd"] = (
                    None if cost is None or spent is None else format(Money(spent).exact + Money(cost).exact, "f")
                )
    return out


class _Step:
    """What was kept of one step, read as it was written."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._calls: dict[str, list[dict[str, Any]]] = {}
        self._tools: dict[str, tuple[str, str]] = {}
        self._route: tuple[str, str] = (config.get("server") or "", config.get("tool") or "")
        self._touched: frozenset[str] = frozenset()

    def heard(self, key: str, value: Any, manifest: Manifest) -> Iterator[Subject]:
        lane, _, name = key.rpartition("/")
        what, _, place = name.partition(":")
        agent = {"role": self._config.get("role"), "goal": self._config.get("goal")}
        if what == "tools" and isinstance(value, list):
            self._tools |= {one["name"]: (one["server"], one["tool"]) for one in value if isinstance(one, dict)}
        elif what == "route" and isinstance(value, dict) and "server" in value:
            self._route = (str(value["server"]), str(value.get("tool", "")))
        elif what == "model" and isinstance(value, dict) and "text" in value:
            calls = value.get("calls", [])
            self._calls[f"{lane}/{place}"] = calls
            answer = {"text": value["text"], "calls": calls}
            yield Subject("model.result", answer, {"model": value.get("asked"), "text": value["text"]}, agent=agent)
        elif what == "tool" and isinstance(value, dict) and "text" in value:
            turn, _, number = place.partition(":")[0].partition(".")
            calls = self._calls.get(f"{lane}/{turn}", [])
            call = calls[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(calls) else {}
            yield from self._called(call.get("name", ""), call.get("arguments"), value["text"], manifest, agent)
        elif key == "call":
            server, tool = self._route
            self._tools[tool] = (server, tool)
            yield from self._called(tool, self._config.get("arguments", {}), value, manifest, {})

    def _called(
        self, name: str, arguments: Any, result: Any, manifest: Manifest, agent: Mapping[str, Any]
    ) -> Iterator[Subject]:
        server, tool = self._tools.get(name, ("", name))
        touches = manifest(server, tool) if server else frozenset[str]()
        call = {"tool": tool, "server": server, "arguments": arguments}
        before, self._touched = self._touched, self._touched | touches
        yield Subject("tool.call", arguments, call, agent=agent, touches=touches, touched=before)
        yield Subject("tool.result", result, call, agent=agent, touches=touches, touched=before)


async def _whole(value: Any, fetch: Fetch) -> Any:
    return await fetch(value) if isinstance(value, dict) and SPILLED in value else value
