"""The page at `/`: one file, nothing from elsewhere, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import re

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)


def _load() -> tuple[bytes, str]:
    text = importlib.resources.files(__name__.rpartition(".")[0]).joinpath("page.html").read_text()
    hashes = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
            for part in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text.encode(), policy


_PAGE, _POLICY = _load()


@router.get("/")
async def page() -> Response:
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Response(_PAGE, 200, headers, "text/html; charset=utf-8")
