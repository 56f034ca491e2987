"""Recorded journals are folded the same for ever. Add journals, never edit one: a journal on somebody's disk cannot be edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.engine.decide import settle
from penstock.engine.events import event_dict, event_from_dict
from penstock.engine.fold import fold
from penstock.engine.view import RunView
from penstock.engine.workflow import parse
from penstock.testing.simulation import check_journal

JOURNALS = sorted((Path(__file__).parents[1] / "journals").glob("*.json"))


def test_there_are_journals() -> None:
    assert len(JOURNALS) >= 4


@pytest.mark.parametrize("file", JOURNALS, ids=lambda file: file.stem)
def test_a_recorded_journal_means_what_it_meant(file: Path) -> None:
    recorded = json.loads(file.read_text())
    workflow = parse(recorded["document"])
    events = [event_from_dict(event) for event in recorded["events"]]
    assert [event_dict(event) for event in events] == recorded["events"]
    check_journal(recorded["run_id"], workflow, events)
    state = fold(recorded["run_id"], workflow, events)
    ends = recorded["ends"]
    assert {name: getattr(state, name) for name in ends} == ends
    assert settle(state, [], events[-1].at + 1e6).events == []
    view = RunView.of(events, recorded["run_id"])
    assert (view.status, view.outputs, view.head) == (ends["status"], ends["outputs"], ends["head"])
