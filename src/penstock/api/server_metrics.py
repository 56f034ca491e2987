"""How MCP servers fare, for Prometheus: read from what the process knows of them when it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ..tools.registry import Servers

_STATES = ("closed", "half_open", "open")


class ServerMetrics(Collector):
    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def collect(self) -> Iterator[Any]:
        up = GaugeMetricFamily(
            "penstock_server_up", "Whether an MCP server was well when last seen.", labels=["server"]
        )
        breaker = GaugeMetricFamily(
            "penstock_server_breaker", "Its circuit breaker: 0 closed, 1 half open, 2 open.", labels=["server"]
        )
        under_way = GaugeMetricFamily("penstock_server_calls_under_way", "Calls it has now.", labels=["server"])
        latency = GaugeMetricFamily(
            "penstock_server_latency_seconds", "How long listing its tools took lately.", labels=["server"]
        )
        calls = CounterMetricFamily(
            "penstock_server_calls", "Calls of its tools that went well.", labels=["server", "tool"]
        )
        for name, standing in self._servers.standings().items():
            breaker.add_metric([name], _STATES.index(standing.breaker.state))
            under_way.add_metric([name], standing.under_way)
            if standing.health != "unknown":
                up.add_metric([name], float(standing.health == "healthy"))
            if standing.latency is not None:
                latency.add_metric([name], standing.latency)
            for tool, seen in sorted(standing.seen.items()):
                calls.add_metric([name, tool], seen.calls)
        yield from (up, breaker, under_way, latency, calls)
