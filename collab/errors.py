"""Errors of the sync engine.

    CollabError
    ├ ProtocolError      what a client sent cannot be accepted
    │ ├ MalformedMessage   not valid lib0 / Yjs encoding
    │ ├ UnknownMessage     a message type the dialect does not know
    │ ├ MessageTooLarge    larger than a limit of Settings
    │ ├ BadFile            a file to be imported that is damaged, or not what it should be
    │ ├ ForgedAuthor       a comment in somebody else's name
    │ ├ UnsafeUpdate       well-formed, but this server's CRDT cannot hold it
    │ └ LimitExceeded      well-formed, but more of it than a limit of Settings allows
    ├ AccessError        who sent it may not
    │ ├ NotAuthenticated
    │ └ PermissionDenied
    ├ RoomError          the live document cannot take it
    │ ├ RoomClosed
    │ ├ SlowConsumer
    │ ├ ClientIdInUse
    │ ├ OtherEpoch
    │ ├ UnrelatedCopy
    │ └ UpdateGap
    └ StoreError         the durable document cannot give or take it
      ├ DocumentNotFound
      ├ StoreUnavailable
      ├ CorruptUpdate
      │ └ DocumentUnreadable
      ├ DocumentQuarantined
      ├ HistoryNotFound
      ├ HistoryGone
      └ SchemaTooNew

`close_code` is the WebSocket close code a connection gets when the error ends it (RFC 6455 section 7.4,
4400-4499: y-websocket clients do not come back). `retryable` says whether the same request may succeed later.
"""

from typing import ClassVar


class CollabError(Exception):
    """Base of every error the engine raises on purpose. `str(error)` is fit to be shown to the client."""

    close_code: ClassVar[int] = 1011
    retryable: ClassVar[bool] = False


class ProtocolError(CollabError):
    close_code = 1007


class MalformedMessage(ProtocolError):
    """Bytes that are not valid lib0 or Yjs encoding."""


class UnknownMessage(ProtocolError):
    """A message type that the dialect does not define."""

    close_code = 1008


class MessageTooLarge(ProtocolError):
    close_code = 1009


class BadFile(ProtocolError):
    """A file to be imported that is damaged or not what it should be. The text names the part of it."""


class UnsafeUpdate(ProtocolError):
    """Well-formed, but it would cut what must stay whole, for instance half an emoji off a text."""

    close_code = 1008


class ForgedAuthor(ProtocolError):
    """A comment that says somebody else wrote it than who sent it."""

    close_code = 1008


class LimitExceeded(ProtocolError):
    """Well-formed, but more of something than Settings allows (entries, depth, clocks, held updates)."""

    close_code = 1008


class AccessError(CollabError):
    close_code = 4403


class NotAuthenticated(AccessError):
    close_code = 4401


class PermissionDenied(AccessError):
    close_code = 4403


class RoomError(CollabError):
    close_code = 1011
    retryable = True


class RoomClosed(RoomError):
    close_code = 1012


class SlowConsumer(RoomError):
    close_code = 1013


class ClientIdInUse(RoomError):
    """New edits under a Yjs client id that another open connection owns."""

    close_code = 1008


class OtherEpoch(RoomError):
    """The client's copy belongs to a lineage of the document that this server does not have."""

    close_code = 4409
    retryable = False


class UnrelatedCopy(RoomError):
    """The client's copy shares nothing with the document: merged, both texts would stand side by side."""

    close_code = 4409
    retryable = False


class UpdateGap(RoomError):
    """An update that builds on edits the document does not have. Sync first, then send it again."""

    close_code = 1008


class StoreError(CollabError):
    close_code = 1011


class DocumentNotFound(StoreError):
    close_code = 4404


class StoreUnavailable(StoreError):
    """The database cannot be reached or refuses writes just now; the same call may succeed later."""

    close_code = 1013
    retryable = True


class CorruptUpdate(StoreError):
    """A stored row does not match its checksum, or does not load."""

    close_code = 4503


class DocumentUnreadable(CorruptUpdate):
    """The disk, not the data, is at fault as far as one can tell: the same load may succeed later."""


class DocumentQuarantined(StoreError):
    """What is stored of this document is damaged or dangerous; it is kept as it is until somebody looks at it."""

    close_code = 4503


class HistoryNotFound(StoreError):
    """The document had no such state, block or version."""

    close_code = 4404


class HistoryGone(StoreError):
    """The document had such a state; it was thinned out."""

    close_code = 4404


class SchemaTooNew(StoreError):
    """The database was migrated by a newer version of Coscribe."""
