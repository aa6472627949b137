"""Who wrote an edit: the person to whom its client id is bound, or, of a copy, who wrote the original."""

from collections.abc import Mapping
from typing import NamedTuple

from collab.history.copies import Copies
from collab.history.id_map import IdMap


class Author(NamedTuple):
    """A person; where nobody had signed in, all that is known is the client."""

    user_id: str | None
    client: int | None = None
    """None when the person is known."""


class Authors:
    """Of one document, through one seq."""

    def __init__(self, bound: Mapping[int, str | None], copies: Copies) -> None:
        """
        Args:
            bound: by client id the user who first used it; None for somebody without an account.
        """
        self._bound = bound
        self.copies = copies

    def of(self, client: int, clock: int) -> Author:
        """Who wrote it."""
        return self.of_client(self.copies.original(client, clock)[0])

    def of_client(self, client: int) -> Author:
        """Who used a client id; of a restore's, who pressed the button."""
        user_id = self._bound.get(client)
        return Author(None, client) if user_id is None else Author(user_id)


Deleters = IdMap[Author]
"""Who deleted an edit."""
