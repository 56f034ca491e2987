"""Numbers that pages speak of, read from where they are kept."""

from __future__ import annotations

from penstock import control, delivery, spill
from penstock.api import bodies, headers, stream
from penstock.engine import fields, functions, guard, parts, state, syntax, values
from penstock.engine.workflow import Limits
from penstock.models import breaker, patience
from penstock.nodes import agent, code, function
from penstock.nodes import http as http_kind

from .markdown import table


def _bytes(size: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0 and size >= unit:
            return f"{size // unit} {name}"
    return f"{size:,} bytes".replace(",", " ")


def _number(value: float) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:g}"


def _limits(limits: Limits) -> str:
    return f"{_number(limits.tokens or 0)} tokens, {limits.seconds:g} s, {limits.iterations} iterations"


def write(of: str) -> str:
    """The bounds of one subject."""
    return table(("bound", "value"), SUBJECTS[of])


SUBJECTS: dict[str, list[tuple[str, str]]] = {
    "document": [
        ("size of a document", _bytes(fields.MAX_BYTES)),
        ("nesting", f"{fields.MAX_DEPTH} levels"),
        ("nodes", _number(fields.MAX_NODES)),
        ("edges", _number(fields.MAX_EDGES)),
        ("`max_visits`", _number(parts.MAX_VISITS)),
        ("`retry.attempts`", _number(parts.MAX_ATTEMPTS)),
        ("a duration", f"{fields.MAX_SECONDS / 86_400:g} days"),
        ("problems reported at once", _number(fields.MAX_PROBLEMS)),
    ],
    "expression": [
        ("characters", _number(syntax.MAX_SOURCE)),
        ("brackets within brackets", _number(syntax.MAX_NESTING)),
        ("depth of the whole", _number(syntax.MAX_DEPTH)),
        ("macros within macros", _number(syntax.MAX_MACRO_NESTING)),
        ("steps of one evaluation, about 0.1 µs each", _number(values.STEPS)),
        ("characters and elements made by one evaluation", _number(values.SPACE)),
        ("elements of a value that is made or written as JSON", _number(values.MAX_VALUE_NODES)),
        ("characters of a pattern for `matches`", _number(functions.MAX_PATTERN)),
    ],
    "run": [
        ("steps of a run without `limits.steps`", _number(guard.STEPS)),
        ("steps of one run in flight without `limits.parallel`", _number(guard.PARALLEL)),
        ("limits of a `test_run`", _limits(guard.TEST_RUN)),
        ("deliveries of one attempt before the step is given up", _number(guard.DELIVERIES)),
        ("lease of a step, at the beginning", f"{state.LEASE:g} s"),
        ("time that steps in flight get to stop when a run ends", f"{state.GRACE:g} s"),
        ("longest wait that `retry_after` may ask for", "3 600 s"),
        ("sub-workflows within sub-workflows", _number(control.DEPTH)),
        ("a value kept in the journal itself", _bytes(spill.SPILL)),
        ("time between two sweeps", f"{control.POLL:g} s"),
    ],
    "step": [
        ("result of a step, as JSON", _bytes(delivery.OUTPUT)),
        ("lines of log", _number(delivery.NOTES)),
        ("characters of one line", _number(delivery.NOTE)),
        ("source of a `code` node", _bytes(code.SOURCE_LENGTH)),
        ("text that an `http` node puts into its output; longer ones are artifacts", _bytes(http_kind.INLINE_TEXT)),
        ("redirects that an `http` node follows", _number(http_kind.REDIRECTS)),
        ("threads for plain functions", _number(function.THREADS)),
        ("name of an artifact", "255 characters"),
    ],
    "model": [
        ("waits before a request is made again", " s, ".join(f"{one:g}" for one in patience.WAITS) + " s"),
        ("longest wait that a provider may ask for", f"{patience.LONGEST:g} s"),
        ("failures in a row after which a model is left alone", _number(breaker.FAILURES)),
        ("for how long", f"{breaker.PAUSE:g} s"),
        ("tools' results in a conversation, each", f"{_number(agent.RESULT)} characters"),
    ],
    "api": [
        ("body of a request", _bytes(bodies.BODY_BYTES)),
        ("a workflow's document", _bytes(bodies.DOCUMENT_BYTES)),
        ("nesting of a body", f"{bodies.MAX_DEPTH} levels"),
        ("values in a body", _number(bodies.MAX_VALUES)),
        ("`Prefer: wait=N`", f"{headers.MAX_WAIT:g} s"),
        ("`Idempotency-Key`", f"{headers.MAX_KEY} characters"),
        ("comment on a silent stream", f"every {stream.HEARTBEAT:g} s"),
    ],
}
