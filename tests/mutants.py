"""Planted defects: each breaks one thing on purpose, in a copy of the source, and the suite must notice. `make mutants`.

A defect that survives means that a law is not really tested. The replaced text must occur exactly once, so that a change of the
code cannot quietly turn a defect into nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 180
SUITE = (
    "tests/engine/test_laws.py",
    "tests/simulation",
    "tests/engine/test_semantics.py",
    "tests/simulation/test_shell.py",
)


@dataclass(frozen=True)
class Defect:
    name: str
    file: str
    old: str
    new: str


ACCEPT, DECIDE, ENDS = "engine/accept.py", "engine/decide.py", "engine/ends.py"
FOLD, STATE, GUARD = "engine/fold.py", "engine/state.py", "engine/guard.py"
DEFECTS = (
    Defect(
        "accept news of an older delivery",
        ACCEPT,
        "step.attempt != heard.attempt or step.delivery != heard.delivery or step.status",
        "step.attempt != heard.attempt or step.status",
    ),
    Defect(
        "accept news of an older attempt",
        ACCEPT,
        "step is None or step.attempt != heard.attempt or step.delivery",
        "step is None or step.delivery",
    ),
    Defect(
        "let a terminal run change",
        ACCEPT,
        "values) if state.status not in TERMINAL else ()",
        "values) if True else ()",
    ),
    Defect(
        "skip the head check",
        "stores/journal_sqlite.py",
        "WHERE run_id = ?1 AND head = ?2",
        "WHERE run_id = ?1 AND head >= 0 * ?2",
    ),
    Defect(
        "drop the outbox", "control.py", "        for run_id, _ in stranded:", "        for run_id, _ in stranded[:0]:"
    ),
    Defect(
        "forget what was in flight at a restart",
        "control.py",
        'self.tell(row.run_id, news.Released("restart"))',
        "pass",
    ),
    Defect("send work without what is kept", "control.py", "kept=step.kept or {},", "kept={},"),
    Defect(
        "go on before a call is kept",
        "delivery.py",
        "            if not facts:\n                raise",
        "            if False:\n                raise",
    ),
    Defect("make calls without a claim", "delivery.py", "            await self._claim_it()\n", ""),
    Defect(
        "let two claims hold one delivery",
        ACCEPT,
        "if step.claim == heard.claim else ()",
        "if True else ()",
    ),
    Defect(
        "lose the wake-up of a lease",
        FOLD,
        "    step.lease = at + LEASE\n    s.soon(step.lease)\n",
        "    step.lease = at + LEASE\n",
    ),
    Defect(
        "forget a retry",
        FOLD,
        '        s.move(step, "retrying")\n        s.soon(f.retry_at)\n',
        '        s.move(step, "retrying")\n',
    ),
    Defect("retry without end", ENDS, "attempt < node.retry.attempts and", ""),
    Defect("go every true way of a router", ENDS, "            if first:\n                break\n", ""),
    Defect(
        "pass the limit of steps in flight",
        GUARD,
        "(state.limits.parallel or PARALLEL) - state.in_flight",
        "PARALLEL - state.in_flight",
    ),
    Defect("pass the limit of steps", GUARD, "return (state.limits.steps or STEPS) - state.steps_used", "return STEPS"),
    Defect("spend past the limit", GUARD, "used[name] + amount > Decimal", "used[name] > Decimal"),
    Defect("spend past a limit that runs share", GUARD, "room.used + amount > room.most", "False"),
    Defect("charge nobody", "control.py", "self._purse.charges(state) if", "() if"),
    Defect("let sums pass their bounds", "purse.py", "bounds.get(place, free)", "free"),
    Defect("give nothing back", FOLD, "    s.charge(step, when, cost, -1)\n", ""),
    Defect(
        "do not run a step again that has waited in its midst",
        FOLD,
        "step.resume == f.key and step.status",
        "False and step.status",
    ),
    Defect(
        "do not propagate skips",
        FOLD,
        "    s.resolve(s.workflow.nodes[f.node], [])\n\n\ndef _node_failed",
        "\n\ndef _node_failed",
    ),
    Defect(
        "join before all have come",
        STATE,
        "if state.taken + state.closed < total:",
        "if state.taken + state.closed < total - 1:",
    ),
    Defect(
        "keep a loop's old edges",
        STATE,
        "                    self.edges[edge.index] = UNRESOLVED\n",
        "                    pass\n",
    ),
    Defect(
        "lose news when the store fails",
        "control.py",
        "        box.news = kept + box.news\n",
        "",
    ),
    Defect(
        "keep the state after losing a race",
        "control.py",
        "        box.state = box.row = None\n        box.news = turn.news + box.news",
        "        box.news = turn.news + box.news",
    ),
    Defect(
        "send work before it is committed",
        "control.py",
        "        commits = [self._commit_of(turn) for turn in writing]\n",
        "        commits = [self._commit_of(turn) for turn in writing]\n"
        "        await self.bus.publish([m for t in turns for m in self._effects(t)])\n",
    ),
    Defect(
        "tell nobody that a child ended",
        "control.py",
        '            if row.status in ("completed", "failed", "cancelled"):\n                child',
        "            if False:\n                child",
    ),
    Defect(
        "count people's time against the run",
        STATE,
        "                self.deadline += at - self.asking_since\n",
        "                pass\n",
    ),
    Defect(
        "stop nothing when a run ends", "control.py", "                messages.append(_stop(state.run_id, held))\n", ""
    ),
)


def survives(defect: Defect, workdir: Path) -> bool:
    """Whether the suite passes with this defect in place."""
    source = workdir / "src"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    file = source / "penstock" / defect.file
    text = file.read_text()
    if text.count(defect.old) != 1:
        raise SystemExit(
            f"{defect.name}: its text occurs {text.count(defect.old)} times in {defect.file}; mend the list"
        )
    file.write_text(text.replace(defect.old, defect.new))
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *SUITE],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(source), "PENSTOCK_LIVES": "400"},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:  # the tests never came to an end, and in CI that is a failure too
        return False
    return run.returncode == 0


def main() -> int:
    wanted = sys.argv[1:]
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        for defect in DEFECTS:
            if wanted and not any(word in defect.name for word in wanted):
                continue
            lives = survives(defect, Path(folder))
            print(f"{'SURVIVED' if lives else 'caught  '}  {defect.name}", flush=True)
            if lives:
                alive.append(defect.name)
    print(f"{len(alive)} of {len(DEFECTS)} defects survived")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
