"""Print the OpenAPI document of this checkout: what the face's types (`ui/src/api/schema.d.ts`) are made of.

Refusals are left out, since each is the one `Problem`: without them the types are a third as long.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from .reference.api import described


def answers_alone(document: dict[str, Any]) -> dict[str, Any]:
    """The document with no answers but those of success."""
    paths = {
        path: {
            method: {**operation, "responses": {s: answer for s, answer in operation["responses"].items() if s < "300"}}
            for method, operation in methods.items()
        }
        for path, methods in document["paths"].items()
    }
    return {**document, "paths": paths}


def text() -> str:
    """The document as JSON: the same bytes for the same API."""
    return json.dumps(answers_alone(described()[0]), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
