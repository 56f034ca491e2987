"""What a document says about the models it asks, before anything is asked: which they are, and what a run can cost at most.

A bound is honest or there is none. It needs a known price, a largest answer (`max_tokens`), text that is written out, and no
tools, whose answers go into the next question; then every request is counted at its longest. Where one of these is missing the cost
is unknown, unless the run has a limit in dollars, which bounds it in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..engine.workflow import Workflow
from .port import Usage
from .prices import Prices

UNKNOWN = "unknown"
COMPLAINT = 2_000  # characters of what a model is told about an answer that does not fit, at most
FRAME = 200  # tokens of a request that are nobody's text


@dataclass(frozen=True, slots=True)
class Asking:
    """One agent of a document: `pointer` is the place of its configuration. What is an expression there is left out."""

    node: str
    pointer: str
    config: dict[str, Any]
    whole: bool  # nothing was left out


def askings(workflow: Workflow) -> Iterator[Asking]:
    """Every agent there is: of steps, and of crews."""
    for name, node in workflow.nodes.items():
        config = workflow.document["nodes"][name].get("with")
        if not isinstance(config, dict):
            continue
        at = f"/nodes/{name}/with"
        if node.kind == "agent":
            yield _asking(name, at, config)
        elif node.kind == "crew" and isinstance(config.get("agents"), dict):
            own = {key: config[key] for key in ("model", "base_url", "api_key_secret") if key in config}
            for member, said in config["agents"].items():
                if isinstance(said, dict):
                    yield _asking(name, f"{at}/agents/{member}", {**own, **said})


def _asking(node: str, pointer: str, config: dict[str, Any]) -> Asking:
    plain = {key: value for key, value in config.items() if not _has_expression(value)}
    return Asking(node, pointer, plain, len(plain) == len(config))


def cost_of(workflow: Workflow, prices: Prices, default: str) -> dict[str, Any]:
    """{usd, by, nodes}: dollars that a run costs at most, as a decimal string or `unknown`; what bounds it: `prices` or `limit`;
    and the same for each node that asks models. `default` is the model of agents that name none."""
    nodes: dict[str, Decimal | None] = {}
    for asking in askings(workflow):
        node = workflow.nodes[asking.node]
        crew = node.kind == "crew" or node.for_each is not None
        bound = None if crew else _bound(asking, prices, default)
        if asking.node in nodes and nodes[asking.node] is None:
            continue
        nodes[asking.node] = None if bound is None else bound * node.max_visits * node.retry.attempts
    known = [bound for bound in nodes.values() if bound is not None]
    total = sum(known, Decimal(0)) if len(known) == len(nodes) else None
    limit = None if workflow.limits.usd is None else Decimal(str(workflow.limits.usd))
    by = None if total is None else "prices"
    if limit is not None and (total is None or limit < total):
        total, by = limit, "limit"
    return {"usd": _text(total), "by": by, "nodes": {name: _text(bound) for name, bound in sorted(nodes.items())}}


def _bound(asking: Asking, prices: Prices, default: str) -> Decimal | None:
    config = asking.config
    model = config.get("model") or ("scripted:" if config.get("script") is not None else default)
    if not isinstance(model, str) or (price := prices.price(model)) is None:
        return None
    if model.startswith("scripted:"):
        return Decimal(0)
    longest = config.get("max_tokens")
    if not asking.whole or config.get("tools") or not isinstance(longest, int):
        return None
    said = len(str(config).encode()) + FRAME  # a token is at least a byte
    requests = min(config.get("max_turns", 10), 1 + config.get("repairs", 2))
    usages = [Usage(said + turn * (longest + COMPLAINT), longest) for turn in range(requests)]
    return sum((price.cost(usage) for usage in usages), Decimal(0))


def _text(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else format(amount.normalize(), "f")


def _has_expression(value: Any) -> bool:
    if isinstance(value, str):
        return "${{" in value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_expression(part) for part in parts)
