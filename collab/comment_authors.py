"""Who a comment says wrote it: the person on whose connection it came, and nobody else.

A comment is a value in the companion (`collab.companions`) whose `by.id` names its author. It says so itself, and not
the log, because it outlives the log: rows are thinned out, and copied into archives. So what comes in is looked at.

Rule N2: an update that adds a comment in another's name is refused. Somebody without an id names nobody.
Rule N3: a sync step 2 may bring comments of others that the document lacks, which were relayed and not yet committed
    when the server ended. Nobody can tell those from forged ones: they are left to their authors, the rest is taken.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from collab.codec import write_var_uint
from collab.contents import ANY, EMBED
from collab.history.values import any_spans, decode
from collab.structs import Struct, StructTable, read_var_uint
from collab.turns import split

_PROTOTYPE = "__proto__"
"""JavaScript would read through this key what the object itself does not say."""


def forgers(update: bytes, clocks: Mapping[int, int], user_id: str | None) -> set[int]:
    """Client ids under which a scanned update adds comments that do not name `user_id`.

    Args:
        clocks: the edits that the document has.
    """
    table = StructTable(update)
    return {
        struct.client
        for struct in table.structs
        if struct.clock + struct.length > clocks.get(struct.client, 0)
        and not all(_is_by(value, user_id) for value in _values(table, struct))
    }


def without(update: bytes, clients: set[int]) -> bytes:
    """A scanned update without what concerns edits of `clients`."""
    whole = split(update)
    deletions: dict[int, list[tuple[int, int]]] = {}
    for client, start, end in StructTable(update).deletions():
        if client not in clients:
            deletions.setdefault(client, []).append((start, end - start))
    encoded = [write_var_uint(len(deletions))]
    for client, ranges in deletions.items():
        numbers = [client, len(ranges), *(number for one in ranges for number in one)]
        encoded += map(write_var_uint, numbers)
    others = {section.client for section in whole.sections} - clients
    return whole.only(others)[:-1] + b"".join(encoded)


def _values(table: StructTable, struct: Struct) -> Iterator[Any]:
    if struct.kind == ANY:
        count, position = read_var_uint(table.update, struct.content)
        for content in any_spans(table.update, position, count):
            yield decode(ANY, content)
    elif struct.kind == EMBED:
        yield decode(EMBED, table.update[struct.content : table.end_of(struct)])


def _is_by(value: Any, user_id: str | None) -> bool:
    if _has_prototype(value):
        return False
    if not isinstance(value, dict) or "by" not in value:
        return True
    by = value["by"]
    return isinstance(by, dict) and by.get("id") == user_id


def _has_prototype(value: Any) -> bool:
    if isinstance(value, dict):
        return _PROTOTYPE in value or any(map(_has_prototype, value.values()))
    return isinstance(value, list) and any(map(_has_prototype, value))
