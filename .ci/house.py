"""House rules no other tool knows, over every tracked text file: files short enough to read, no trace of one machine, no word
that hides what a thing is for. An exception gives its reason on its line."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

LONGEST = {"src": 480, "tests": 800}  # lines; the aim is 400, and a test file may be a long table
LONGER = {
    "src/penstock/engine/view.py": 500,  # the fold people see: one small function for each kind of event
    "src/penstock/control.py": 870,  # the shell round the engine, every line of which may write a journal
    "src/penstock/testing/simulation.py": 620,  # one world with every fault there is
}
TRACES = re.compile(
    r"(?<![\w.])/(?:work|root)/[a-z.]|/home/(?!you\b|me\b)[a-z]+/|/opt/wheels|pythonhosted|(?<!\.)pypi\.org/simple"
    r"|registry\.npmjs|--(?:extra-)?index-url (?!=)http|--find-links"
)
VAGUE = re.compile(r"(^|[/_])(utils?|common|helpers?|manager|service)(s?\.py$|/)")
TEXT = {".py", ".sql", ".yaml", ".yml", ".toml", ".md", ".json", ".txt", ".cfg", ".ini", ".sh", ""}
OWN = ".ci/house.py"


def main() -> int:
    tracked = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    problems = [problem for name in tracked if name and Path(name).is_file() for problem in check_file(name)]
    problems += check_pins()
    for problem in problems:
        print(problem)  # noqa: T201 - this is a command
    return 1 if problems else 0


def check_file(name: str) -> list[str]:
    path = Path(name)
    if path.suffix not in TEXT or name == OWN:
        return []
    vague = name.startswith("src/") and VAGUE.search(name)
    found = [f"{name}: says nothing; name it for what it is for"] if vague else []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found += [
        f"{name}:{n}: a trace of one machine: {line.strip()[:80]}"
        for n, line in enumerate(lines, 1)
        if TRACES.search(line)
    ]
    most = LONGER.get(name) or LONGEST.get(path.parts[0], 400)
    if path.suffix == ".py" and len(lines) > most:
        found.append(f"{name}: {len(lines)} lines, {most} at most: split it where a reader would pause")
    return found


def check_pins() -> list[str]:
    """Each dependency that pyproject.toml names is pinned in the lock it belongs to."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    needs = {
        "run": project["project"]["dependencies"],
        "dev": [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]],
    }
    found = []
    for lock, wanted in needs.items():
        text = Path(f"requirements/{lock}.txt").read_text(encoding="utf-8")
        found += [f"requirements/{lock}.txt: names an address: {line}" for line in text.splitlines() if "://" in line]
        pinned = {line.split("==")[0].split("[")[0] for line in text.splitlines()}
        names = [re.split(r"[<>=!~\[; ]", one, maxsplit=1)[0].lower() for one in wanted]
        found += [f"requirements/{lock}.txt: {name} is not pinned: make lock" for name in names if name not in pinned]
    return found


if __name__ == "__main__":
    sys.exit(main())
