"""What the routes have to know of single sign-on, which itself is slow to import (see `web.single_sign_on`)."""

from dataclasses import dataclass
from typing import Final, Protocol

from storage.accounts import Account

FLOW_SECONDS: Final = 600


class SignOnFailed(Exception):
    """`code` is fit for the address of the sign-in page."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in on its way (rule O1 there)."""

    address: str
    """Where the browser has to go."""
    cookie: str


class SignOn(Protocol):
    async def begin(self, redirect_uri: str, target: str) -> Flow:
        """
        Raises:
            SignOnFailed: the provider cannot be reached.
        """
        ...

    async def finish(self, redirect_uri: str, query: dict[str, str], cookie: str | None) -> tuple[Account, str]:
        """The account of whoever comes back, and where they wanted to go.

        Raises:
            SignOnFailed.
        """
        ...
