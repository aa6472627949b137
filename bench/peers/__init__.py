"""Every server that is measured, as people run it."""

from bench.peers.base import Peer
from bench.peers.node import NODE_PEERS
from bench.peers.python import COSCRIBE, COSCRIBE_HOCUSPOCUS, PYCRDT_WEBSOCKET, SIGNED_IN

PEERS: tuple[Peer, ...] = (COSCRIBE, COSCRIBE_HOCUSPOCUS, *NODE_PEERS, PYCRDT_WEBSOCKET)
"""Coscribe first, then its peers."""

WAYS_TO_SIGN_IN: tuple[Peer, ...] = (COSCRIBE, *SIGNED_IN)
"""Coscribe without sign-in, and with each way of it."""
