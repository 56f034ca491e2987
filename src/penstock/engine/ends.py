"""How a step ends, and where its node goes from there: edges taken, retries, and what a failure means for the run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ..errors import PenstockError
from . import events as ev
from . import guard
from .news import Fail
from .scope import scope_of
from .state import RunState, Step
from .workflow import Node

NO_MATCH = "route.no_match"  # a router found no way on; `on_error` of its node says what becomes of that


def take_edges(
    state: RunState, node: Node, output: Any, take: tuple[str, ...] | None, values: Mapping[str, Any]
) -> tuple[list[str] | None, list[ev.Fact]]:
    """The successors gone to (None: all), and the facts that must come before. Raises PenstockError."""
    if take is None and node.plain:
        return None, []
    if take is not None:
        targets = {e.to for e in node.outgoing}
        if foreign := [name for name in take if name not in targets]:
            raise PenstockError(
                f"{node.name} chose {', '.join(map(repr, foreign))}, but has no edge to it", code="plan.unknown_task"
            )
    first = node.route == "first"
    taken: list[str] = []
    exhausted: str | None = None
    for edge in sorted(node.outgoing, key=lambda e: e.default if first else not e.back):
        if take is not None and edge.to not in take:
            continue
        if edge.when is not None and not edge.when.test(scope_of(edge.when, state, values, (node.name, output))):
            continue
        if not edge.back:
            taken.append(edge.target)
            if first:
                break
            continue
        if state.nodes[edge.target].visit >= state.workflow.nodes[edge.target].max_visits:
            exhausted = edge.target
            continue
        if (refusal := guard.may_begin_again(state)) is not None:
            raise PenstockError(refusal["message"], code=refusal["code"], detail=refusal["detail"])
        region = state.workflow.after[edge.target]
        stale = [s for s in state.steps.values() if s.node in region and s.node != node.name]
        return [edge.target], [ev.StepCancelled(s.id, "superseded") for s in stale]
    if exhausted is not None and not taken:
        visits = state.workflow.nodes[exhausted].max_visits
        raise PenstockError(
            f"{node.name} wants to go back to {exhausted}, which has had all of its {visits} visits",
            code="loop.exhausted",
        )
    if first and not taken and node.outgoing and take != ():
        message = f"no way leads on from {node.name}: none of its conditions is true, and it has no default edge"
        raise PenstockError(message, code="route.no_match")
    return taken, []


def step_done(
    state: RunState,
    step: Step,
    output: Any,
    take: tuple[str, ...] | None,
    values: Mapping[str, Any],
    started: float | None = None,
    executor: str = "",
    artifacts: list[dict[str, Any]] | None = None,
    answer: dict[str, Any] | None = None,
) -> list[ev.Fact]:
    node = state.workflow.nodes[step.node]
    done = ev.StepCompleted(step.id, output, step.attempt, None, started, executor, artifacts, answer)
    if state.ending is not None or step.index is not None:
        return [done]
    try:
        done.taken, before = take_edges(state, node, output, take, values)
    except PenstockError as error:
        done.taken = []
        fail = {**error.to_dict(), "node": node.name, "step": step.id}
        if error.code == NO_MATCH and node.on_error == "pause":
            return fail_for_good(state, step, fail, step.attempt, started, executor)
        if error.code == NO_MATCH and node.on_error != "fail":
            return [done, ev.NodeFailed(node.name, fail, [])]
        return [done, ev.RunEnding("failed", fail)]
    return [*before, done]


def go_on(step: Step, value: Any) -> list[ev.Fact]:
    """What a step waited for in its midst has come: kept, and then it is run again."""
    assert step.resume is not None
    return [ev.StepKept(step.id, step.resume, value, step.attempt)]


def step_failed(
    state: RunState,
    step: Step,
    error: Fail,
    attempt: int,
    started: float | None,
    executor: str,
    now: float,
) -> list[ev.Fact]:
    node = state.workflow.nodes[step.node]
    if (then := _by_policy(error)) == "abort" and state.ending is None:
        failed = ev.StepFailed(step.id, error, attempt, None, [], started, executor)
        return [failed, ev.RunEnding("failed", {**error, "node": node.name, "step": step.id})]
    if then == "pause" and state.ending is None:
        return [ev.StepPaused(step.id, error, attempt), ev.RunPaused({**error, "step": step.id}, step.id)]
    again = error.get("retryable") and attempt < node.retry.attempts and state.ending is None
    if again:
        at = now + delay(node, state.run_id, step.id, attempt, error)
        return [ev.StepFailed(step.id, error, attempt, at, None, started, executor)]
    return fail_for_good(state, step, error, attempt, started, executor)


def fail_for_good(
    state: RunState,
    step: Step,
    error: Fail,
    attempt: int,
    started: float | None = None,
    executor: str = "",
) -> list[ev.Fact]:
    node = state.workflow.nodes[step.node]
    failed = ev.StepFailed(step.id, error, attempt, None, [], started, executor)
    if state.ending is not None or node.on_error == "skip":
        return [failed]
    if node.on_error == "continue":
        failed.taken = unconditional(node)
        return [failed]
    if node.on_error == "pause":
        return [ev.StepPaused(step.id, error, attempt), ev.RunPaused({**error, "step": step.id}, step.id)]
    return [failed, ev.RunEnding("failed", {**error, "node": node.name, "step": step.id})]


def _by_policy(error: Fail) -> str | None:
    """What a policy wants to become of the run, whatever the document says."""
    detail = error.get("detail")
    return detail.get("then") if str(error.get("code")).startswith("policy.") and isinstance(detail, dict) else None


def delay(node: Node, run_id: str, step: str, attempt: int, error: Fail) -> float:
    """Seconds until the next attempt: exponential, capped, never sooner than the other side asked for, with a jitter that
    is the same each time this is decided."""
    retry = node.retry
    wait = min(retry.backoff * retry.factor ** (attempt - 1), retry.max)
    digest = hashlib.blake2b(f"{run_id}/{step}/{attempt}".encode(), digest_size=4).digest()
    wait *= 1 + retry.jitter * (int.from_bytes(digest) / 0xFFFFFFFF)
    detail = error.get("detail")
    asked = detail.get("retry_after") if isinstance(detail, dict) else None
    return max(wait, min(float(asked), 3600.0)) if isinstance(asked, int | float) else wait


def unconditional(node: Node) -> list[str]:
    """Where a node goes whose output is not there to be asked about: over every edge without a condition."""
    return [e.target for e in node.outgoing if e.when is None and not e.back]


def why_ended(ending: ev.RunEnding) -> str:
    return "cancelled" if ending.to == "cancelled" else "run_failed"
