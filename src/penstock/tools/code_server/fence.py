"""Where the code server may look.

Every path a caller sends is resolved (symbolic links included) before it is compared, so `..`, an absolute path and a
link that points elsewhere are all the same question: does the real file lie under the real folder? With roots given,
the folder of a call must lie under one of them; without, any folder will do, and only the call's own folder binds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path


class CallFailed(Exception):
    """A call that cannot be answered; becomes an MCP error result. `code` is stable, dotted and lower case."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Fence:
    """The folders a server may look into. No roots: anywhere the operating system lets it."""

    def __init__(self, roots: Sequence[str | Path] = ()) -> None:
        self.roots = tuple(Path(root).expanduser().resolve() for root in roots)

    def folder(self, path: str) -> Path:
        """The real folder `path` names; a relative one starts at the server's working directory.

        Raises CallFailed: `path.invalid`, `path.outside_root`, `path.not_found`, `path.not_a_folder`.
        """
        if "\0" in path or not path.strip():
            raise CallFailed("path.invalid", f"{path!r} is not a path")
        try:
            found = Path(path).expanduser().resolve()
            if self.roots and not any(found.is_relative_to(root) for root in self.roots):
                names = ", ".join(str(root) for root in self.roots)
                raise CallFailed("path.outside_root", f"{path} is outside the folders this server may read ({names})")
            if not found.exists():
                raise CallFailed("path.not_found", f"there is no folder {path}")
            if not found.is_dir():
                raise CallFailed("path.not_a_folder", f"{path} is not a folder")
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name too long, no permission
            raise CallFailed("path.invalid", f"{path}: {error}") from error
        return found

    def file(self, root: Path, path: str) -> Path:
        """The real regular file `path` under `root` (a folder this fence gave out).

        Raises CallFailed: `path.invalid`, `path.outside_root`, `path.not_found`, `path.not_a_file`.
        """
        if "\0" in path or not path:
            raise CallFailed("path.invalid", f"{path!r} is not a path")
        try:
            found = (root / path).resolve()
            if not found.is_relative_to(root):
                raise CallFailed("path.outside_root", f"{path} leads outside {root}")
            mode = found.stat().st_mode
        except FileNotFoundError as error:
            raise CallFailed("path.not_found", f"there is no file {path} in {root}") from error
        except (OSError, RuntimeError, ValueError) as error:
            raise CallFailed("path.invalid", f"{path}: {error}") from error
        if not stat.S_ISREG(mode):
            raise CallFailed("path.not_a_file", f"{path} is not a regular file")
        return found


def read_bytes(path: Path, limit: int) -> bytes:
    """At most `limit` bytes from the start of a regular file; never waits on a pipe or a device that took its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as handle:
        return handle.read(limit)


def decode(data: bytes) -> tuple[str, str]:
    """(text, encoding): UTF-8 (a byte order mark is dropped), UTF-16 by its mark, else Latin-1, which cannot fail."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), "utf-16"
        except UnicodeDecodeError:
            return data.decode("latin-1"), "latin-1"
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def is_binary(head: bytes) -> bool:
    """Whether a file that starts like this is no text: a NUL byte, unless a UTF-16 mark explains it."""
    return b"\0" in head[:8192] and not head.startswith((b"\xff\xfe", b"\xfe\xff"))
