"""Times as the API writes them."""

from datetime import UTC, datetime


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, from milliseconds since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
