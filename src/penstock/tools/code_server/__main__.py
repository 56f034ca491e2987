"""`python -m penstock.tools.code_server [--root DIR ...] [--http PORT]`: stdio by default, else streamable HTTP."""

from __future__ import annotations

import gc
import sys

_USAGE = """usage: python -m penstock.tools.code_server [--root DIR ...] [--http PORT]

  --root DIR    read nothing outside DIR (may be repeated); without it, any folder
  --http PORT   serve streamable HTTP on 127.0.0.1:PORT/mcp instead of stdio; 0 picks a free port
"""


def _parse(argv: list[str]) -> tuple[list[str], int | None]:
    roots: list[str] = []
    port: int | None = None
    rest = iter(argv)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("-h", "--help"):
            sys.stdout.write(_USAGE)
            raise SystemExit(0)
        value = value if equals else next(rest, "")
        if name == "--root" and value:
            roots.append(value)
        elif name == "--http" and value.isdecimal() and int(value) < 65536:
            port = int(value)
        else:
            sys.stderr.write(f"cannot understand {word!r}\n{_USAGE}")
            raise SystemExit(2)
    return roots, port


def main() -> None:
    roots, port = _parse(sys.argv[1:])
    gc.disable()  # thousands of schema objects are made now and kept: collecting while they are made finds nothing
    from .serve import serve_http, serve_stdio  # noqa: PLC0415  (after the usage message, and without the collector)

    gc.enable()
    gc.freeze()
    if port is None:
        serve_stdio(roots)
    else:
        serve_http(roots, port)


if __name__ == "__main__":
    main()
