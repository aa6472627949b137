"""What clients did and what they were told: the one record from which every check is made.

An operation is one transaction of one writer: it inserts uniquely tagged elements, deletes some, or both. It begins as
`invoked` (sent, perhaps, or made offline). It ends as `ok` when the durable acknowledgement covers it, never because
bytes went into a socket, or as `failed` when the server has refused it and so must not keep it. Until then nobody
knows: it may be there or not.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["array", "map", "text", "xml"]
KINDS: tuple[Kind, ...] = ("array", "map", "text", "xml")

Outcome = Literal["invoked", "ok", "failed"]


class Element(NamedTuple):
    """Something with a tag of its own in one of the four roots of a document."""

    kind: Kind
    tag: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.tag}"


@dataclass(slots=True)
class Operation:
    """One transaction of one writer."""

    number: int
    """Its place in the history."""
    writer: str
    document: str
    inserts: tuple[Element, ...]
    deletes: tuple[Element, ...]
    invoked: float
    outcome: Outcome = "invoked"
    ended: float | None = None

    def __str__(self) -> str:
        said = ", ".join([*map(str, self.inserts), *(f"-{element}" for element in self.deletes)])
        end = "" if self.ended is None else f" at {self.ended:.3f}"
        return f"#{self.number} {self.writer} in {self.document} at {self.invoked:.3f}: {said}; {self.outcome}{end}"


@dataclass(slots=True)
class DocumentHistory:
    """Everything that was done to one document."""

    operations: list[Operation] = field(default_factory=list)
    writers: dict[str, list[Operation]] = field(default_factory=lambda: defaultdict(list))
    """The operations of each writer, in its order. A writer is one Yjs client for as long as it lives."""
    inserted: dict[Element, Operation] = field(default_factory=dict)
    deleted: dict[Element, Operation] = field(default_factory=dict)


class History:
    """Append-only. `now` gives the time of an entry, in seconds."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        started = time.monotonic()
        self._now = now or (lambda: time.monotonic() - started)
        self._count = 0
        self._counts = {"ok": 0, "failed": 0}
        self.documents: dict[str, DocumentHistory] = defaultdict(DocumentHistory)
        self.events: list[tuple[float, str]] = []
        """What else happened: faults, restarts, reads."""

    def invoke(
        self, writer: str, document: str, inserts: Sequence[Element], deletes: Sequence[Element] = ()
    ) -> Operation:
        self._count += 1
        operation = Operation(self._count, writer, document, tuple(inserts), tuple(deletes), self._now())
        of_document = self.documents[document]
        of_document.operations.append(operation)
        of_document.writers[writer].append(operation)
        for element in operation.inserts:
            assert element not in of_document.inserted, "tags are unique, or the checks mean nothing"
            of_document.inserted[element] = operation
        for element in operation.deletes:
            of_document.deleted.setdefault(element, operation)
        return operation

    def end(self, operation: Operation, outcome: Literal["ok", "failed"]) -> None:
        if operation.outcome == "invoked":
            operation.outcome, operation.ended = outcome, self._now()
            self._counts[outcome] += 1

    def event(self, text: str) -> None:
        self.events.append((self._now(), text))

    @property
    def operations(self) -> int:
        return self._count

    @property
    def acknowledged(self) -> int:
        return self._counts["ok"]

    @property
    def unknown(self) -> int:
        """Operations of which nobody knows whether they are stored."""
        return self._count - self._counts["ok"] - self._counts["failed"]

    def write(self, path: Path) -> None:
        """One JSON object a line, in the order of time."""
        lines: list[tuple[float, dict[str, object]]] = [(at, {"event": text}) for at, text in self.events]
        for document in self.documents.values():
            for operation in document.operations:
                about = {"op": operation.number, "writer": operation.writer, "document": operation.document}
                edit = {"inserts": list(map(str, operation.inserts)), "deletes": list(map(str, operation.deletes))}
                lines.append((operation.invoked, {"invoke": True, **about, **edit}))
                if operation.ended is not None:
                    lines.append((operation.ended, {operation.outcome: True, **about}))
        lines.sort(key=lambda line: line[0])
        with path.open("w") as file:
            for at, line in lines:
                file.write(json.dumps({"at": round(at, 6), **line}) + "\n")
