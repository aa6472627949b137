"""The update of a keystroke: text typed after or between known characters, or a deletion.

Nearly all there is while people type, so it has a shortcut: a pattern does in C what reading byte by byte does slowly.
Whatever it does not match goes the long way, malformed or not.
"""

import re
from functools import lru_cache

from collab.codec import read_long_var_uint
from collab.structs import Id

# Integers in their shortest form, below 2**53 and, for clocks, below 2**28: no sum of two comes near a limit.
_ID = rb"([\x00-\x7f]|[\x80-\xff]{1,6}[\x01-\x7f]|[\x80-\xff]{7}[\x01-\x0f])"
_CLOCK = rb"([\x00-\x7f]|[\x80-\xff]{1,3}[\x01-\x7f])"

match_typed = re.compile(
    rb"\x01\x01" + _ID + _CLOCK + rb"(?:\x84|\xc4" + _ID + _CLOCK + rb")" + _ID + _CLOCK + rb"([\x01-\x7f])(.+)",
    re.DOTALL,
).fullmatch
"""One string of one client. Groups: its client and clock; origin (client, clock), both None if it has no right origin;
right origin if it has one, else origin; length in bytes; text and delete set."""

match_deletion = re.compile(rb"\x01" + _ID + rb"\x01" + _CLOCK + _CLOCK, re.DOTALL).fullmatch
"""A delete set of one range. Groups: client, clock, length."""


@lru_cache(maxsize=4096)
def decode_client(encoded: bytes) -> int:
    """The number in a group that holds a client id."""
    return read_long_var_uint(encoded, 1)[0] if encoded[0] > 127 else encoded[0]


def decode_clock(encoded: bytes) -> int:
    """The number in a group that holds a clock."""
    first = encoded[0]
    if first < 128:
        return first
    if len(encoded) == 2:
        return first & 127 | encoded[1] << 7
    return read_long_var_uint(encoded, 1)[0]


def typed_between(update: bytes) -> tuple[Id, Id | None] | None:
    """Origin and right origin of an update that is one ASCII string and nothing else; None for any other update.

    Args:
        update: passed `scan_update`.
    """
    typed = match_typed(update)
    if typed is None:
        return None
    _, _, left_client, left_clock, near_client, near_clock, length, rest = typed.groups()
    if len(rest) != length[0] + 1 or not rest.isascii():
        return None
    near = (decode_client(near_client), decode_clock(near_clock))
    if left_client is None:
        return near, None
    return (decode_client(left_client), decode_clock(left_clock)), near
