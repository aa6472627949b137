"""What a client and a room say to each other, whatever the framing: the kinds of message and the `Dialect` port.

A dialect (`collab.dialects`) turns one transport message into a kind and its payload, and payloads back into
transport messages. Payloads are the same in every dialect:

    SYNC_STEP_1   a state vector: "this is what I have"
    SYNC_STEP_2   an update: "this is what you lack"
    UPDATE        an update: "this just happened"
    AWARENESS     a y-protocols awareness update (`collab.awareness`)
    QUERY_AWARENESS  empty: "who is here?"
    ACK_REQUEST   opaque: "say it back when everything I sent before is committed"
    ROLE_REQUEST  empty: "tell me what I may do here, now and whenever it changes"
    STATELESS     UTF-8 text: "tell the others this now; it is no part of the document"
    TOKEN         UTF-8 text: "this is who I am, once more"
    LEAVE         empty: "I leave this document; the socket stays"
"""

from typing import TYPE_CHECKING, Final, Protocol

from collab.types import Grant

if TYPE_CHECKING:
    from collab.ports import Connection
    from collab.room import Room
    from collab.session import Session

SYNC_STEP_1: Final = 0
SYNC_STEP_2: Final = 1
UPDATE: Final = 2
AWARENESS: Final = 3
QUERY_AWARENESS: Final = 4
ACK_REQUEST: Final = 5
ROLE_REQUEST: Final = 6
STATELESS: Final = 7
TOKEN: Final = 8
LEAVE: Final = 9


class Dialect(Protocol):
    """One client protocol's framing. Without a state of its own: one instance serves every session that is written the
    same frames, and sessions of one instance share them (`collab.fanout`)."""

    @property
    def name(self) -> str:
        """For logs and metrics."""
        ...

    @property
    def stateless_is_text(self) -> bool:
        """What `stateless` gives is UTF-8, and sent as a text message."""
        ...

    def session(self, room: "Room", grant: Grant, connection: "Connection") -> "Session":
        """A session of this dialect: `collab.session.Session`, or a class of its own where the protocol asks more."""
        ...

    def decode(self, message: bytes) -> tuple[int, bytes]:
        """Split one transport message into kind and payload.

        Raises:
            MalformedMessage: it is not well-formed, or has bytes left over.
            UnknownMessage: its type is not part of the dialect.
        """
        ...

    def sync_step_1(self, state_vector: bytes) -> bytes: ...

    def sync_step_2(self, update: bytes) -> bytes: ...

    def update(self, update: bytes) -> bytes: ...

    def awareness(self, payload: bytes) -> bytes: ...

    def acknowledgement(self, payload: bytes) -> bytes:
        """Answer to an ACK_REQUEST, sent once everything before it on that connection is committed."""
        ...

    def epoch(self, epoch: str) -> bytes:
        """Tells a client which lineage of the document this is."""
        ...

    def schema(self, version: int) -> bytes:
        """Tells a client with which version of the editor's schema the document was written."""
        ...

    def refusal(self, reason: str) -> bytes:
        """Tells the client that something it sent was not accepted, while the connection stays open."""
        ...

    def role(self, role: str) -> bytes:
        """Answer to a ROLE_REQUEST, and news of another role."""
        ...

    def stateless(self, text: bytes) -> bytes | None:
        """A STATELESS message of somebody else; None if the protocol has no such thing."""
        ...
