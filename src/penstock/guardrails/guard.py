"""The policies of a run's group, asked by a step round each of its calls.

Before a call the answer is known at once or the step waits for a person; what is to be taken out is taken out before anything
is sent. After a call nothing is kept or shown before it was looked at. A result that a person has to let pass is kept with a
mark, without what is redacted, and used only when they did: the call is made once, whatever they say and however long it takes.

Each decision is a fact in the run's journal, with how often something of which kind was found, and never what it said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson

from ..engine.events import PolicyDecided
from ..engine.policy import Decision, Money, Policy, Said, decide, parse_policies
from ..errors import Invalid, PenstockError, Refused
from ..ports import StepContext, Wait
from .detect import by_what, counted, looked_at, redact_in, without
from .found import Found
from .live import LiveText

HELD = "penstock:held"  # the mark of a kept result that a person has to let pass
SHOWN = 2_000  # characters of what a person is asked about
COMPILED = 64
TOUCHES = ("private", "untrusted", "sends")


class Rules:
    """Policies, compiled, by the point at which they are asked."""

    def __init__(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        self.broken: Said | None = None
        self.at: dict[str, tuple[Policy, ...]] = {}
        if why := [body["broken"] for body in bodies if "broken" in body]:
            self.broken = Said("policies", "deny", str(why[0]), broken=True)
            return
        try:
            policies = parse_policies({body["name"]: {k: v for k, v in body.items() if k != "name"} for body in bodies})
        except (Invalid, KeyError, TypeError, AttributeError) as error:
            self.broken = Said("policies", "deny", f"they cannot be read: {error}", broken=True)
            return
        for policy in policies:
            for point in policy.on if policy.enabled else ():
                self.at[point] = (*self.at.get(point, ()), policy)

    def looks_for(self, point: str) -> frozenset[str]:
        return frozenset[str]().union(*(policy.looks_for() for policy in self.at.get(point, ())))

    def redacts(self, point: str) -> frozenset[str]:
        """What may be taken out at this point."""
        return frozenset(what for policy in self.at.get(point, ()) for what in policy.what)


_rules: OrderedDict[bytes, Rules] = OrderedDict()


def rules_of(bodies: Sequence[Mapping[str, Any]]) -> Rules:
    """Policies as they travel with work, each with its `name`. Those that cannot be read deny everything."""
    key = orjson.dumps(list(bodies))
    rules = _rules.get(key)
    if rules is None:
        rules = _rules[key] = Rules(bodies)
        while len(_rules) > COMPILED:
            _rules.popitem(last=False)
    return rules


class Guard:
    """The policies of one step. `touched` is what the tools that it has called can do."""

    def __init__(self, step: StepContext, rules: Rules, agent: Mapping[str, Any] | None = None) -> None:
        self._step, self._rules, self._agent = step, rules, dict(agent or {})
        self.touched: set[str] = set()
        self._usd: Money | None = Money("0")
        self._tokens = 0

    @classmethod
    def of(cls, step: StepContext, agent: Mapping[str, Any] | None = None) -> Guard | None:
        """None where there are no policies."""
        return cls(step, rules_of(step.policies), agent) if step.policies else None

    def spent(self, tokens: int, usd: Any) -> None:
        """What this step has used: `usd` as a decimal string, None where the price is unknown."""
        self._tokens += tokens
        self._usd = None if usd is None or self._usd is None else self._usd + Money(usd)

    def looks_for(self, point: str) -> frozenset[str]:
        """What is redacted at this point, if it is there."""
        return self._rules.redacts(point)

    def live(self) -> LiveText | None:
        """What a model's answer goes through on its way to those who watch it come; None when it must not be shown before it
        is whole and was asked about."""
        policies = self._rules.at.get("model.result", ())
        if self._rules.broken or any(policy.then not in ("redact", "allow") for policy in policies):
            return None
        return LiveText(self._rules.redacts("model.result"))

    async def before(
        self, point: str, key: str, value: Any, call: Mapping[str, Any], touches: Collection[str] = ()
    ) -> Any:
        """`value` (what is about to be sent) as it may be sent. `touches` is what this call can do. Raises Refused
        `policy.denied` or `policy.broken`; PenstockError `policy.paused`, `policy.aborted`. May end the step until a person
        has answered; then it is run again, and comes back here."""
        value, said = await self._ask(point, key, value, call, touches)
        if said is not None:
            await self._approved(point, key, said, call, value)
        return value

    async def after(
        self, point: str, key: str, value: Any, call: Mapping[str, Any], touches: Collection[str] = ()
    ) -> tuple[Any, dict[str, str] | None]:
        """`value` (what came back) as it may be kept, and the mark to keep with it when a person has to let it pass: see
        `passed`. Raises as `before` does."""
        value, said = await self._ask(point, key, value, call, touches)
        return value, None if said is None else {"policy": said.policy, "message": said.message}

    async def passed(self, point: str, key: str, mark: Mapping[str, str], call: Mapping[str, Any], value: Any) -> None:
        """Wait until a person lets a kept result pass. Raises Refused `policy.denied` when they do not."""
        await self._approved(point, key, Said(mark["policy"], "require_approval", mark["message"]), call, value)

    def cleaned(self, point: str, error: PenstockError) -> PenstockError:
        """An error without what is redacted at `point`: what others say when they fail is theirs too."""
        if what := self._rules.redacts(point):
            error.message = redact_in(error.message, what)
            error.args = (error.message,)
            error.detail = redact_in(error.detail, what)
        return error

    # ------------------------------------------------------------------------------------------------------- asking

    async def _ask(
        self, point: str, key: str, value: Any, call: Mapping[str, Any], touches: Collection[str]
    ) -> tuple[Any, Said | None]:
        """The value without what is redacted, and the policy that wants a person's approval, if one does."""
        if self._rules.broken is not None:
            self._record(key, point, self._rules.broken, None)
            raise refusal(Decision("deny", self._rules.broken), point)
        policies = self._rules.at.get(point)
        if not policies:
            return value, None
        found = await looked_at(value, self._rules.looks_for(point))
        decision = decide(policies, point, self._scope(point, call, found, touches))
        if decision.redact:
            value = await without(value, decision.redact)
        if (said := decision.said) is None:
            return value, None
        for one in decision.redacting:
            if one is not said:
                self._record(key, point, one, found)
        if decision.then == "require_approval":
            await self._step.once(f"policy:{point}:{key}", lambda: self._recorded(key, point, said, found))
            return value, said
        self._record(key, point, said, found)
        if decision.then in ("allow", "redact"):
            return value, None
        raise refusal(decision, point)

    def _scope(
        self, point: str, call: Mapping[str, Any], found: Iterable[Found], touches: Collection[str]
    ) -> dict[str, Any]:
        step, about = self._step, self._step.run
        usd, tokens = about.get("usd"), about.get("tokens", 0)
        known = None if usd is None or self._usd is None else Money(usd) + self._usd
        touched = {*self.touched, *touches}
        return {
            "point": point,
            "run": {**about, "id": step.run_id, "group": step.group, "usd": known, "tokens": tokens + self._tokens},
            "step": {
                "id": step.step_id,
                "node": step.step_id.partition("#")[0],
                "attempt": step.attempt,
                "usd": self._usd,
                "tokens": self._tokens,
            },
            "agent": self._agent,
            "call": {**call, "touches": sorted(touches)},
            "found": by_what(found),
            "touched": {name: name in touched for name in TOUCHES},
            "inputs": {},
        }

    async def _recorded(self, key: str, point: str, said: Said, found: list[Found]) -> dict[str, Any]:
        self._record(key, point, said, found)
        return {"policy": said.policy, "then": said.then}

    def _record(self, key: str, point: str, said: Said, found: list[Found] | None) -> None:
        kinds = counted(found or ()) or None
        self._step.record(PolicyDecided(self._step.step_id, key, point, said.policy, said.then, said.message, kinds))

    async def _approved(self, point: str, key: str, said: Said, call: Mapping[str, Any], value: Any) -> None:
        name = call.get("tool") or call.get("function") or call.get("model") or "this"
        verb = "Let the answer of {} pass?" if point.endswith("result") else "Let {} be called?"
        shown = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
        cut = shown if len(shown) <= SHOWN else shown[:SHOWN] + " …"
        message = f"Policy {said.policy} asks: {said.message}" if said.message else f"Policy {said.policy} asks."
        ask = {
            "title": verb.format(name)[:200],
            "message": f"{message}\n\n```\n{cut}\n```",
            "choices": ["approve", "reject"],
            "comment": "optional",
            "on_timeout": "fail",
        }
        answer = await self._step.wait_for(f"approval:{point}:{key}", Wait(ask=ask))
        if answer.get("decision") != "approve":
            who, why = answer.get("by") or "a person", answer.get("comment")
            message = f"{who} did not approve it" + (f": {why}" if why else "")
            raise refusal(Decision("deny", Said(said.policy, "deny", message)), point)


