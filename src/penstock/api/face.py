"""The face: the files that `ui/` was built into, and one page for every address that is no file and no API.

A file with a hash in its name never changes, so browsers keep it for ever; the page that names the files is asked for each
time. Compressed twins were made when the face was built, so nothing is compressed while somebody waits. The page may run
scripts of ours, and style elements that carry the nonce of this very answer; it may load nothing from elsewhere.
"""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "face"
PAGE = "index.html"
NONCE = "__NONCE__"  # as ui/vite.config.ts writes it
IMMUTABLE = "assets/"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
NOT_PAGES = ("api/", IMMUTABLE)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; font-src 'self';"
    " connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Penstock</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style nonce="__NONCE__">body{font:16px/1.5 system-ui;margin:15vh auto;max-width:36em;padding:0 1em;color-scheme:light dark}</style>
<h1>Penstock runs</h1><p>Its pages were not built in this checkout: <code>make ui</code> builds them, which needs the network
once. Meanwhile the command line does everything they do, such as <code>penstock runs ls</code>, and so does the API under
<code>/api/v1</code>.</p></html>"""

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    media: str
    twins: Mapping[str, Path]
    immutable: bool


class Face:
    """What was built into `folder`: its files are listed, and listed again when a new build took their place. A folder
    without a page means that nothing was built."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._seen: int | None = None
        self._page = _MISSING
        self._files: dict[str, File] = {}

    def look(self) -> tuple[str, Mapping[str, File]]:
        """The page, and the files by their path in the address. What is not listed is never opened."""
        path = self._folder / PAGE
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return _MISSING, {}
        if changed != self._seen:
            self._page, self._files, self._seen = path.read_text(encoding="utf-8"), self._list(), changed
        return self._page, self._files

    def _list(self) -> dict[str, File]:
        found = {path.relative_to(self._folder).as_posix(): path for path in self._folder.rglob("*") if path.is_file()}
        return {
            name: File(
                path,
                mimetypes.guess_type(name)[0] or "application/octet-stream",
                {encoding: found[name + ending] for encoding, ending in ENCODINGS if name + ending in found},
                name.startswith(IMMUTABLE),
            )
            for name, path in found.items()
            if name != PAGE and not name.startswith(".") and not name.endswith((".br", ".gz"))
        }


_FACE = Face()


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def face(request: Request, path: str) -> Response:
    """A file of the face, or its page, in which the address is read by the page itself. 404 for what asks for no page."""
    page, files = _FACE.look()
    if (file := files.get(path)) is not None:
        return _file(request, file)
    if path and (path.startswith(NOT_PAGES) or not wants_page(request.headers.get("accept", ""))):
        raise HTTPException(404)
    nonce = secrets.token_urlsafe(16)
    headers = {
        "Content-Security-Policy": POLICY.format(nonce=nonce),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
    return Response(page.replace(NONCE, escape(nonce)), 200, headers, "text/html; charset=utf-8")


def wants_page(accept: str) -> bool:
    """Whether who asks can do something with a page. A browser says so; a client that takes anything wants no page but `/`."""
    return "text/html" in accept.lower()


def _file(request: Request, file: File) -> Response:
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "public, max-age=31536000, immutable" if file.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    for encoding, twin in file.twins.items():
        if encoding in accepted:
            return FileResponse(twin, headers={**headers, "Content-Encoding": encoding}, media_type=file.media)
    return FileResponse(file.path, headers=headers, media_type=file.media)


def _accepted(header: str) -> set[str]:
    """The encodings that a client takes."""
    parts = [part.replace(" ", "").partition(";q=") for part in header.lower().split(",")]
    return {name for name, _, quality in parts if quality.strip("0.") or not quality}
