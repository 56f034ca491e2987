"""Policies: rules that are asked before a run begins, before and after each call of a model or a tool.

A policy says at which points it is asked (`on`), on what condition (`when`, an expression) and what happens then (`then`). All
policies of a point are considered, and the strictest that applies decides: abort, deny, pause, require_approval, redact,
allow. One thing goes against that order: an `allow` ends the say of every policy whose `priority` is lower than its own, so
that an exception can be written down. Redactions of all that apply are made in any case. A policy whose condition cannot be
computed denies, and no `allow` ends that: what is broken is put right, not got round.

Money is compared as the decimals people write: 0.1 + 0.2 <= 0.3 holds. Limits are therefore inclusive when written with <=.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, DivisionByZero, InvalidOperation
from typing import Any

from ..errors import Invalid, Problem
from .expr import Expression, compile_expression, escape
from .tokens import ExpressionError, nearest

POINTS = ("run.start", "model.call", "model.result", "tool.call", "tool.result")
STRICTNESS = ("abort", "deny", "pause", "require_approval", "redact", "allow")
WHAT = ("secrets", "pii", "injection")
ROOTS = frozenset({"point", "run", "step", "agent", "call", "found", "touched", "inputs"})
KEYS = ("on", "when", "then", "message", "what", "priority", "enabled")
BEFORE_A_RUN = frozenset({"allow", "deny", "redact", "abort"})  # there is no run yet that could wait
NAME = 64
MESSAGE = 500
MOST = 200  # policies of one installation or group
PRIORITY = 1_000_000


class Money(float):
    """An amount of money in an expression: a double to the evaluator, computed and compared as the decimal it was written as."""

    __slots__ = ("exact",)
    exact: Decimal

    def __new__(cls, amount: Decimal | str | float) -> Money:
        exact = _decimal(amount)
        made = super().__new__(cls, exact)
        made.exact = exact
        return made

    def __add__(self, other: Any) -> Any:
        return Money(self.exact + _decimal(other))

    def __sub__(self, other: Any) -> Any:
        return Money(self.exact - _decimal(other))

    def __rsub__(self, other: Any) -> Any:
        return Money(_decimal(other) - self.exact)

    def __mul__(self, other: Any) -> Any:
        return Money(self.exact * _decimal(other))

    def __truediv__(self, other: Any) -> Any:
        try:
            return Money(self.exact / _decimal(other))
        except (DivisionByZero, InvalidOperation):
            raise ZeroDivisionError from None

    def __rtruediv__(self, other: Any) -> Any:
        try:
            return Money(_decimal(other) / self.exact)
        except (DivisionByZero, InvalidOperation):
            raise ZeroDivisionError from None

    def __neg__(self) -> Money:
        return Money(-self.exact)

    def __abs__(self) -> Money:
        return Money(abs(self.exact))

    def __round__(self, places: Any = None) -> Any:
        exact = self.exact.quantize(Decimal(1).scaleb(-(places or 0)), ROUND_HALF_EVEN)
        return int(exact) if places is None else Money(exact)

    def __lt__(self, other: Any) -> bool:
        return self.exact < _decimal(other)

    def __le__(self, other: Any) -> bool:
        return self.exact <= _decimal(other)

    def __gt__(self, other: Any) -> bool:
        return self.exact > _decimal(other)

    def __ge__(self, other: Any) -> bool:
        return self.exact >= _decimal(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and self.exact == _decimal(other)

    def __hash__(self) -> int:
        return hash(self.exact)

    __radd__, __rmul__ = __add__, __mul__


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Money):
        return value.exact
    return value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else str(value))


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule. `when` None applies always. `what` names what `redact` takes out."""

    name: str
    on: frozenset[str]
    then: str
    when: Expression | None = None
    message: str = ""
    what: tuple[str, ...] = ()
    priority: int = 0
    enabled: bool = True

    def looks_for(self) -> frozenset[str]:
        """What detectors must look for before this policy can be asked."""
        reads = self.when is not None and "found" in self.when.roots
        return frozenset(WHAT) if reads else frozenset(self.what)


@dataclass(frozen=True, slots=True)
class Said:
    """What one policy said."""

    policy: str
    then: str
    message: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens. `said` is the policy that decided, None when none applied; `redact` names what is taken out, `redacting`
    the policies that want it."""

    then: str = "allow"
    said: Said | None = None
    redact: frozenset[str] = frozenset()
    redacting: tuple[Said, ...] = ()

    @property
    def code(self) -> str:
        """The code of the error that a refusal becomes."""
        return "policy.broken" if self.said is not None and self.said.broken else _CODES.get(self.then, "policy.denied")


_CODES = {"pause": "policy.paused", "abort": "policy.aborted"}
_NOTHING = Decision()


def decide(policies: Iterable[Policy], point: str, scope: Mapping[str, Any]) -> Decision:
    """What happens at `point`. `scope` holds the ROOTS, `found` as {what: [{kind, start, end}]}; a `redact` applies when there
    is something to take out."""
    applied = [
        (policy, said)
        for policy in policies
        if policy.enabled and point in policy.on and (said := _ask(policy, scope)) is not None
    ]
    if not applied:
        return _NOTHING
    exceptions = [policy.priority for policy, said in applied if said.then == "allow"]
    floor = max(exceptions, default=None)
    if floor is not None:
        applied = [(policy, said) for policy, said in applied if said.broken or policy.priority >= floor]
    redacting = [(policy, said) for policy, said in applied if said.then == "redact"]
    said = min((said for _, said in applied), key=lambda one: STRICTNESS.index(one.then))
    what = frozenset(what for policy, _ in redacting for what in policy.what)
    return Decision(said.then, said, what, tuple(said for _, said in redacting))


def _ask(policy: Policy, scope: Mapping[str, Any]) -> Said | None:
    try:
        if policy.when is not None and not policy.when.test(scope):
            return None
        if policy.then == "redact" and not any(scope["found"][what] for what in policy.what):
            return None
    except ExpressionError as error:
        return Said(policy.name, "deny", f"the condition cannot be computed: {error.message}", broken=True)
    except ZeroDivisionError:
        return Said(policy.name, "deny", "the condition cannot be computed: division by zero", broken=True)
    return Said(policy.name, policy.then, policy.message)


# ------------------------------------------------------------------------------------------------- reading them


def merge(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Policies by name, each layer's keys over those of the layers before it."""
    out: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for name, body in layer.items():
            out[name] = {**out.get(name, {}), **body}
    return out


