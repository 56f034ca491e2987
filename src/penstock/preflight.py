"""What stands in the way of a run, looked for before it begins: each check reads the document and knows one thing.

A check looks only at what is written out; what an expression will say is known when the step runs. Checks go on side by side,
and all problems are named at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from .engine.expr import escape
from .engine.tokens import nearest
from .engine.workflow import Workflow
from .errors import Invalid, NotFound, Problem
from .models.connections import Connections
from .models.estimate import askings
from .models.providers import PROVIDERS, SCRIPTED, split
from .models.registry import Models
from .nodes import function
from .ports import Vault, Workflows
from .tools.config import same_spelling
from .tools.registry import Servers

NAMING = frozenset(
    {"tools", "tasks", "manager", "guardrail"}
)  # where an agent or a crew names functions, besides `agents`
Check = Callable[[Workflow, str], Awaitable[list[Problem]]]  # (workflow, group): what it found


async def inspect(
    checks: Sequence[tuple[str, Check]], workflow: Workflow, group: str
) -> tuple[list[Problem], dict[str, Any]]:
    """Every problem, and a report {checks: {name: number of problems}}."""
    found = await asyncio.gather(*(check(workflow, group) for _, check in checks))
    counts = {name: len(problems) for (name, _), problems in zip(checks, found, strict=True)}
    return [problem for problems in found for problem in problems], {"checks": counts}


def checks_of(
    vault: Vault, workflows: Workflows, servers: Servers, models: Models, connections: Connections
) -> list[tuple[str, Check]]:
    """The checks of an installation, by name."""
    return [
        ("models", models_ready(models, connections)),
        ("secrets", secrets_exist(vault)),
        ("functions", functions_exist),
        ("servers", capabilities_offered(servers)),
        ("workflows", subflows_exist(workflows)),
    ]


def models_ready(models: Models, connections: Connections) -> Check:
    """Models that agents name can be named, and their providers have a key."""

    async def check(workflow: Workflow, group: str) -> list[Problem]:
        problems: list[Problem] = []
        for asking in askings(workflow):
            named, config = asking.config.get("model"), asking.config
            if (named is None and (config.get("script") is not None or not asking.whole)) or config.get(
                "api_key_secret"
            ):
                continue
            name, at = named or models.default, f"{asking.pointer}/model"
            try:
                models.check(name)
                provider = split(name)[0]
            except (Invalid, NotFound) as error:
                hint = error.problems[0].hint if error.problems else None
                problems.append(Problem(error.code, error.message, at, hint))
                continue
            elsewhere = isinstance(config.get("base_url"), str)
            if provider != SCRIPTED and not elsewhere and await connections.lacks_key(group, provider):
                hint = f"connect it: penstock providers set {provider}"
                problems.append(Problem("model.no_key", f"{PROVIDERS[provider].title} has no key", at, hint))
        return problems

    return check


def secrets_exist(vault: Vault) -> Check:
    """Config keys that name secrets end in `secret`, in every kind."""

    async def check(workflow: Workflow, group: str) -> list[Problem]:
        wanted = [
            (pointer, value)
            for _, at, config in _configs(workflow)
            for key, value in config.items()
            if key.endswith("secret") and (pointer := f"{at}/{key}") and isinstance(value, str)
        ]
        known = set(await vault.names(group)) if wanted else set()
        return [
            Problem("secret.missing", f"there is no secret {name!r}", at, f"add it: penstock secrets set {name}")
            for at, name in wanted
            if name not in known
        ]

    return check


async def functions_exist(workflow: Workflow, group: str) -> list[Problem]:
    """Functions that are named, as what a step calls, as a tool or as a guardrail, are registered in this process or installed."""
    problems: list[Problem] = []
    known: list[str] | None = None
    for name, at in _functions(workflow):
        known = function.names() if known is None else known
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else "register it with @penstock.function, or install it"
            problems.append(Problem("function.unknown", f"there is no function {name!r}", f"{at}/function", hint))
    return problems


def _functions(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """(name, pointer of the mapping that names it) of each function that is written out."""
    for node in workflow.nodes.values():
        config = workflow.document["nodes"].get(node.name, {}).get("with")
        if node.kind in ("function", "plan", "agent", "crew"):
            deep = node.kind in ("agent", "crew")
            yield from _named(config, f"/nodes/{node.name}/with", deep)


def _named(value: Any, at: str, deep: bool) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        name = value.get("function")
        if isinstance(name, str) and not _has_expression(name):
            yield name, at
        if deep:
            for key in (one for one in value if one in NAMING):
                yield from _named(value[key], f"{at}/{key}", deep)
            for key, one in (value.get("agents") or {}).items() if isinstance(value.get("agents"), dict) else ():
                yield from _named(one, f"{at}/agents/{escape(key)}", deep)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _named(one, f"{at}/{index}", deep)


def capabilities_offered(servers: Servers) -> Check:
    """Servers and capabilities that `tool` steps name are there. A server that declares no capabilities is asked for them when
    the step runs, so that a preflight starts no process."""

    async def check(workflow: Workflow, group: str) -> list[Problem]:
        problems: list[Problem] = []
        if not any(kind == "tool" for kind, _, _ in _configs(workflow)):
            return problems
        await servers.fresh(group)
        for kind, at, config in _configs(workflow):
            if kind != "tool":
                continue
            enabled = [one for one in servers.configs(group) if one.enabled]
            names = [one.name for one in enabled]
            if isinstance(named := config.get("server"), str) and same_spelling(named, names) is None:
                near = nearest(named, names)
                hint = f"did you mean {near!r}?" if near else "penstock servers ls shows those there are"
                problems.append(Problem("tool.no_server", f"there is no server {named!r}", f"{at}/server", hint))
            if any(not one.capabilities for one in enabled):
                continue
            offered = {capability for one in enabled for capability in one.capabilities}
            for index, wanted in enumerate(config.get("capabilities") or ()):
                if isinstance(wanted, str) and same_spelling(wanted, offered) is None:
                    near = nearest(wanted, offered)
                    problems.append(
                        Problem(
                            "tool.no_server",
                            f"no server offers {wanted!r}",
                            f"{at}/capabilities/{index}",
                            f"did you mean {near!r}?" if near else None,
                        )
                    )
        return problems

    return check


def subflows_exist(workflows: Workflows) -> Check:
    """Workflows that `subflow` steps name have the version that is asked for."""

    async def check(workflow: Workflow, group: str) -> list[Problem]:
        problems: list[Problem] = []
        for kind, at, config in _configs(workflow):
            name, number = config.get("workflow"), config.get("version")
            if kind != "subflow" or not isinstance(name, str) or name == workflow.name:
                continue
            try:
                await workflows.version(group, name, number if isinstance(number, int) else None)
            except NotFound as error:
                hint = "publish it first: penstock workflows publish " + name
                problems.append(Problem(error.code, error.message, f"{at}/workflow", hint))
        return problems

    return check


def _configs(workflow: Workflow) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(kind, pointer, the entries of `with` that hold no expression) of each node."""
    for name, node in workflow.nodes.items():
        config = workflow.document["nodes"].get(name, {}).get("with")  # a gate has none
        if isinstance(config, dict):
            plain = {key: value for key, value in config.items() if not _has_expression(value)}
            yield node.kind, f"/nodes/{name}/with", plain


def _has_expression(value: Any) -> bool:
    if isinstance(value, str):
        return "${{" in value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_has_expression(part) for part in parts)
