"""`penstock workflows …` and `schema`: the catalog."""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ..errors import Invalid, NotFound, PenstockError
from . import failures
from .documents import means_file, packaged, read_file
from .link import Link, Text
from .runs import age, more
from .terminal import console, out, out_json, printable, say, status_text, table


async def ls(link: Link, filters: dict[str, Any], json: bool) -> int | None:
    answer = await link.call("GET", "/workflows", **filters)
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["slug"],
            printable(one["title"]),
            f"v{one['latest']}" if one["latest"] else "draft",
            age(one["updated_at"]),
            status_text(one["last_run"]["status"]) if one["last_run"] else "",
        )
        for one in answer["items"]
    ]
    if filters.get("cursor") is None and not filters.get("search"):
        known = {row[0] for row in rows}
        others = {slug: text for slug, text in packaged().items() if slug not in known}
        rows += [(slug, f"{_title(text)} (comes with Penstock)", "", "", "") for slug, text in sorted(others.items())]
    table(("WORKFLOW", "TITLE", "VERSION", "CHANGED", "LAST RUN"), rows, "no workflows")
    more(answer)
    return None


def _title(text: Text) -> str:
    """Of a workflow that comes with Penstock, without reading all of it: its title stands on a line of its own."""
    found = re.search(rb"^title: (.+)$", text.content, re.MULTILINE)
    return found[1].decode() if found else text.source


async def apply(link: Link, files: list[str], publish: bool) -> int | None:
    texts = [read_file(name) for name in files]
    for text in texts:
        if not (found := await link.check(text))["valid"]:
            problems = failures.problems_of(found["problems"])
            wrong = Invalid(f"{text.source} is not right", code="workflow.invalid", problems=problems)
            raise failures.in_file(wrong, text.source)
    for text in texts:
        draft = await link.apply(text)
        if publish:
            await _publish(link, draft["slug"], "")
        else:
            say(f"{draft['slug']}: saved as the draft")
    return None


async def publish(link: Link, slug: str, note: str) -> int | None:
    await _publish(link, slug, note)
    return None


async def _publish(link: Link, slug: str, note: str) -> None:
    version = await link.call("POST", f"{_path(slug)}/publish", {"note": note})
    say(f"{slug}: version {version['number']}")


async def show(link: Link, slug: str, version: int | None, json: bool) -> int | None:
    path = _path(slug) if version is None else f"{_path(slug)}/versions/{version}"
    found = await link.call("GET", path)
    if json:
        out_json(found)
        return None
    import yaml  # noqa: PLC0415 - only here

    out(yaml.safe_dump(found["document"], sort_keys=False, allow_unicode=True, width=100))
    versions = await link.call("GET", f"{_path(slug)}/versions", limit=10)
    for one in versions["items"]:
        note = f": {printable(one['note'])}" if one["note"] else ""
        say(f"version {one['number']}, {age(one['created_at'])} by {one['created_by']}{note}")
    return None


async def diff(link: Link, slug: str, old: int, new: int, json: bool) -> int | None:
    found = await link.call("GET", f"{_path(slug)}/versions/compare", **{"from": old, "to": new})
    if json:
        out_json(found)
        return None
    lines = list(_changes(found))
    if lines:
        out("\n".join(lines))
    else:
        say(f"versions {old} and {new} say the same")
    return None


async def restore(link: Link, slug: str, version: int) -> int | None:
    made = await link.call("POST", f"{_path(slug)}/versions/{version}/restore", {})
    say(f"{slug}: version {version} again, as version {made['number']}")
    return None


async def validate(link: Link, names: list[str], json: bool) -> int | None:
    """Exit code 2 when any of them is not right."""
    answers = {}
    for name in names:
        answers[name] = await _validity(link, name)
    if json:
        out_json({name: error if error else found for name, (found, error) in answers.items()})
    else:
        for name, (found, error) in answers.items():
            _say_validity(name, found, error)
    right = all(error is None and found["valid"] for found, error in answers.values())
    return failures.COMPLETED if right else failures.USAGE


async def _validity(link: Link, name: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What was found, and the error when there was nothing to look at."""
    try:
        if means_file(name):
            return await link.check(read_file(name)), None
        try:
            return await link.call("POST", f"{_path(name)}/validate"), None
        except NotFound:
            if name not in packaged():
                raise
            return await link.check(packaged()[name]), None
    except PenstockError as error:
        return {"valid": False, "problems": [p.to_dict() for p in error.problems], "preflight": []}, error.to_dict()


def _say_validity(name: str, found: dict[str, Any], error: dict[str, Any] | None) -> None:
    source = name if means_file(name) else ""
    shown = [*found["problems"], *found["preflight"]]
    word = error["message"] if error else "right" if found["valid"] else "not right"
    screen = console(sys.stdout)
    with screen.capture() as captured:
        screen.print(f"{name}: {printable(word)}", end="")
        for problem in failures.problems_of(shown):
            screen.print(failures.problem_text(problem, source), end="", soft_wrap=True)
    out(captured.get())


def _changes(found: dict[str, Any]) -> Iterator[str]:
    """One line for each difference: + added, - removed, ~ changed."""
    for mark, key in (("+", "added"), ("-", "removed")):
        yield from (f"{mark} node {name}" for name in found["nodes"][key])
        yield from (f"{mark} edge {_edge(edge)}" for edge in found["edges"][key])
    for node in found["nodes"]["changed"]:
        yield from (f"~ node {node['name']}{_change(change)}" for change in node["fields"])
    for edge in found["edges"]["changed"]:
        yield from (f"~ edge {_edge(edge)}{_change(change)}" for change in edge["fields"])
    yield from (f"~ workflow{_change(change)}" for change in found["workflow"])
    if found["layout_only"]:
        yield "~ layout: nodes stand elsewhere on the canvas"


def _edge(edge: dict[str, Any]) -> str:
    when = f" when {edge['when']}" if "when" in edge else ""
    return printable(f"{edge.get('from')} -> {edge.get('to')}{when}")


def _change(change: dict[str, Any]) -> str:
    def shown(side: str) -> str:
        return jsonlib.dumps(change[side], ensure_ascii=False) if side in change else "nothing"

    return printable(f" {change['pointer']}: {shown('old')} -> {shown('new')}")


def print_schema() -> int:
    from ..app import load_kinds  # noqa: PLC0415 - it loads every kind
    from ..engine.schema import document_schema  # noqa: PLC0415
    from ..tools.registry import Servers  # noqa: PLC0415

    kinds = {name: kind.Config.model_json_schema() for name, kind in load_kinds(Servers()).items()}
    out(jsonlib.dumps(document_schema(kinds), ensure_ascii=False, indent=2))
    return failures.COMPLETED


def _path(slug: str) -> str:
    return f"/workflows/{quote(slug, safe='')}"