def parse_policies(bodies: Mapping[str, Mapping[str, Any]]) -> list[Policy]:
    """Whole policies by name. Raises Invalid `policy.invalid` with every problem and its place."""
    problems: list[Problem] = []
    if len(bodies) > MOST:
        problems.append(Problem("policy.invalid", f"there are {len(bodies)} policies; {MOST} are allowed"))
    out = [policy for name, body in bodies.items() if (policy := _read(name, body, problems)) is not None]
    if problems:
        raise Invalid(problems[0].message, code="policy.invalid", problems=problems)
    return out


def parse_policy(name: str, body: Mapping[str, Any]) -> Policy:
    """One whole policy; problems have pointers into `body`. Raises Invalid `policy.invalid`."""
    problems: list[Problem] = []
    policy = _read(name, body, problems, "")
    if policy is None:
        raise Invalid(problems[0].message, code="policy.invalid", problems=problems)
    return policy


def _read(name: Any, body: Any, problems: list[Problem], at: str | None = None) -> Policy | None:
    before = len(problems)
    at = f"/{escape(name)}" if at is None else at

    def wrong(message: str, key: str = "", hint: str | None = None) -> None:
        problems.append(Problem("policy.invalid", f"policy {name!s:.70}: {message}", at + key, hint))

    def choice(value: Any, known: Sequence[str], key: str, what: str) -> bool:
        if isinstance(value, str) and value in known:
            return True
        near = nearest(value, known) if isinstance(value, str) else None
        wrong(f"{value!r:.60} is no {what}", key, f"did you mean {near!r}?" if near else f"known: {', '.join(known)}")
        return False

    if not isinstance(name, str) or not 1 <= len(name) <= NAME or not name.isprintable() or "/" in name:
        wrong(f"a name is 1 to {NAME} printable characters without /")
        return None
    if not isinstance(body, Mapping):
        wrong("it must be a mapping")
        return None
    for key in body:
        if key not in KEYS:
            near = nearest(str(key), KEYS)
            hint = f"did you mean {near!r}?" if near else f"known: {', '.join(KEYS)}"
            wrong(f"unknown key {key!r:.60}", f"/{escape(key)}", hint)
    on = body.get("on")
    on = [on] if isinstance(on, str) else on
    if not isinstance(on, list) or not on:
        wrong("say at which points it is asked", "/on", f"known: {', '.join(POINTS)}")
        on = []
    points = [point for index, point in enumerate(on) if choice(point, POINTS, f"/on/{index}", "point")]
    then = body.get("then")
    known = choice(then, STRICTNESS, "/then", "outcome")
    if known and "run.start" in points and then not in BEFORE_A_RUN:
        wrong(
            f"at run.start there is no run yet that could wait, so {then!r} cannot be done",
            "/then",
            "begin with a `human` step",
        )
    what = body.get("what", [])
    what = [what] if isinstance(what, str) else what
    if not isinstance(what, list):
        wrong("what is a list", "/what", f"known: {', '.join(WHAT)}")
        what = []
    whats = [one for index, one in enumerate(what) if choice(one, WHAT, f"/what/{index}", "thing to redact")]
    if then == "redact" and not what:
        wrong("say what is to be redacted", "/what", f"known: {', '.join(WHAT)}")
    if then != "redact" and what:
        wrong(
            "`what` is for `then: redact`", "/what", "a condition may read found.secrets, found.pii and found.injection"
        )
    message, priority, enabled = body.get("message", ""), body.get("priority", 0), body.get("enabled", True)
    if not isinstance(message, str) or len(message) > MESSAGE:
        wrong(f"a message is text of at most {MESSAGE} characters", "/message")
    if type(priority) is not int or abs(priority) > PRIORITY:
        wrong(f"a priority is a whole number from -{PRIORITY} to {PRIORITY}", "/priority")
    if not isinstance(enabled, bool):
        wrong("enabled is true or false", "/enabled")
    when = _condition(body.get("when"), f"{at}/when", problems)
    if when is not None and "inputs" in when.roots and points != ["run.start"]:
        wrong("inputs are known at run.start alone", "/when", "on: [run.start]")
    if len(problems) > before:
        return None
    return Policy(name, frozenset(points), str(then), when, message, tuple(whats), priority, enabled)


def _condition(value: Any, at: str, problems: list[Problem]) -> Expression | None:
    if value is None or value is True:
        return None
    if not isinstance(value, str):
        problems.append(Problem("policy.invalid", "a condition is an expression", at, "write it as text"))
        return None
    try:
        return compile_expression(value, at, ROOTS)
    except ExpressionError as error:
        problems.extend(error.problems)
        return None
