"""Passwords: argon2id, off the event loop, and a bounded number at a time, because each takes 64 MiB."""

import asyncio

import anyio
import anyio.to_thread
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from web.settings import Settings

PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 256
_AT_ONCE = 2


def check_password(password: str, *not_like: str | None) -> str:
    """
    Raises:
        ValueError: it is too short or too long, or can be guessed from `not_like`.
    """
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise ValueError(f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")
    if any(text and password.casefold() == text.casefold() for text in not_like):
        raise ValueError("a password is not the name or the e-mail address")
    if len(set(password)) < 3:
        raise ValueError("a password has more than two different characters")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise ValueError("a password is text that UTF-8 can hold") from None
    return password


class Passwords:
    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHash(
            [Argon2Hasher(time_cost=settings.password_rounds, memory_cost=settings.password_memory_kib, parallelism=1)]
        )
        self._turns = anyio.CapacityLimiter(_AT_ONCE)
        self._making_dummy = asyncio.Lock()
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        return await anyio.to_thread.run_sync(self._hasher.hash, password, limiter=self._turns)

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Whether the password is right, and a hash with today's parameters if the old one has others.

        Takes as long for somebody who does not exist (`hashed` is None).
        """
        if hashed is None:
            await anyio.to_thread.run_sync(self._hasher.verify, password, await self._nobody(), limiter=self._turns)
            return False, None
        return await anyio.to_thread.run_sync(self._verify, password, hashed, limiter=self._turns)

    def _verify(self, password: str, hashed: str) -> tuple[bool, str | None]:
        return self._hasher.verify_and_update(password, hashed)

    async def _nobody(self) -> str:
        async with self._making_dummy:
            if self._dummy is None:
                self._dummy = await self.hash("nobody has this password")
            return self._dummy
