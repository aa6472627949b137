"""Files below a directory that somebody else filled: links lead nowhere, and nothing is read that is too large."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from collab.errors import BadFile


def files_below(directory: Path) -> Iterator[tuple[PurePosixPath, int]]:
    """Plain files, hidden ones aside, by their paths from there and with their sizes; or the file itself if it is one.

    Raises:
        BadFile: there is no such directory.
    """
    if directory.is_file():
        yield PurePosixPath("."), directory.stat().st_size
        return
    if not directory.is_dir():
        raise BadFile(f"there is no directory {directory}")
    yield from _files(directory, PurePosixPath())


def _files(directory: Path, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, int]]:
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), below / entry.name)
        elif entry.is_file(follow_symlinks=False):
            yield below / entry.name, entry.stat(follow_symlinks=False).st_size


def open_below(directory: Path, path: str, bytes_max: int) -> bytes:
    """What a file holds that `files_below` has named.

    Raises:
        BadFile: it cannot be read, is a link, or is larger than `bytes_max`.
    """
    try:
        descriptor = os.open(directory / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise BadFile("it is no plain file")
            if found.st_size > bytes_max:
                raise BadFile(f"it has {found.st_size} bytes; {bytes_max} are allowed")
            return file.read(bytes_max + 1)
    except OSError as error:
        raise BadFile(f"it cannot be read: {error.strerror}") from None
