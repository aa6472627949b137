"""How often something may be tried: sign-ins, wrong tokens. Counted in the memory of this process, by `limits`."""

from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.exceptions import HTTPException

from web.settings import Settings

_RETRY_SECONDS: Final = 60


class TooManyRequests(HTTPException):
    """429; `Retry-After` says when it is worth another try."""

    def __init__(self, detail: str, seconds: int = _RETRY_SECONDS) -> None:
        super().__init__(429, detail, {"Retry-After": str(seconds)})


class Throttle:
    def __init__(self, settings: Settings) -> None:
        self.refusals = 0
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._sign_ins = RateLimitItemPerMinute(settings.sign_ins_per_minute_max, namespace="address")
        self._names = RateLimitItemPerMinute(max(1, settings.sign_ins_per_minute_max // 2), namespace="name")
        self._refusals = RateLimitItemPerMinute(settings.refused_tokens_per_minute_max, namespace="refused")

    async def sign_in(self, address: str | None, name: str) -> None:
        """Before a password is checked.

        Raises:
            TooManyRequests: too many tries from this address, or for this name from there. The name alone does not
                count: anybody could lock anybody out.
        """
        by_address = await self._hit(self._sign_ins, address or "")
        by_name = await self._hit(self._names, address or "", name)
        if not (by_address and by_name):
            raise TooManyRequests("too many attempts to sign in; wait a minute")

    async def secret(self, address: str | None) -> None:
        """Before the secret of a link is looked up.

        Raises:
            TooManyRequests.
        """
        if not await self._hit(self._refusals, address or "", "links"):
            raise TooManyRequests("too many links were opened from your address; wait a minute")

    async def refused(self, address: str | None) -> None:
        """After a token was refused.

        Raises:
            TooManyRequests: in place of the reason, when it was not the first.
        """
        if not await self._hit(self._refusals, address or ""):
            raise TooManyRequests("too many requests with a wrong token from your address; wait a minute")

    async def _hit(self, item: RateLimitItem, *key: str) -> bool:
        allowed = bool(await self._limiter.hit(item, *key))
        self.refusals += not allowed
        return allowed
