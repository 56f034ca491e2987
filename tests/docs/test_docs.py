"""The documentation tells the truth: its blocks run, its generated parts are what the code says, its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from docs.reference import api, cli, errors, kinds
from tests.docs.blocks import blocks_of
from tests.docs.story import story

from docs import generate
from penstock.app import Settings
from penstock.engine import expr, functions
from penstock.engine.events import FACTS

PAGES = generate.pages()
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<to>[^)\s]+)\)")
EXAMPLES = re.compile(r"^\| (?:expression|example) \| value \|.*\n\|.*\n(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
EXAMPLE = re.compile(r"^\| `(?P<source>.+?)` \| `(?P<value>.+?)` \|", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(generate.ROOT))


def text_of(name: str) -> str:
    return (generate.ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_does_what_the_page_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with story(tmp_path, monkeypatch) as told:
        for block in blocks_of(page):
            told.tell(block)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_generated_parts_are_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert generate.written(text, rough=True) == text, f"{name_of(page)} is out of date: run make docs"
    assert text.count("<!-- generated: ") == len(generate.PART.findall(text)), f"{name_of(page)}: a part has no end"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(_prose(page.read_text(encoding="utf-8"))):
        to = found["to"]
        if to.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = to.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {to} leads nowhere"
        if anchor:
            assert anchor in _anchors(target), f"{name_of(page)}: {to}: there is no such heading"


def test_every_page_is_in_the_index() -> None:
    index = text_of("docs/README.md")
    for page in PAGES:
        if page.parent.name == "docs" and page.name != "README.md":
            assert f"]({page.name})" in index, f"{page.name} is not in docs/README.md"


def test_every_generated_part_is_on_a_page() -> None:
    used = {found["name"] for page in PAGES for found in generate.PART.finditer(page.read_text(encoding="utf-8"))}
    assert used == generate.WRITERS.keys()


def test_every_setting_is_documented() -> None:
    text = text_of("docs/operations.md")
    for name, field in Settings.model_fields.items():
        assert f"`PENSTOCK_{name.upper()}`" in text
        assert field.description, f"the setting {name} says nothing of itself"


def test_every_kind_is_documented() -> None:
    anchors, text = _anchors(generate.ROOT / "docs/kinds.md"), text_of("docs/kinds.md")
    for name in kinds.installed():
        assert name in anchors, f"docs/kinds.md has no section {name}"
        assert f"<!-- generated: kind {name} -->" in text
        assert re.search(rf"kind: {name}\b", text), f"docs/kinds.md shows no node of kind {name}"


def test_every_event_is_documented() -> None:
    text = text_of("docs/events.md")
    assert [kind for kind in FACTS if f"\n### {kind}\n" not in text] == []


def test_every_error_code_is_documented_and_says_something() -> None:
    text = text_of("docs/errors.md")
    found = errors.found()
    assert len(found) > 150
    assert [name for name in found if f"| `{name}` |" not in text] == []
    assert [one.name for one in found.values() if not one.says] == [], (
        "write what it means into docs/reference/errors.py"
    )
    assert errors.unexplained() == [], "neither an error code nor anything else known to docs/reference/errors.py"


def test_every_command_is_documented() -> None:
    text = text_of("docs/cli.md")
    found = dict(cli.commands())
    assert len(found) > 20
    for words, command in found.items():
        assert f"\n### {words}\n" in text
        assert command.help, f"{words} says nothing of itself"


def test_every_endpoint_says_what_it_does() -> None:
    found = api.operations(api.described()[0])
    assert len(found) > 30
    assert [f"{method} {path}" for path, method, operation in found if not operation.get("description")] == []


def test_every_function_of_expressions_is_documented_with_an_example() -> None:
    text = text_of("docs/expressions.md")
    examples = [row for found in EXAMPLES.finditer(text) for row in EXAMPLE.findall(found["rows"])]
    assert len(examples) > 30
    for source, value in examples:
        made = expr.compile_expression(source.replace("\\|", "|")).evaluate({})
        assert made == json.loads(value), f"{source} is {made}"
        assert type(made) is type(json.loads(value)), f"{source} is {made!r}"
    for name in functions.FUNCTIONS:
        assert any(re.search(rf"\b{name}\(", source) for source, _ in examples), f"no example calls {name}()"


def _prose(text: str) -> str:
    """The page without its code: neither blocks nor spans."""
    without = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`(?!\])", "", without)


def _anchors(page: Path) -> set[str]:
    """What links may name on a page: its headings, spelled as GitHub does."""
    found: dict[str, int] = {}
    out = set()
    without = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#{1,6} (.+)$", without, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        seen = found.get(plain, 0)
        found[plain] = seen + 1
        out.add(f"{plain}-{seen}" if seen else plain)
    return out
