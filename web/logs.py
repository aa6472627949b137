"""One log for everything, the server and the libraries: JSON lines or, on a terminal, coloured ones. Goes to stderr.

A log holds names of documents and errors, never what a document contains, and never a query string: WebSocket clients
that cannot send anything else put their token there. So uvicorn speaks only from warnings up, where it names no URL,
and tracebacks are printed without the values of their variables.
"""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "sqlalchemy", "alembic", "aiosqlite", "websockets")
_AT_WILL = frozenset({"ASGI callable returned without completing handshake.", "Invalid HTTP request received."})
"""What uvicorn says of a refused handshake and of bytes that are not HTTP: strangers could fill the log with it."""


def configure_logs(format: Literal["auto", "console", "json"], level: str) -> None:
    """Set up structlog and the standard library's logging. Call once, before anything logs."""
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(console)],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return record.msg not in _AT_WILL


def _rendering(console: bool) -> list[Processor]:
    if console:
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
