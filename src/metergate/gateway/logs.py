"""Logs for operators: one line an event on standard error, without secrets."""

from __future__ import annotations

import logging
import os
import sys

import structlog
from structlog.typing import Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str = "info") -> None:
    """Set the log up: people read it on a terminal, machines (logfmt) everywhere else."""
    terminal = sys.stderr.isatty()
    form: Processor = structlog.processors.LogfmtRenderer(bool_as_flag=False)
    if terminal:
        form = structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, form],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
