"""Times as the API writes them, and what they are counted in."""

from datetime import UTC, datetime
from typing import Final

DAY_MS: Final = 24 * 60 * 60 * 1000


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, from milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
