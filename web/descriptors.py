"""File descriptors: as many as the system gives, and a line in the log when they run out.

A server without descriptors goes on with the clients it has. uvloop accepts and closes at once whoever comes then, so
that the listening socket does not spin; nobody would ever know why.
"""

import asyncio
import contextlib
import errno
import os
import resource

import structlog

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0


def raise_limit() -> None:
    """Take as many descriptors as this process may: shells give 1,024, and each client is one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):  # Some systems say "unlimited" and do not mean it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def watch_descriptors() -> None:
    """Say once when there are none left, and once when there are again. Runs until cancelled."""
    out = False
    while True:
        if _none_left() != out:
            out = not out
            if out:
                limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
                log.error("out of file descriptors: clients that come now are turned away", limit=limit)
            else:
                log.warning("there are file descriptors again")
        await asyncio.sleep(_LOOK_SECONDS)


def _none_left() -> bool:
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
