"""Write the parts of the documentation that the code says better: keys, kinds, events, errors, commands, endpoints, settings.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->` in a page written by hand; NAME says who writes it
and, after a blank, of what. `python -m docs.generate` rewrites every part in place; with `--check` it changes nothing and ends
with 1 if a part says something else than the code. A test does the same. The face's types of the API are written here too.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import openapi
from .reference import api, architecture, bounds, cli, document, errors, events, kinds, models, settings, testing

ROOT = Path(__file__).parents[1]
ROUGH = frozenset({"journey", "tree"})  # counts of lines, which any commit may move a little
SLACK = 0.25
NUMBER = re.compile(r"\d+(?: \d{3})*")
PART = re.compile(r"<!-- generated: (?P<name>[a-z-]+)(?: (?P<of>[^>]+?))? -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)

WRITERS: dict[str, Callable[[str], str]] = {
    "document": document.write,
    "bounds": bounds.write,
    "kind": kinds.write,
    "kinds": kinds.write_list,
    "events": events.write,
    "errors": errors.write,
    "cli": cli.write,
    "api": api.write,
    "settings": settings.write,
    "metrics": settings.write_metrics,
    "providers": models.write,
    "laws": testing.write,
    "journey": architecture.write_journey,
    "tree": architecture.write_tree,
    "layers": architecture.write_layers,
}


def pages() -> list[Path]:
    """README and every page under docs, but for the decisions, which are history."""
    return [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "decisions" not in p.parts)]


def written(text: str, rough: bool = False) -> str:
    """A page with its generated parts as the code has them now; with `rough`, counts of lines may stay when they are about right.
    Raises KeyError for a part nobody writes."""

    def part(found: re.Match[str]) -> str:
        name, of = found["name"], found["of"] or ""
        body = WRITERS[name](of).strip("\n")
        made = f"<!-- generated: {name}{' ' + of if of else ''} -->\n\n{body}\n\n<!-- end -->"
        return found[0] if rough and name in ROUGH and _alike(found[0], made) else made

    return PART.sub(part, text)


def _alike(old: str, new: str) -> bool:
    """Whether two texts differ in their numbers alone, and in those by little."""
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    numbers = [(int(a.replace(" ", "")), int(b.replace(" ", ""))) for a, b in pairs]
    return all(abs(a - b) <= max(20, SLACK * b) for a, b in numbers)


def face_types_are_fresh() -> bool:
    """Whether the types of the face were made from this OpenAPI document, whose digest is their first line."""
    first = (ROOT / "ui/src/api/schema.d.ts").read_text(encoding="utf-8").partition("\n")[0]
    return first == f"// openapi: {hashlib.sha256(openapi.text().encode()).hexdigest()}"


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = written(old, rough=check)
        if new != old:
            stale.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new, encoding="utf-8")
    if not face_types_are_fresh():
        stale.append("ui/src/api/schema.d.ts")
        if not check:
            subprocess.run(
                [sys.executable, "ui/build.py", "types"], input=openapi.text().encode(), cwd=ROOT, check=True
            )
    for name in stale:
        sys.stdout.write(f"{name}: {'says something else than the code; run make docs' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
