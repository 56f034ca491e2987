"""Listing a folder.

In a git checkout git itself says which files count (tracked, or untracked and not ignored). Anywhere else a walk in
breadth-first order applies the `.gitignore` files it meets. Links are never followed, so loops end and nothing outside
the folder is reached; what is left out is named with its reason. Both ways see shallow files first, so that a list cut
short by `max_files` still shows a project's shape.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .fence import CallFailed, is_binary, read_bytes
from .languages import language

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NEVER = (
    ".git .hg .svn .bzr node_modules bower_components .venv venv .tox .nox __pycache__ .mypy_cache .ruff_cache "
    ".pytest_cache .hypothesis .import_linter_cache .gradle .terraform .next .nuxt .svelte-kit .parcel-cache .cache "
    ".eggs .idea .DS_Store"
)
NEVER = frozenset(_NEVER.split())
SKIPPED_SHOWN = 200
GIT_SECONDS = 60
# A checkout's own configuration can name programs for git to run; none of them is ours to start.
GIT = ("git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=false")


@dataclass(slots=True)
class _Listing:
    root: Path
    max_files: int
    max_bytes: int
    wanted: Callable[[str], bool]
    files: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    truncated: bool = False

    def skip(self, path: str, reason: str, size: int | None = None) -> None:
        self.reasons[reason] += 1
        if len(self.skipped) < SKIPPED_SHOWN:
            shown = path.encode("utf-8", "replace").decode()
            self.skipped.append({"path": shown, "reason": reason} | ({} if size is None else {"size": size}))

    def add(self, path: str) -> bool:
        """Look at one file, relative path in; False once the list is full."""
        if not self.wanted(path):
            return True
        if len(self.files) >= self.max_files:
            self.truncated = True
            return False
        try:
            path.encode()
        except UnicodeEncodeError:
            self.skip(path, "name_not_utf8")
            return True
        full = self.root / path
        try:
            info = full.lstat()
            if stat.S_ISLNK(info.st_mode):
                self.skip(path, self._link_reason(full))
            elif stat.S_ISDIR(info.st_mode):
                self.skip(path.rstrip("/"), "nested_repository")
            elif not stat.S_ISREG(info.st_mode):
                self.skip(path, "not_a_file")
            else:
                self._add_regular(path, full, info.st_size)
        except FileNotFoundError:
            pass  # tracked by git, deleted from disk
        except OSError:
            self.skip(path, "unreadable")
        return True

    def _link_reason(self, link: Path) -> str:
        try:
            target = link.resolve(strict=True)
        except FileNotFoundError:
            return "link_broken"
        except (OSError, RuntimeError):
            return "link_loop"
        return "link" if target.is_relative_to(self.root) else "link_outside_root"

    def _add_regular(self, path: str, full: Path, size: int) -> None:
        if size > self.max_bytes:
            head = read_bytes(full, 8192)
            self.skip(path, "binary" if is_binary(head) else "too_large", size)
            return
        data = read_bytes(full, self.max_bytes)
        if is_binary(data):
            self.skip(path, "binary", size)
            return
        lines = data.count(b"\n") + (1 if data and not data.endswith(b"\n") else 0)
        self.files.append({"path": path, "size": size, "language": language(path, data), "lines": lines})


def list_files(
    root: Path, *, include: list[str], exclude: list[str], max_files: int, max_bytes: int, check: Callable[[], None]
) -> dict[str, Any]:
    """The text files under `root`: {root, files: [{path, size, language, lines}], counts, skipped, truncated, source}.

    `include` and `exclude` are gitignore patterns; sizes are bytes; `check` is called often and may raise to stop.
    """
    listing = _Listing(root, max_files, max_bytes, _chooser(include, exclude))
    names = _git_files(root)
    for path in _walk(listing, check) if names is None else names:
        check()
        if not listing.add(path):
            break
    listing.files.sort(key=lambda entry: entry["path"])
    return {
        "root": str(root),
        "source": "walk" if names is None else "git",
        "files": listing.files,
        "counts": _counts(listing),
        "skipped": listing.skipped,
        "truncated": listing.truncated,
    }


def _counts(listing: _Listing) -> dict[str, Any]:
    by_language: dict[str, dict[str, int]] = {}
    for entry in listing.files:
        row = by_language.setdefault(entry["language"], {"files": 0, "lines": 0, "bytes": 0})
        row["files"] += 1
        row["lines"] += entry["lines"]
        row["bytes"] += entry["size"]
    ordered = sorted(by_language.items(), key=lambda item: (-item[1]["lines"], item[0]))
    return {
        "files": len(listing.files),
        "lines": sum(row["lines"] for row in by_language.values()),
        "bytes": sum(row["bytes"] for row in by_language.values()),
        "by_language": dict(ordered),
        "skipped": listing.reasons.total(),
        "skipped_by_reason": dict(sorted(listing.reasons.items())),
    }


def _patterns(lines: list[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415  (50 ms that a listing by git does not need)

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise CallFailed("pattern.invalid", f"a pattern cannot be read: {error}") from error


def _chooser(include: list[str], exclude: list[str]) -> Callable[[str], bool]:
    included = _patterns(include) if include else None
    excluded = _patterns(exclude) if exclude else None

    def wanted(path: str) -> bool:
        if not NEVER.isdisjoint(path.split("/")):
            return False
        if included is not None and not included.match_file(path):
            return False
        return excluded is None or not excluded.match_file(path)

    return wanted


def _git_files(root: Path) -> list[str] | None:
    """What git lists under `root`, shallow first; None where it has no say (no checkout, no git, an ignored folder)."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C"}
    env |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    command = [*GIT, "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, env=env, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0 or not done.stdout:
        return None
    names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    return sorted(names, key=lambda name: (name.count("/"), name))


def _walk(listing: _Listing, check: Callable[[], None]) -> Iterator[str]:
    queue: deque[tuple[str, list[tuple[str, GitIgnoreSpec]]]] = deque([("", [])])
    while queue:
        check()
        folder, rules = queue.popleft()
        try:
            with os.scandir(listing.root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            listing.skip(folder or ".", "unreadable")
            continue
        rules = rules + _own_rules(listing.root, folder, found)
        for entry in found:
            path = f"{folder}{entry.name}"
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                is_folder = False
            if entry.name in NEVER or _ignored(path + "/" if is_folder else path, rules):
                continue
            if is_folder:
                queue.append((path + "/", rules))
            else:
                yield path


def _own_rules(root: Path, folder: str, found: list[os.DirEntry[str]]) -> list[tuple[str, GitIgnoreSpec]]:
    if not any(entry.name == ".gitignore" and entry.is_file(follow_symlinks=False) for entry in found):
        return []
    try:
        text = read_bytes(root / folder / ".gitignore", 1 << 20).decode("utf-8", "replace")
        return [(folder, _patterns(text.splitlines()))]
    except (OSError, CallFailed):
        return []


def _ignored(path: str, rules: list[tuple[str, GitIgnoreSpec]]) -> bool:
    ignored = False
    for base, spec in rules:  # the deepest file that has an opinion wins
        verdict = spec.check_file(path.removeprefix(base)).include
        if verdict is not None:
            ignored = verdict
    return ignored
