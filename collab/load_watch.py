"""Remembers which document was being loaded when the process died.

A crash inside pycrdt cannot be caught, and the document whose stored rows caused it would end every process that opens
it. So the name of the document that is being loaded stands in a file that is mapped into memory, at the price of
copying a few bytes: what a dead process has written there is kept by the kernel. A document found there at the next
start is suspect; it may well be innocent, because a process can be killed at any moment.

The file: 16 slots of 256 bytes, each a name that ends with NUL, or empty. The first is being loaded now; the others
are suspects.
"""

import contextlib
import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from collab.types import DocumentId, parse_document_id

FILE_NAME = "loading"
_SLOTS = 16
_SLOT_BYTES = 256
_PROCESSES_MAX = 64


class LoadWatch:
    """One process's file. Made by `open`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.ftruncate(descriptor, _SLOTS * _SLOT_BYTES)
        self._map = mmap.mmap(descriptor, _SLOTS * _SLOT_BYTES)
        self._suspects = {slot: name for slot in range(1, _SLOTS) if (name := self._read(slot)) is not None}
        interrupted = self._read(0)
        if interrupted is not None:
            self._suspect(interrupted)
        self._map[0] = 0

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Take a file in `directory` that no other process uses.

        Raises:
            OSError: the directory cannot be written.
        """
        for number in range(_PROCESSES_MAX):
            path = directory / (FILE_NAME if number == 0 else f"{FILE_NAME}-{number + 1}")
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            return cls(descriptor)
        raise OSError(f"{_PROCESSES_MAX} processes use {directory}")

    def is_suspect(self, document: DocumentId) -> bool:
        return bool(self._suspects) and document in self._suspects.values()

    def acquit(self, document: DocumentId) -> None:
        """The document has been looked at, or is in quarantine."""
        for slot in [slot for slot, name in self._suspects.items() if name == document]:
            del self._suspects[slot]
            self._map[slot * _SLOT_BYTES] = 0

    @contextmanager
    def loading(self, document: DocumentId) -> Iterator[None]:
        """Inside the block, the process may die of this document. There must be no await in it."""
        self._write(0, document)
        try:
            yield
        finally:
            self._map[0] = 0

    def close(self) -> None:
        self._map.close()
        os.close(self._descriptor)

    def _suspect(self, document: DocumentId) -> None:
        if self.is_suspect(document):
            return
        free = [slot for slot in range(1, _SLOTS) if slot not in self._suspects]
        if free:
            self._suspects[free[0]] = document
            self._write(free[0], document)

    def _write(self, slot: int, document: DocumentId) -> None:
        name = document.encode() + b"\0"
        start = slot * _SLOT_BYTES
        self._map[start : start + len(name)] = name

    def _read(self, slot: int) -> DocumentId | None:
        name = self._map[slot * _SLOT_BYTES : (slot + 1) * _SLOT_BYTES].partition(b"\0")[0]
        with contextlib.suppress(ValueError):  # Half written: then its document was not being loaded yet.
            return parse_document_id(name.decode("ascii", "replace"))
        return None
