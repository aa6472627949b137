"""Looks at many open connections at once: do their credentials still count, and what do they give?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from collab.types import DocumentId
from storage.accounts import Account, signed_in
from storage.credentials import Token, live_token
from storage.sharing import Standing, standing
from storage.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Claim:
    """A document, and the digest of the secret by which somebody uses it; neither digest for somebody unknown."""

    document: DocumentId
    sign_in: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    account: Account | None
    token: Token | None
    standing: Standing


class SqlAccess:
    def __init__(self, transactions: Transactions, *, now_ms: Callable[[], int]) -> None:
        self._transactions = transactions
        self._now_ms = now_ms

    async def look(self, claims: Sequence[Claim]) -> list[Finding | None]:
        """What each claim is worth now, all as of the same moment. None: its secret does not count any more.

        Raises:
            StoreUnavailable.
        """
        now_ms = self._now_ms()
        return await self._transactions.read(lambda connection: [_look(connection, claim, now_ms) for claim in claims])


def _look(connection: Connection, claim: Claim, now_ms: int) -> Finding | None:
    account, token = None, None
    if claim.sign_in is not None:
        found = signed_in(connection, claim.sign_in, now_ms)
        if found is None:
            return None
        account = found[0]
    elif claim.token is not None:
        token = live_token(connection, claim.token, now_ms)
        if token is None:
            return None
        account = token.account
    return Finding(account, token, standing(connection, account, claim.document, now_ms))
