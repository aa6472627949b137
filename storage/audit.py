"""Checks every stored row, whatever is done with it: what the checksums say, and whether a log has holes."""

import zlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from collab.errors import CollabError
from collab.scanner import STATE_LIMITS, scan_update
from storage.tables import (
    checkpoint_checksum,
    checkpoints,
    documents,
    history_checkpoints,
    thinned_checksum,
    update_checksum,
    updates,
)


@dataclass(frozen=True, slots=True)
class Damage:
    document: str
    what: str


class Audit:
    """Give `see` every row: documents first, then each document's updates in their order; at the end, `finish`."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.updates = 0
        self.damages: list[Damage] = []
        self._heads: dict[int, int] = {}
        self._thinned: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def see(self, table: Table, row: Any) -> None:
        if table is documents:
            self.names[row.pk] = row.name
            self._heads[row.pk] = row.head_seq
            self._thinned[row.pk] = row.thinned_through
        elif table is updates:
            self._see_update(row)
        elif table is checkpoints:
            self._see_checkpoint(row)
        elif table is history_checkpoints:
            self._checks(row, f"the history checkpoint through row {row.through_seq}", row.packed)

    def finish(self) -> None:
        for pk, head in self._heads.items():
            if self._last.get(pk, 0) != head:
                self._damage(pk, f"its log should end with row {head} and ends with row {self._last.get(pk, 0)}")

    def _see_update(self, row: Any) -> None:
        self.updates += 1
        expected = self._last.get(row.document_pk, 0) + 1
        self._last[row.document_pk] = row.seq
        if row.seq <= self._thinned.get(row.document_pk, 0):
            checksum = thinned_checksum(
                row.payload, document_pk=row.document_pk, seq=row.seq, first=expected, at_ms=row.at_ms
            )
        else:
            checksum = update_checksum(
                row.payload, document_pk=row.document_pk, seq=row.seq, person_pk=row.person_pk, at_ms=row.at_ms
            )
            if row.seq != expected:
                self._damage(row.document_pk, f"row {expected} is missing")
        if row.checksum != checksum:
            self._damage(row.document_pk, f"row {row.seq} does not match its checksum")
        elif not _is_update(row.payload):
            self._damage(row.document_pk, f"row {row.seq} is no update that can be taken")

    def _see_checkpoint(self, row: Any) -> None:
        name = f"the checkpoint through row {row.through_seq}"
        if self._checks(row, name, row.state) and not _is_update(row.state):
            self._damage(row.document_pk, f"{name} is no state that can be taken")

    def _checks(self, row: Any, name: str, stored: bytes) -> bool:
        checksum = checkpoint_checksum(zlib.crc32(stored), document_pk=row.document_pk, through=row.through_seq)
        if row.checksum != checksum:
            self._damage(row.document_pk, f"{name} does not match its checksum")
        return bool(row.checksum == checksum)

    def _damage(self, document_pk: int, what: str) -> None:
        self.damages.append(Damage(self.names.get(document_pk, f"document {document_pk}"), what))


def _is_update(payload: bytes) -> bool:
    try:
        scan_update(payload, STATE_LIMITS)
    except CollabError:
        return False
    return True
