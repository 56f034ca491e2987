"""What the code server's tools take and return: their JSON Schemas, and the checks on their arguments.

Arguments are Pydantic models (the schema a client sees is made from them, and the server checks by them); results are
plain schemas, since the functions that make them are ours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_PATHS = 5000

Path = Annotated[str, Field(min_length=1, max_length=4096)]
Root = Annotated[Path, Field(description="The folder the paths are relative to; nothing outside it is read.")]
Patterns = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(max_length=200)]


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ListFiles(Arguments):
    path: Path = Field(description="The folder to list.")
    include: Patterns = Field([], description="Only files that match one of these gitignore patterns, such as `*.py`.")
    exclude: Patterns = Field([], description="No files that match one of these gitignore patterns.")
    max_files: int = Field(5000, ge=1, le=100_000, description="List at most this many files.")
    max_bytes: int = Field(1 << 20, ge=1, le=64 << 20, description="Leave out files larger than this, in bytes.")


class ReadFile(Arguments):
    root: Root
    path: Path = Field(description="The file, relative to the root.")
    start_line: int = Field(1, ge=1, description="The first line wanted, from 1.")
    end_line: int | None = Field(None, ge=1, description="The last line wanted; by default the last of the file.")
    max_bytes: int = Field(256 << 10, ge=1, le=8 << 20, description="Cut the text after this many bytes.")


Level = Literal["standard", "deep"]
LevelField = Annotated[Level, Field(description="deep adds complexity, error handling, time zones and the like.")]


class ScanFile(Arguments):
    root: Root
    path: Path = Field(description="The file, relative to the root.")
    level: LevelField = "standard"
    max_findings: int = Field(1000, ge=1, le=20_000)


class ScanFiles(Arguments):
    root: Root
    paths: list[Path] = Field(max_length=MAX_PATHS, description="The files, relative to the root.")
    level: LevelField = "standard"
    max_findings: int = Field(2000, ge=1, le=20_000, description="Return at most this many, the worst first.")


GraphFormat = Literal["json", "jsonld", "graphml", "turtle"]


class KnowledgeGraph(Arguments):
    root: Root
    paths: list[Path] = Field(max_length=100_000, description="The files, relative to the root.")
    format: GraphFormat = Field(
        "json", description="json answers with nodes and edges; the others with one document in that format."
    )
    definitions: bool = Field(True, description="Also classes and functions, not only modules and imports.")
    max_nodes: int = Field(20_000, ge=1, le=200_000, description="Beyond this, definitions are counted and left out.")


Question = Literal[
    "find", "neighbours", "path", "imports", "imported_by", "calls", "called_by", "defines", "defined_in", "inherits",
    "inherited_by", "affects",
]  # fmt: skip
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description="A path, a dotted name (app.core.Store.load), the last part of one (load), an id, or a pattern with *.",
    ),
]


class QueryGraph(Arguments):
    root: Root
    question: Question = Field(
        description="find: what has this name. neighbours: what an edge leads to. path: the shortest way from `of` to `to`. "
        "affects: all that may notice when `of` changes. The others: what it imports, who calls it, and so on."
    )
    of: Name
    to: Name | None = None
    along: list[Literal["imports", "defines", "calls", "inherits"]] = Field(
        [], max_length=4, description="For neighbours and path: only edges of these kinds."
    )
    direction: Literal["out", "in", "both"] = Field(
        "both", description="For neighbours and path: with or against edges."
    )
    depth: int | None = Field(None, ge=1, le=100, description="How many edges far.")
    paths: list[Path] = Field([], max_length=100_000, description="The files to draw; by default all of the folder.")
    limit: int = Field(200, ge=1, le=5000, description="At most this many nodes, the nearest first.")
    format: GraphFormat = Field(
        "json", description="Others than json add the answer's part of the graph as a document."
    )


class Change(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: Path = Field(description="The file, relative to the root.")
    text: Annotated[str, Field(max_length=4 << 20)] | None = Field(
        description="Its whole new text; null removes the file."
    )


class CheckChange(Arguments):
    root: Root
    changes: list[Change] = Field(max_length=500)
    level: LevelField = "standard"
    max_findings: int = Field(1000, ge=1, le=20_000)


def _object(properties: dict[str, Any], required: str = "", **rest: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split(), **rest}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}
_SKIPPED = _array(_object({"path": _TEXT, "reason": _TEXT, "size": _COUNT}, "path reason"))
_FINDING = _object(
    {
        "path": _TEXT,
        "line": {"type": "integer", "minimum": 1},
        "column": {"type": "integer", "minimum": 1},
        "rule": _TEXT,
        "severity": {"enum": ["high", "medium", "low"]},
        "message": _TEXT,
        "hint": _TEXT,
    },
    "path line column rule severity message",
)
_HOT = _object(
    {"module": _TEXT, "path": _TEXT, "lines": _COUNT, "imported_by": _COUNT, "imports": _COUNT, "doc": _TEXT},
    "module path lines imported_by imports",
)
_SCANNED = _object(
    {
        "findings": _array(_FINDING),
        "counts": _object(
            {"findings": _COUNT, "by_severity": _COUNTS, "by_rule": _COUNTS, "by_file": _COUNTS},
            "findings by_severity by_rule by_file",
        ),
        "scanned": _COUNT,
        "skipped": _SKIPPED,
        "truncated": _FLAG,
    },
    "findings counts scanned skipped truncated",
)

_FORMAT = {"enum": ["json", "jsonld", "graphml", "turtle"]}
_NODES = _array(_object({"id": _TEXT, "kind": _TEXT, "name": _TEXT}, "id kind name"))
_EDGES = _array(_object({"source": _TEXT, "target": _TEXT, "kind": _TEXT}, "source target kind"))

RESULTS: dict[str, dict[str, Any]] = {
    "list_files": _object(
        {
            "root": _TEXT,
            "source": {"enum": ["git", "walk"]},
            "files": _array(
                _object({"path": _TEXT, "size": _COUNT, "language": _TEXT, "lines": _COUNT}, "path size language lines")
            ),
            "counts": _object(
                {
                    "files": _COUNT,
                    "lines": _COUNT,
                    "bytes": _COUNT,
                    "by_language": {
                        "type": "object",
                        "additionalProperties": _object(
                            {"files": _COUNT, "lines": _COUNT, "bytes": _COUNT}, "files lines bytes"
                        ),
                    },
                    "skipped": _COUNT,
                    "skipped_by_reason": _COUNTS,
                },
                "files lines bytes by_language skipped skipped_by_reason",
            ),
            "skipped": _SKIPPED,
            "truncated": _FLAG,
        },
        "root source files counts skipped truncated",
    ),
    "read_file": _object(
        {
            "path": _TEXT,
            "text": _TEXT,
            "encoding": {"enum": ["utf-8", "utf-16", "latin-1"]},
            "language": _TEXT,
            "size": _COUNT,
            "start_line": {"type": "integer", "minimum": 1},
            "end_line": _COUNT,
            "total_lines": _COUNT,
            "truncated": _FLAG,
        },
        "path text encoding language size start_line end_line truncated",
    ),
    "scan_file": _SCANNED,
    "scan_files": _SCANNED,
    "knowledge_graph": _object(
        {
            "format": _FORMAT,
            "mime": _TEXT,
            "nodes": _NODES,
            "edges": _EDGES,
            "document": {"type": ["object", "string"]},
            "counts": _COUNTS,
            "hot": _array(_HOT),
            "packages": _array(_object({"name": _TEXT, "imported_by": _COUNT}, "name imported_by")),
            "cycles": _array(_array(_TEXT)),
            "skipped": _SKIPPED,
            "left_out": _COUNT,
        },
        "format mime counts hot packages cycles skipped left_out",
    ),
    "query_graph": _object(
        {
            "question": _TEXT,
            "start": _array(_TEXT),
            "nodes": _NODES,
            "edges": _EDGES,
            "path": _array(_TEXT),
            "matched": _COUNT,
            "truncated": _FLAG,
            "skipped": _SKIPPED,
            "format": _FORMAT,
            "mime": _TEXT,
            "document": {"type": ["object", "string"]},
        },
        "question start nodes edges path matched truncated skipped format mime",
    ),
    "check_change": _object(
        {
            "diff": _TEXT,
            "files": _array(
                _object(
                    {
                        "path": _TEXT,
                        "status": {"enum": ["added", "changed", "removed", "unchanged"]},
                        "added": _COUNT,
                        "removed": _COUNT,
                    },
                    "path status added removed",
                )
            ),
            "findings": _array(_FINDING),
            "before": _COUNT,
            "counts": _COUNTS,
            "truncated": _FLAG,
        },
        "diff files findings before counts truncated",
    ),
}

TITLES = {
    "list_files": ("List files", ListFiles, "The text files of a folder, with language, size and lines. In a git "
                   "checkout what git ignores is left out; so are binary and very large files, named with the reason."),
    "read_file": ("Read a file", ReadFile, "Some lines of one text file, as UTF-8, within a byte limit."),
    "scan_file": ("Scan a file", ScanFile, "Defects in one file: see scan_files."),
    "scan_files": ("Scan files", ScanFiles, "Defects, the worst first: bugs and security holes in Python (by ruff); in "
                   "every text file leaked secrets, merge conflicts, broken JSON, YAML and TOML, and the like."),
    "knowledge_graph": ("Knowledge graph", KnowledgeGraph, "Modules, who imports whom, and what each defines, for "
                        "Python, JavaScript and TypeScript; for Python also who calls what and inherits from what; with "
                        "the most imported modules and the import cycles."),
    "query_graph": ("Ask the knowledge graph", QueryGraph, "Who imports, calls, defines or inherits from what, how one "
                    "thing reaches another, and what a change to it may affect."),
    "check_change": ("Check a change", CheckChange, "What a proposed change would do: a unified diff against the folder, "
                     "and the defects the change would bring. Nothing is written."),
}  # fmt: skip

CAPABILITIES = {
    "code.files": "list_files",
    "code.read": "read_file",
    "code.scan": "scan_files",
    "code.graph": "knowledge_graph",
    "code.query": "query_graph",
    "code.change": "check_change",
}
