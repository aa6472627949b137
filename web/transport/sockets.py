"""What is set on a listening socket and inherited by every connection it accepts, instead of on each of them."""

import socket
from typing import Final

SEND_BUFFER_BYTES: Final = 128 * 1024
"""SO_SNDBUF: without it the kernel holds up to 4 MB for each peer that stopped reading."""


def tune(listener: socket.socket) -> None:
    """Send at once, and bound what the kernel keeps for a peer that does not read."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
