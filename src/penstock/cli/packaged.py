"""The workflows that come with Penstock, in the catalog.

A copy that nobody has changed follows the package when that is upgraded; one that somebody saved is theirs and is left alone.
"""

from __future__ import annotations

from collections.abc import Container

from ..app import Penstock, packaged_workflows
from ..errors import NotFound

ACTOR = "penstock"
GROUP = "default"


async def offer(penstock: Penstock, only: Container[str] | None = None) -> None:
    """Put them (`only` those) into the catalog, where there is none of the name or an older copy of ours."""
    for slug, text in packaged_workflows().items():
        if only is not None and slug not in only:
            continue
        document = penstock.gate.read(text, f"{slug}.yaml").document
        try:
            draft = await penstock.workflows.draft(GROUP, slug)
        except NotFound:
            await penstock.gate.apply(GROUP, document, ACTOR, None)
            continue
        if draft.updated_by == ACTOR and draft.document != document:
            await penstock.gate.apply(GROUP, document, ACTOR, draft.etag)
