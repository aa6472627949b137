"""What a store of another server has to answer. Its files may be damaged, or made by somebody who means harm:

I1  Whatever is in them, a reader ends with an answer or a `BadFile`, in memory and time proportional to what it reads.
I2  Nothing is written there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from collab.takeover import ForeignUpdate


@dataclass(frozen=True, slots=True)
class Listed:
    """A document that there is."""

    key: str
    """By which `ForeignStore.read` finds it."""
    name: str
    """As the other server's clients call it."""
    size: int
    """Bytes to be read, more or less."""


@dataclass(frozen=True, slots=True)
class ForeignDocument:
    updates: list[ForeignUpdate]
    """Yjs v1 updates in the order in which they were stored, unchecked."""
    faults: list[str]
    """What of it could not be read."""


class ForeignStore(Protocol):
    def documents(self) -> Iterator[Listed | str]:
        """Every document; as a text, what could not be read, so that documents may be missing.

        Raises:
            BadFile: it is no such store, or is in use.
        """
        ...

    def read(self, key: str) -> ForeignDocument:
        """
        Raises:
            BadFile: nothing of the document can be read.
        """
        ...
