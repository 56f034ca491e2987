"""What people are shown of each recorded journal, written down: the face folds the same journals and must show the same.

The views are in tests/journals/views. After a change that is meant, write them again: `python -m tests.engine.test_recorded_views`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.engine.events import event_from_dict
from penstock.engine.view import RunView

FOLDER = Path(__file__).parents[1] / "journals"
JOURNALS = sorted(FOLDER.glob("*.json"))


def shown(file: Path) -> dict[str, Any]:
    recorded = json.loads(file.read_text())
    view = RunView.of([event_from_dict(event) for event in recorded["events"]], recorded["run_id"])
    return json.loads(json.dumps({**view.to_dict(), "timeline": view.timeline(), "log_text": view.logs_text()}))


@pytest.mark.parametrize("file", JOURNALS, ids=lambda file: file.stem)
def test_a_recorded_journal_is_shown_as_it_was(file: Path) -> None:
    assert shown(file) == json.loads((FOLDER / "views" / file.name).read_text())


def test_every_view_is_of_a_journal() -> None:
    assert {file.name for file in (FOLDER / "views").glob("*.json")} == {file.name for file in JOURNALS}


if __name__ == "__main__":
    for journal in JOURNALS:
        (FOLDER / "views" / journal.name).write_text(json.dumps(shown(journal), indent=1, ensure_ascii=False) + "\n")
