"""What every adapter must do, as laws that can be run: one suite for each seam of `penstock.ports`.

A law takes a way to open the adapter under test, on a place that is empty at first, and raises Broken, naming itself and what
was seen, where it does not hold. With pytest and its anyio plugin:

    @pytest.mark.anyio
    @pytest.mark.parametrize("law", conformance.JOURNAL, ids=str)
    async def test_my_journal(law, tmp_path):
        await law(lambda: my_journal(tmp_path))     # an async context manager that yields the adapter

Without: `await conformance.JOURNAL.check(lambda: my_journal(...))`. Opening again must show the same data: laws that do this have
`reopens`; leave them out (`JOURNAL.once`) where data live in memory only. The run list is a projection of the journal, so for
RUNS open both: yield (journal, runs); so for USAGE, whose sums are written by commits: yield (journal, usage).
"""

from .artifacts import ARTIFACTS
from .bus import BUS
from .journal import JOURNAL
from .laws import Broken, Law, Suite
from .registry import REGISTRY
from .runs import RUNS
from .usage import USAGE
from .vault import VAULT
from .workflows import WORKFLOWS

__all__ = ["ARTIFACTS", "BUS", "JOURNAL", "REGISTRY", "RUNS", "USAGE", "VAULT", "WORKFLOWS", "Broken", "Law", "Suite"]
