"""Where the log of a process goes: stderr, since stdout belongs to results. Commands say warnings in a line; a server says all of
it, as JSON lines where nobody sits in front of it."""

from __future__ import annotations

import logging
import sys


def log_to_stderr(level: int = logging.WARNING, json: bool = False) -> None:
    """Configure structlog and the standard library's logging alike."""
    import structlog  # noqa: PLC0415 - a remote command never gets here

    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True)
    shown = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks if json else structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
