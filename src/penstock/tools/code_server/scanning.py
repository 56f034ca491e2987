"""Scanning files for defects: one ruff process a call for the Python ones, while our own patterns read every text file.

A finding is {path, line, column, rule, severity, message, hint?}, lines and columns 1-based. What could not be looked
at is said, with its reason, so that no findings never passes for no defects.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import rules
from .fence import CallFailed, Fence, decode, is_binary, read_bytes
from .languages import DATA, language

FILE_LIMIT = 4 << 20  # bytes; a longer file is data
ARGUMENTS_LIMIT = 1 << 20  # bytes of path names one process is given (Linux allows about two million)
RUFF_SECONDS = 300
PER_RULE_AND_FILE = 20  # the twenty-first finding of one rule in one file says nothing new

Finding = dict[str, Any]


def scan_files(
    fence: Fence, root: Path, paths: list[str], *, level: str, max_findings: int, check: Callable[[], None]
) -> dict[str, Any]:
    """Findings in `paths`, relative to `root`: {findings, counts, scanned, skipped, truncated}, the worst first.

    `level` standard or deep. Raises CallFailed `path.outside_root` for any path that leads out, `linter.failed`.
    """
    texts: dict[str, str] = {}
    skipped: list[dict[str, str]] = []
    python: list[str] = []
    findings: list[Finding] = []
    for path in dict.fromkeys(paths):
        check()
        try:
            data = read_bytes(fence.file(root, path), FILE_LIMIT + 1)
        except CallFailed as error:
            if error.code == "path.outside_root":
                raise
            skipped.append({"path": path, "reason": error.code})
            continue
        except OSError as error:
            skipped.append({"path": path, "reason": f"unreadable: {error.strerror}"})
            continue
        if is_binary(data) or len(data) > FILE_LIMIT:
            skipped.append({"path": path, "reason": "binary" if is_binary(data) else "too_large"})
            continue
        text, encoding = decode(data)
        texts[path] = text
        spoken = language(path, data)
        if spoken == "Python" and encoding == "utf-8":
            python.append(path)
        elif spoken == "Python" and not re.match(r"(?:.*\n)?#.*coding[:=]", text):
            message = f"The file is {encoding} without a coding line: Python refuses it"
            findings.append(_finding(path, 1, 1, "text.encoding", "high", message, hint="Save the file as UTF-8."))
    linter = _start_ruff(root, python, level) if python else None
    try:
        for path, text in texts.items():
            check()
            findings += _own(path, text, language(path, text[:128].encode("utf-8", "replace")))
        if linter is not None:
            findings += _ruff_findings(linter, root, level)
    finally:
        if linter is not None and linter.poll() is None:
            linter.kill()
            linter.communicate()
    return _result(findings, list(texts), skipped, max_findings)


def _finding(path: str, line: int, column: int, rule: str, severity: str, message: str, *, hint: str = "") -> Finding:
    found = {"path": path, "line": line, "column": column, "rule": rule, "severity": severity, "message": message}
    return found | {"hint": hint} if hint else found


def _result(findings: list[Finding], scanned: list[str], skipped: list[dict[str, str]], limit: int) -> dict[str, Any]:
    rank = {severity: number for number, severity in enumerate(rules.SEVERITIES)}
    findings.sort(key=lambda f: (rank[f["severity"]], f["path"], f["line"], f["column"], f["rule"]))
    by_severity = Counter(f["severity"] for f in findings)
    kept: list[Finding] = []
    seen: Counter[tuple[str, str]] = Counter()
    for found in findings:
        seen[found["path"], found["rule"]] += 1
        if seen[found["path"], found["rule"]] <= PER_RULE_AND_FILE and len(kept) < limit:
            kept.append(found)
    return {
        "findings": kept,
        "counts": {
            "findings": len(findings),
            "by_severity": {severity: by_severity[severity] for severity in rules.SEVERITIES},
            "by_rule": dict(Counter(f["rule"] for f in findings).most_common()),
            "by_file": dict(Counter(f["path"] for f in findings).most_common()),
        },
        "scanned": len(scanned),
        "skipped": skipped,
        "truncated": len(kept) < len(findings),
    }


def _is_test(path: str) -> bool:
    parts = path.lower().split("/")
    name = parts[-1]
    return bool({"test", "tests", "testing"} & set(parts[:-1])) or name.startswith("test_") or name == "conftest.py"


# --------------------------------------------------------------------------------------------------------- ruff


def ruff_command() -> str:
    """The ruff that was installed with us, else the one on the PATH. Raises CallFailed `linter.missing`."""
    try:
        from ruff import find_ruff_bin  # noqa: PLC0415  (only Python files need it)

        return os.fspath(find_ruff_bin())
    except (ImportError, FileNotFoundError) as error:
        raise CallFailed("linter.missing", "ruff is not installed beside this server") from error


def _start_ruff(root: Path, paths: list[str], level: str) -> subprocess.Popen[bytes]:
    if sum(len(os.fsencode(path)) + 16 for path in paths) > ARGUMENTS_LIMIT:
        raise CallFailed("paths.too_many", "these paths are too many for one call: send them in several")
    # A repository's own ruff configuration could switch everything off (or name plugins): --isolated ignores it.
    command = [ruff_command(), "check", "--isolated", "--no-cache", "--exit-zero", "--quiet"]
    command += ["--output-format", "json", "--target-version", "py314", "--line-length", "320"]
    for setting in rules.RUFF_SETTINGS:
        command += ["--config", setting]
    command += ["--select", ",".join(sorted(rules.LEVELS[level])), "--ignore", "S101"]
    command += ["--", *(f"./{path}" for path in paths)]
    env = {"PATH": os.environ.get("PATH", os.defpath), "RUFF_NO_CACHE": "true"}
    try:
        return subprocess.Popen(
            command, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise CallFailed("linter.failed", f"ruff did not start: {error}") from error


def _ruff_findings(process: subprocess.Popen[bytes], root: Path, level: str) -> Iterator[Finding]:
    try:
        out, err = process.communicate(timeout=RUFF_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise CallFailed("linter.failed", f"ruff took longer than {RUFF_SECONDS} s") from error
    if process.returncode != 0:
        said = err.decode("utf-8", "replace").strip()[-2000:]
        raise CallFailed("linter.failed", f"ruff ended with {process.returncode}: {said}")
    unreadable: set[str] = set()
    for raw in json.loads(out or b"[]"):
        path = Path(raw["filename"]).relative_to(root).as_posix()
        code = raw["code"]
        if code in (None, "invalid-syntax", "syntax-error"):
            if path in unreadable:
                continue  # the second syntax error is mostly the first one's echo
            unreadable.add(path)
            code, weight, hint = "python.syntax", "high", "Python cannot run this file."
        else:
            weight, hint = rules.severity(code, level), rules.HINTS.get(code, "")
            if weight != "low" and _is_test(path) and code.startswith(rules.QUIET_IN_TESTS):
                weight = "low"
        place = raw.get("location") or {"row": 1, "column": 1}
        yield _finding(path, place["row"], place["column"], code, weight, raw["message"], hint=hint)


# ------------------------------------------------------------------------------------------------- our own patterns


def _own(path: str, text: str, spoken: str) -> Iterator[Finding]:
    todos: list[int] = []
    longest, longest_at, long_lines = 0, 0, 0
    lines = text.split("\n")
    patterns = [p for p in rules.PATTERNS if not p.languages or spoken in p.languages]
    for number, whole in enumerate(lines, 1):
        line = whole if len(whole) <= 20_000 else whole[:20_000]
        if len(whole) > rules.LONG_LINE:
            long_lines += 1
            if len(whole) > longest:
                longest, longest_at = len(whole), number
        for pattern in patterns:
            found = pattern.regex.search(line)
            if found and not (pattern.unless and pattern.unless.search(line)):
                column = found.start() + 1
                told = (pattern.rule, pattern.severity, pattern.message)
                yield _finding(path, number, column, *told, hint=pattern.hint)
        if ("TODO" in line or "FIXME" in line or "XXX" in line or "HACK" in line) and rules.TODO.search(line):
            todos.append(number)
    if todos and spoken not in DATA:
        more = f"{len(todos)} notes" if len(todos) > 1 else "A note"
        yield _finding(path, todos[0], 1, "text.todo", "low", f"{more} of unfinished work (TODO, FIXME, XXX, HACK)")
    if long_lines and spoken not in DATA and spoken != "Markdown":
        some = f"{long_lines} lines are" if long_lines > 1 else "A line is"
        message = f"{some} longer than {rules.LONG_LINE} characters (the longest has {longest})"
        yield _finding(
            path, longest_at, 1, "text.long_line", "low", message, hint="Is this generated? Then exclude it."
        )
    yield from _data_syntax(path, text, spoken)


# Several tools read comments and trailing commas in these.
_COMMENTED_JSON = re.compile(r"(^|/)((ts|js)config[^/]*|devcontainer[^/]*|\.eslintrc[^/]*|\.babelrc[^/]*|\.vscode/.*)$")


def _data_syntax(path: str, text: str, spoken: str) -> Iterator[Finding]:
    name = path.rpartition("/")[2].lower()
    suffix = name.rpartition(".")[2]
    try:
        if suffix in ("json", "ipynb", "geojson"):
            if not _COMMENTED_JSON.search(path.lower()):
                json.loads(text)
        elif spoken == "TOML":
            tomllib.loads(text)
        elif spoken == "YAML" and "{{" not in text and "{%" not in text:
            yield from _yaml_syntax(path, text)
    except json.JSONDecodeError as error:
        yield _finding(path, error.lineno, error.colno, "json.syntax", "high", f"Not JSON: {error.msg}")
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+), column (\d+)", str(error))
        line, column = (int(at[1]), int(at[2])) if at else (text.count("\n") + 1, 1)
        yield _finding(path, line, column, "toml.syntax", "high", f"Not TOML: {error}")
    except RecursionError:
        yield _finding(path, 1, 1, "data.nesting", "medium", "Nested too deeply to be read")


def _yaml_syntax(path: str, text: str) -> Iterator[Finding]:
    import yaml  # noqa: PLC0415  (a scan without YAML does without it)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for _ in yaml.parse(text, Loader=loader):  # events only: aliases are not expanded, nothing is built
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        yield _finding(path, line, column, "yaml.syntax", "high", f"Not YAML: {problem}")
