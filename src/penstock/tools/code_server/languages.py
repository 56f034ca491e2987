"""Which language a file is in, by its name and, failing that, by its first line."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_BY_SUFFIX = {
    suffix: language
    for language, suffixes in {
        "Python": "py pyi pyw",
        "Jupyter": "ipynb",
        "JavaScript": "js mjs cjs jsx",
        "TypeScript": "ts mts cts tsx",
        "Vue": "vue",
        "Svelte": "svelte",
        "HTML": "html htm xhtml",
        "CSS": "css scss sass less",
        "Go": "go",
        "Rust": "rs",
        "Java": "java",
        "Kotlin": "kt kts",
        "Scala": "scala",
        "C": "c h",
        "C++": "cc cpp cxx hpp hh hxx",
        "C#": "cs",
        "Swift": "swift",
        "Ruby": "rb rake gemspec",
        "PHP": "php",
        "Perl": "pl pm",
        "Lua": "lua",
        "R": "r rmd",
        "Julia": "jl",
        "Elixir": "ex exs",
        "Erlang": "erl hrl",
        "Haskell": "hs",
        "OCaml": "ml mli",
        "Clojure": "clj cljs edn",
        "Dart": "dart",
        "Zig": "zig",
        "Shell": "sh bash zsh fish",
        "PowerShell": "ps1 psm1",
        "SQL": "sql",
        "GraphQL": "graphql gql",
        "Protocol Buffers": "proto",
        "HCL": "tf hcl tfvars",
        "YAML": "yaml yml",
        "JSON": "json jsonl ndjson geojson jsonc json5",
        "TOML": "toml",
        "XML": "xml xsd xsl svg plist",
        "INI": "ini cfg conf properties env",
        "CSV": "csv tsv",
        "Markdown": "md markdown mdx",
        "reStructuredText": "rst",
        "LaTeX": "tex bib",
        "Text": "txt log",
        "Diff": "diff patch",
        "Lock file": "lock",
        "Template": "j2 jinja jinja2 tmpl hbs mustache",
    }.items()
    for suffix in suffixes.split()
}

_BY_NAME = {
    "dockerfile": "Dockerfile",
    "containerfile": "Dockerfile",
    "makefile": "Makefile",
    "gnumakefile": "Makefile",
    "justfile": "Makefile",
    "cmakelists.txt": "CMake",
    "jenkinsfile": "Groovy",
    "vagrantfile": "Ruby",
    "gemfile": "Ruby",
    "rakefile": "Ruby",
    "go.mod": "Go",
    "go.sum": "Lock file",
    "package-lock.json": "Lock file",
    "pnpm-lock.yaml": "Lock file",
    "license": "Text",
    "readme": "Text",
    "changelog": "Text",
    "authors": "Text",
    "codeowners": "Text",
    ".gitignore": "INI",
    ".gitattributes": "INI",
    ".editorconfig": "INI",
    ".dockerignore": "INI",
}

_SHEBANG = re.compile(rb"^#!.*?\b(python|bash|zsh|sh|node|ruby|perl|php|Rscript)")
_BY_SHEBANG = {
    b"python": "Python",
    b"bash": "Shell",
    b"zsh": "Shell",
    b"sh": "Shell",
    b"node": "JavaScript",
    b"ruby": "Ruby",
    b"perl": "Perl",
    b"php": "PHP",
    b"Rscript": "R",
}

DATA = frozenset({"JSON", "YAML", "TOML", "XML", "CSV", "INI", "Lock file", "Text", "Other", "Diff"})
"""What holds data rather than code or prose: kept apart when a report names a project's languages."""


def language(path: str, head: bytes = b"") -> str:
    """The language of the file at `path` (as in GitHub's linguist), `Other` when nothing tells."""
    name = PurePosixPath(path).name.lower()
    known = _BY_NAME.get(name)
    if known is None and name.startswith(("dockerfile.", "containerfile.")):
        known = "Dockerfile"
    if known is None:
        known = _BY_SUFFIX.get(name.rpartition(".")[2]) if "." in name else None
    if known is None and (found := _SHEBANG.match(head[:128])):
        known = _BY_SHEBANG[found[1]]
    return known or "Other"
