"""What must hold of everything that is read back, whoever reads it and however. Each check takes linear time.

no loss         what was acknowledged and not deleted is there
exactly once    nothing is there twice
no resurrection what was deleted, and that acknowledged, is not there
no invention    what nobody wrote, or what was refused, is not there
isolation       nothing of another document is there
all or none     of one transaction all is there or nothing
session order   what a writer did before something that is there is there too
convergence     content, state vector and deletions are equal wherever they are read, and nothing is pending
honest acks     when an acknowledgement arrives, the row is readable on a new database connection
liveness        within 30 s of healing everything is acknowledged and everybody sees the same
containment     a hostile client is closed with the right code, everybody else is untouched
append only     a row that could once be read is there for ever, as it was
"""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from tests.checker.history import DocumentHistory, Element, History, Operation


@dataclass(frozen=True, slots=True)
class Violation:
    """The first witness of a broken invariant."""

    invariant: str
    where: str
    """Which document, read in which way."""
    witness: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.where}: {self.witness}"


class Violated(Exception):
    """An invariant does not hold; `violation` says which, with the first witness."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.violation = violation


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of one document, as one way of reading gives it."""

    document: str
    source: str
    elements: Sequence[Element]
    """All there is, in any order, each as often as it is there."""

    @property
    def where(self) -> str:
        return f"{self.document}, {self.source}"


def check(history: History, reading: Reading) -> None:
    """
    Raises:
        Violated: with the first witness.
    """
    for violation in violations(history, reading):
        raise Violated(violation)


def violations(history: History, reading: Reading) -> Iterator[Violation]:
    """Every invariant of one document's content."""
    of_document = history.documents[reading.document]
    counts = Counter(reading.elements)
    yield from _there_rightly(history, of_document, reading, counts)
    for operations in of_document.writers.values():
        yield from _kept(of_document, operations, reading, counts)


def _there_rightly(
    history: History, of_document: DocumentHistory, reading: Reading, counts: Counter[Element]
) -> Iterator[Violation]:
    for element, count in counts.items():
        inserted = of_document.inserted.get(element)
        if inserted is None:
            invariant = "isolation" if _elsewhere(history, element) else "no invention"
            yield Violation(invariant, reading.where, f"{element}, which nobody wrote here")
        elif inserted.outcome == "failed":
            yield Violation("no invention", reading.where, f"{element}, which was refused: {inserted}")
        if count > 1:
            yield Violation("exactly once", reading.where, f"{element} is there {count} times: {inserted}")
        deleted = of_document.deleted.get(element)
        if deleted is not None and deleted.outcome == "ok":
            yield Violation("no resurrection", reading.where, f"{element} is back: {inserted}; deleted by {deleted}")


def _elsewhere(history: History, element: Element) -> bool:
    return any(element in document.inserted for document in history.documents.values())


def _kept(
    of_document: DocumentHistory, operations: list[Operation], reading: Reading, there: Container[Element]
) -> Iterator[Violation]:
    """The operations of one writer: those acknowledged are there, whole, and none is there without those before it."""
    absent: Operation | None = None
    for operation in operations:
        expected = [element for element in operation.inserts if element not in of_document.deleted]
        found = [element for element in expected if element in there]
        missing = [element for element in expected if element not in there]
        if missing and operation.outcome == "ok":
            yield Violation("no loss", reading.where, f"{missing[0]} is gone: {operation}")
        if missing and found:
            yield Violation("all or none", reading.where, f"{found[0]} without {missing[0]}: {operation}")
        if found and any(element in there for element in operation.deletes):
            yield Violation("all or none", reading.where, f"{found[0]} without the deletions: {operation}")
        if found and absent is not None:
            yield Violation("session order", reading.where, f"{operation} is there, and {absent} is not")
        if missing and absent is None:
            absent = operation
