"""A directory for the files of one server's jobs, below the data directory: gone when the server ends.

Each server has its own, with a lock in it that the kernel takes away from a dead process. So what a server that was
killed has left behind is known as such, and removed by the next one.
"""

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Self

_LOCK = "lock"
_PRIVATE = 0o700


class Scratch:
    def __init__(self, directory: Path, lock: int) -> None:
        self.directory = directory
        self._lock = lock

    @classmethod
    def open(cls, parent: Path) -> Self:
        """Make a directory in `parent`, and remove those of dead servers.

        Raises:
            OSError: `parent` cannot be written.
        """
        parent.mkdir(_PRIVATE, parents=True, exist_ok=True)
        directory = parent / secrets.token_hex(8)
        directory.mkdir(_PRIVATE)
        lock = _locked(directory)
        assert lock is not None
        remove_abandoned(parent)
        return cls(directory, lock)

    def close(self) -> None:
        """Remove everything in it. Idempotent."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(parent: Path) -> None:
    """Remove the directories in `parent` whose servers are dead."""
    with suppress(OSError):
        for directory in [*parent.iterdir()]:
            lock = _locked(directory)
            if lock is not None:
                shutil.rmtree(directory, ignore_errors=True)
                os.close(lock)


def _locked(directory: Path) -> int | None:
    """The lock of a directory that nobody else holds."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
