"""The laws of each seam, out of the conformance suites."""

from __future__ import annotations

from penstock.testing import conformance
from penstock.testing.conformance import Suite

from .markdown import code, prose, table

SUITES = {
    "JOURNAL": conformance.JOURNAL,
    "RUNS": conformance.RUNS,
    "WORKFLOWS": conformance.WORKFLOWS,
    "ARTIFACTS": conformance.ARTIFACTS,
    "VAULT": conformance.VAULT,
    "BUS": conformance.BUS,
}


def write(_: str) -> str:
    parts = []
    for name, suite in SUITES.items():
        parts += [f"### {suite.seam}", "", f"{code('conformance.' + name)}, {len(suite)} laws.", "", _laws(suite)]
    return "\n".join(parts)


def _laws(suite: Suite) -> str:
    rows = [(code(law.name), prose(law.text), "yes" if law.reopens else "") for law in suite]
    return table(("law", "what must hold", "reopens"), rows)
