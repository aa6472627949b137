"""Turns the ids of authors into small integers, once, so that a stored row costs four bytes and not a string."""

from collections.abc import Collection
from functools import partial

from sqlalchemy import Connection, select

from storage.rows import insert
from storage.tables import people
from storage.transactions import Transactions

USER_ID_BYTES_MAX = 1024
"""Longer ones do not fit into an index entry of PostgreSQL."""
CACHE_ENTRIES_MAX = 65_536


class People:
    """The interned authors. Their rows are never removed, so what was looked up once stays true; but for somebody who
    was erased, whom this server forgets, and whose account is gone on all."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._known = transactions.interned

    def forget(self, user_id: str) -> None:
        """The id has no author any more."""
        self._known.pop(user_id, None)

    async def intern(self, user_ids: Collection[str]) -> dict[str, int]:
        """Keys for all of `user_ids`; new ones are stored, in a transaction of their own.

        Raises:
            ValueError: an id is longer than USER_ID_BYTES_MAX, or is no text that SQL can hold.
            StoreUnavailable, StoreBroken.
        """
        keys = {user_id: self._known[user_id] for user_id in user_ids if user_id in self._known}
        missing = sorted(set(user_ids) - keys.keys())
        if not missing:
            return keys
        for user_id in missing:
            check_user_id(user_id)
        # Not inside the append: two nodes that meet the same people in another order would wait for each other.
        found = await self._transactions.write(partial(_intern, missing))
        if len(self._known) + len(found) > CACHE_ENTRIES_MAX:
            self._known.clear()
        self._known.update(found)
        return keys | found


def check_user_id(user_id: str) -> None:
    """
    Raises:
        ValueError: the id cannot be stored; the text says why.
    """
    try:
        encoded = user_id.encode()
    except UnicodeEncodeError:
        raise ValueError("a user id holds half a surrogate pair") from None
    if b"\0" in encoded or not 0 < len(encoded) <= USER_ID_BYTES_MAX:
        raise ValueError(f"a user id is 1 to {USER_ID_BYTES_MAX} bytes of UTF-8 without NUL")


def _intern(user_ids: list[str], connection: Connection) -> dict[str, int]:
    statement = insert(connection, people).on_conflict_do_nothing(index_elements=["external_id"])
    connection.execute(statement, [{"external_id": user_id} for user_id in user_ids])
    rows = connection.execute(select(people.c.external_id, people.c.pk).where(people.c.external_id.in_(user_ids)))
    return {row.external_id: row.pk for row in rows}