def refusal(decision: Decision, point: str) -> PenstockError:
    """What a decision that lets nothing pass becomes."""
    said = decision.said
    name, message = (said.policy, said.message) if said is not None else ("", "")
    detail: dict[str, Any] = {"policy": name, "point": point}
    text = message or "it does not allow this"
    if decision.then == "pause":
        return PenstockError(f"policy {name}: {text}", code="policy.paused", detail={**detail, "then": "pause"})
    if decision.then == "abort":
        return PenstockError(f"policy {name}: {text}", code="policy.aborted", detail={**detail, "then": "abort"})
    if decision.code == "policy.broken":
        return Refused(
            f"policy {name} is broken, and a broken policy denies: {text}", code="policy.broken", detail=detail
        )
    return Refused(f"policy {name}: {text}", code="policy.denied", detail=detail)


async def call_tool(
    step: StepContext,
    key: str,
    call: Mapping[str, Any],
    arguments: Any,
    make: Callable[[Any], Awaitable[Any]],
    touches: Collection[str] = (),
    keep: bool = True,
) -> Any:
    """A tool's result, with the policies of the run round the call. `make` makes the call with the arguments it is given; its
    result is kept under `key` (unless `keep` is False, for what may be asked again). `call` names the `tool` and its `server`.
    Raises as `Guard.before` does."""
    guard = Guard.of(step)
    if guard is None:
        return await step.once(key, lambda: make(arguments)) if keep else await make(arguments)

    async def made() -> Any:
        given = await guard.before("tool.call", key, arguments, {**call, "arguments": arguments}, touches)
        try:
            result = await make(given)
        except PenstockError as error:
            raise guard.cleaned("tool.result", error) from None
        value, mark = await guard.after("tool.result", key, result, {**call, "arguments": given}, touches)
        return value if mark is None else {HELD: mark, "value": value}

    kept = await step.once(key, made) if keep else await made()
    if isinstance(kept, dict) and HELD in kept:
        await guard.passed("tool.result", key, kept[HELD], call, kept["value"])
        return kept["value"]
    return kept
