"""WebSocket connections of the server: from the accepted handshake to a session's `Receiver`.

An endpoint accepts the WebSocket, then calls `run_connection`. Under a uvicorn configured with `uvicorn_options` the
socket leaves the request behind at once and costs a few kilobytes; under any other ASGI server the same Receiver runs
over ASGI.

    endpoint         run_connection
    heart            one timer for all connections, owned by the lifespan
    ports            Receiver and TransportLimits
    frames, reader   RFC 6455 as bytes, and as a stream
    detached         the connection on the bare socket
    asgi             the connection over ASGI
    handshake        the protocol given to uvicorn
    plain            ASGI for endpoints that read and write themselves
    sockets          what is set on listening sockets
    selfcheck        whether the installed uvicorn plays along
"""

from web.transport.endpoint import run_connection
from web.transport.frames import encode_frame, encode_text_frame, payload_of
from web.transport.heart import Heart
from web.transport.ports import OpenReceiver, Receiver, TextReceiver, TransportLimits
from web.transport.selfcheck import check_uvicorn, uvicorn_options
from web.transport.sockets import tune

__all__ = [
    "Heart",
    "OpenReceiver",
    "Receiver",
    "TextReceiver",
    "TransportLimits",
    "check_uvicorn",
    "encode_frame",
    "encode_text_frame",
    "payload_of",
    "run_connection",
    "tune",
    "uvicorn_options",
]
