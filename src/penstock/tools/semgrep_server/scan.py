"""One run of semgrep over some paths of a folder, with rules that lie on this machine; nothing is asked of the network.

Findings have the form of the code server's: {path, line, column, rule, severity, message, hint?}, the worst first, and what
could not be read is said, so that no findings never passes for no defects.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from ..code_server.fence import CallFailed, Fence
from .home import Home, run

SEVERITIES = ("high", "medium", "low")
BUNDLED = Path(__file__).with_name("rules.yaml")
MESSAGE = 1000  # characters of a message
_WEIGHTS = {"CRITICAL": "high", "HIGH": "high", "ERROR": "high", "MEDIUM": "medium", "WARNING": "medium"}


def scan(
    home: Home,
    fence: Fence,
    root: Path,
    paths: list[str],
    *,
    rules: list[str],
    rules_text: str | None,
    max_findings: int,
    seconds: float,
    check: Callable[[], None],
) -> dict[str, Any]:
    """{findings, counts, scanned, skipped, truncated, version}. `rules` are files or folders under `root`; `rules_text` is YAML;
    without either, the rules that come with this server.

    Raises CallFailed `semgrep.absent`, `semgrep.bad_rules`, `semgrep.failed`, `semgrep.timeout`, `path.…`.
    """
    version = home.must_be_there()
    targets = [_target(root, path) for path in paths] or ["."]
    with tempfile.TemporaryDirectory(prefix="penstock-semgrep-") as made:
        given = [_rules(fence, root, path) for path in rules]
        if rules_text is not None:
            given.append(Path(made) / "rules.yaml")
            given[-1].write_text(rules_text, encoding="utf-8")
        given = given or [BUNDLED]
        known = _ids(given)
        command = [str(home.command), "scan", "--metrics=off", "--disable-version-check", "--json", "--quiet"]
        command += [word for file in given for word in ("--config", str(file))]
        code, out = run(
            [*command, "--", *targets], root, home.environment(), seconds, check, fine=(0, 1, 2, 3, 4, 5, 7)
        )
    try:
        said = json.loads(out)
    except json.JSONDecodeError:
        raise CallFailed("semgrep.failed", f"semgrep ended with {code} and no result") from None
    _refuse_bad_rules(said, code)
    findings = [_finding(row, known) for row in said["results"]]
    findings.sort(key=lambda f: (SEVERITIES.index(f["severity"]), f["path"], f["line"], f["column"], f["rule"]))
    weights = Counter(finding["severity"] for finding in findings)
    return {
        "findings": findings[:max_findings],
        "counts": {
            "findings": len(findings),
            "by_severity": {severity: weights[severity] for severity in SEVERITIES},
            "by_rule": dict(Counter(finding["rule"] for finding in findings).most_common()),
        },
        "scanned": len(said["paths"]["scanned"]),
        "skipped": list(_skipped(said.get("errors", ()))),
        "truncated": len(findings) > max_findings,
        "version": version,
    }


def _target(root: Path, path: str) -> str:
    """A path as semgrep is given it. Raises CallFailed `path.invalid`, `path.outside_root`, `path.not_found`."""
    if "\0" in path or not path.strip():
        raise CallFailed("path.invalid", f"{path!r} is not a path")
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise CallFailed("path.outside_root", f"{path} leads outside {root}")
    if not found.exists():
        raise CallFailed("path.not_found", f"there is no {path} in {root}")
    return f"./{found.relative_to(root).as_posix()}"


def _rules(fence: Fence, root: Path, path: str) -> Path:
    if "://" in path or path == "auto" or path.startswith(("p/", "r/")):
        raise CallFailed("semgrep.bad_rules", f"{path} lies on the network: name files of rules under the root")
    found = root / _target(root, path)
    return found.resolve() if found.is_dir() else fence.file(root, path)


def _ids(files: Iterable[Path]) -> set[str]:
    """The ids of rules as they are written: semgrep puts the path of their file before them."""
    known: set[str] = set()
    for place in files:
        for file in sorted(place.rglob("*.y*ml")) if place.is_dir() else [place]:
            try:
                read = yaml.safe_load(file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
                raise CallFailed("semgrep.bad_rules", f"{file.name}: {error}") from None
            rows = read.get("rules") if isinstance(read, dict) else None
            known |= {str(row["id"]) for row in rows or () if isinstance(row, dict) and "id" in row}
    return known


def _refuse_bad_rules(said: dict[str, Any], code: int) -> None:
    wrong = [error for error in said.get("errors", ()) if error.get("level") == "error"]
    about_rules = [error for error in wrong if "Rule" in str(error.get("type")) or error.get("code") == 7]
    if about_rules or (code == 7 and not said["results"]):
        told = "; ".join(str(e.get("long_msg") or e.get("message") or e.get("type")) for e in about_rules[:3])
        raise CallFailed("semgrep.bad_rules", f"semgrep refuses the rules: {told or 'there are none'}"[:MESSAGE])
    if code not in (0, 1) and wrong and not said["paths"]["scanned"]:
        told = str(wrong[0].get("long_msg") or wrong[0].get("message") or wrong[0].get("type"))
        raise CallFailed("semgrep.failed", f"semgrep ended with {code}: {told}"[:MESSAGE])


def _finding(row: dict[str, Any], known: set[str]) -> dict[str, Any]:
    extra, full = row["extra"], row["check_id"]
    names = [name for name in known if full == name or full.endswith(f".{name}")]
    found = {
        "path": row["path"].removeprefix("./"),
        "line": row["start"]["line"],
        "column": row["start"]["col"],
        "end_line": row["end"]["line"],
        "rule": max(names, key=len, default=full),
        "severity": _WEIGHTS.get(str(extra.get("severity", "")).upper(), "low"),
        "message": str(extra.get("message", "")).strip()[:MESSAGE],
    }
    about = extra.get("metadata") or {}
    for key in ("cwe", "owasp", "hint"):
        if value := about.get(key):
            found[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return found


def _skipped(errors: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for error in errors:
        kind = error.get("type")
        reason = str(kind[0] if isinstance(kind, list) else kind)
        told = str(error.get("message") or error.get("long_msg") or "")
        yield {"path": str(error.get("path", "")).removeprefix("./"), "reason": f"{reason}: {told}".strip()[:300]}
