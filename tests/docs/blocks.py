"""The code blocks of a page, with what the comments before them ask for.

A comment such as `<!-- file: hello.yaml -->` stands above a block, invisible to readers, and says what the test does with it:

    file: NAME      the block is written to this file for the blocks after it
    run: {...}      the workflow in the block is run with these inputs and must complete
    ends: CODE      it must fail with this code instead
    wrong: CODE     the document in the block must be refused with this problem
    exit: N         the last command of the block ends with this exit code
    printed:        the block is what the Python block before it prints
    not run: WHY    the block is only checked, not run
    serve:          there is a server, at $URL, whose token is $TOKEN
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[a-z]*)[^`]*$")
NOTE = re.compile(r"^\s*<!-- (?P<name>[a-z ]+):(?: (?P<value>.*?))? ?-->$")
NOTES = {"file", "run", "ends", "wrong", "exit", "printed", "not run", "serve"}


@dataclass(slots=True)
class Block:
    page: Path
    line: int  # of its first line of content, from 1
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block, in order."""
    found: list[Block] = []
    notes: dict[str, str] = {}
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if fence := FENCE.match(line):
            end = next(n for n in range(at, len(lines)) if lines[n].strip() == fence["ticks"])
            text = "".join(one[len(fence["indent"]) :] + "\n" for one in lines[at:end])
            found.append(Block(page, at + 1, fence["language"], text, notes))
            notes, at = {}, end + 1
        elif (note := NOTE.match(line)) and not line.startswith(("<!-- generated", "<!-- end")):
            assert note["name"] in NOTES, f"{page.name}:{at}: nobody knows the note {note['name']!r}"
            notes[note["name"]] = note["value"]
        elif line.strip():
            assert not notes, f"{page.name}:{at}: the note above belongs to no block"
    return found


@dataclass(slots=True)
class Typed:
    """One command of a console block, and what is shown below it."""

    command: str
    shown: list[str]


def typed(block: Block) -> list[Typed]:
    """The commands of a block: lines after `$ ` in a console, every line in a shell script. A line goes on after `\\`."""
    out: list[Typed] = []
    going_on = False
    for line in block.text.splitlines():
        if going_on:
            out[-1].command += "\n" + line
            going_on = line.endswith("\\")
        elif block.language == "console" and not line.startswith("$ "):
            out[-1].shown.append(line)
        elif line.strip() and not line.lstrip().startswith("#"):
            out.append(Typed(line.removeprefix("$ "), []))
            going_on = line.endswith("\\")
    return out


def fits(shown: list[str], printed: str) -> bool:
    """Whether what was printed is what is shown, where `…` stands for anything, and alone on a line for any lines."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ ]*\n"
    return re.fullmatch(pattern, printed if printed.endswith("\n") or not printed else printed + "\n") is not None
