"""For machines that watch this one: is it alive, can it work, and how much does it do.

Counts follow commits, so they cost the same however long the history is; they belong to this process and begin at zero with
it, as Prometheus expects of counters.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from ..engine import events as ev
from ..engine.state import TERMINAL, RunState
from ..errors import PenstockError
from . import models
from .answers import json_answer
from .core import Core, core_of
from .openapi import content
from .stream import Streams

router = APIRouter(tags=["health"])

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=models.Health, operation_id="healthz")
async def healthz() -> Response:
    """The process answers."""
    return json_answer({"status": "ok", "checks": {}})


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    response_model=models.Health,
    responses={503: {"model": models.Health, "description": "It cannot work now"}},
    operation_id="readyz",
)
async def readyz(request: Request) -> Response:
    """It can take work: its database answers, and it is not about to stop."""
    checks = {"journal": "ok", "serving": "stopping" if request.app.state.streams.closing else "ok"}
    try:
        await core_of(request).runs.list(None, limit=1)
    except Exception as error:
        checks["journal"] = error.message if isinstance(error, PenstockError) else type(error).__name__
    ready = all(state == "ok" for state in checks.values())
    return json_answer({"status": "ready" if ready else "unavailable", "checks": checks}, 200 if ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: content("text/plain", "Prometheus text format")},
    operation_id="metrics",
)
async def metrics(request: Request) -> Response:
    """Counts of this process, for Prometheus."""
    request.app.state.metrics.live = await core_of(request).runs.counts()
    return Response(generate_latest(request.app.state.registry), 200, None, CONTENT_TYPE_LATEST)


class Metrics(Collector):
    """Counts what commits say. `watch` is called after each; it is a few dictionary look-ups an event."""

    def __init__(self, core: Core, streams: Streams) -> None:
        self._core = core
        self._streams = streams
        self.stop: Callable[[], None] = lambda: None
        self.live: dict[str, int] = {}  # runs by status, as the database counts them
        self._started = 0
        self._ended: Counter[str] = Counter()
        self._steps: Counter[tuple[str, str]] = Counter()
        self._retries = self._commits = self._events = 0
        self._durations: dict[str, list[float]] = {}  # by kind: a count a bucket, and at the end the sum

    def watch(self, events: Sequence[ev.Event], state: RunState) -> None:
        self._commits += 1
        self._events += len(events)
        for event in events:
            fact = event.fact
            kind = type(fact)
            if kind is ev.StepCompleted or kind is ev.StepFailed:
                self._step_over(fact, event.at, state)
            elif kind is ev.RunStarted:
                self._started += 1
        if state.status in TERMINAL:
            self._ended[state.status] += 1

    def _step_over(self, fact: Any, at: float, state: RunState) -> None:
        kind = state.workflow.nodes[fact.step.partition("#")[0]].kind
        if getattr(fact, "retry_at", None) is not None:
            self._retries += 1
        else:
            self._steps[(kind, fact.kind.removeprefix("step."))] += 1
        if fact.started is not None:
            counts = self._durations.get(kind)
            if counts is None:
                counts = self._durations[kind] = [0.0] * (len(BUCKETS) + 2)
            seconds = max(0.0, at - fact.started)
            counts[bisect.bisect_left(BUCKETS, seconds)] += 1
            counts[-1] += seconds

    def collect(self) -> Iterator[Any]:
        live = GaugeMetricFamily(
            "penstock_runs", "Runs that are not completed or cancelled, by status.", labels=["status"]
        )
        for status in ("queued", "running", "waiting", "paused", "failed"):
            live.add_metric([status], self.live.get(status, 0))
        yield live
        yield CounterMetricFamily("penstock_runs_started", "Runs begun by this process.", value=self._started)
        ended = CounterMetricFamily("penstock_runs_ended", "Runs ended by this process, by status.", labels=["status"])
        for status in sorted(TERMINAL):
            ended.add_metric([status], self._ended[status])
        yield ended
        steps = CounterMetricFamily("penstock_steps", "Steps ended, by kind and outcome.", labels=["kind", "outcome"])
        for (kind, outcome), count in sorted(self._steps.items()):
            steps.add_metric([kind, outcome], count)
        yield steps
        yield CounterMetricFamily(
            "penstock_step_retries", "Attempts that failed and are made again.", value=self._retries
        )
        durations = HistogramMetricFamily("penstock_step_seconds", "How long attempts took, by kind.", labels=["kind"])
        for kind, counts in sorted(self._durations.items()):
            durations.add_metric([kind], _cumulative(counts), counts[-1])
        yield durations
        yield CounterMetricFamily("penstock_commits", "Commits of runs to the journal.", value=self._commits)
        yield CounterMetricFamily("penstock_events", "Events committed.", value=self._events)
        yield GaugeMetricFamily("penstock_steps_held", "Steps this executor holds.", value=self._core.executor.held)
        yield GaugeMetricFamily("penstock_queue_depth", "Runs that wait for a place.", value=self.live.get("queued", 0))
        breakers = GaugeMetricFamily(
            "penstock_provider_breaker",
            "The circuit breaker of a provider: 0 closed, 1 half open, 2 open.",
            labels=["provider"],
        )
        for name, state in sorted(self._core.models.breakers().items()):
            breakers.add_metric([name], ("closed", "half_open", "open").index(state["state"]))
        yield breakers
        yield GaugeMetricFamily("penstock_streams", "Clients that listen to runs.", value=self._streams.listeners)


def _cumulative(counts: list[float]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=False):
        total += count
        buckets.append((bound, total))
    return buckets


def register(core: Core, streams: Streams) -> tuple[CollectorRegistry, Metrics]:
    """A registry of its own for each application; it counts until `metrics.stop` is called."""
    registry = CollectorRegistry()
    metrics = Metrics(core, streams)
    registry.register(metrics)
    metrics.stop = core.control.watch(None, metrics.watch)
    return registry, metrics
