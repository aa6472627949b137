"""Which connection owns which Yjs client id, while it is open.

Yjs numbers the edits of each client id by a clock. Two connections that add edits under one id silently lose text:
whatever comes second under a clock that is taken is absorbed. So while a connection is open, it owns

    - the id that it announces as its own in awareness, and
    - if it announces none, the first id under which it types: adds edits by an update, not by a sync step 2.

A client's sync step 2 brings whatever the document lacks, other people's edits included; after a crash of the server
that is how edits come back whose authors have not reconnected yet. Those of authors who have are left to them, and the
rest is taken (`collab.turns`). Carrying edits gives no claim to their ids. Nor do
updates of a client that has announced another id: it may pass on what reached it from a peer.
"""

from collab.awareness import AwarenessTable
from collab.scanner import ScannedUpdate
from collab.session import Session
from collab.types import ClientId


class ClientIds:
    def __init__(self, awareness: AwarenessTable[Session]) -> None:
        self._owners: dict[ClientId, Session] = {}
        self._awareness = awareness

    def bind(self, session: Session, client: ClientId) -> None:
        """`session` types as `client`, which nobody else owns."""
        announced = self._awareness.announced(session)
        if announced is not None and announced != client:
            return
        if session.client_id is None and self._owners.setdefault(client, session) is session:
            session.client_id = client

    def release(self, session: Session) -> None:
        if session.client_id is not None:
            del self._owners[session.client_id]

    def others(self, session: Session | None, scanned: ScannedUpdate, clocks: dict[int, int]) -> list[Session]:
        """Other connections that own an id under which `scanned` adds edits."""
        found = []
        for client, _, end in scanned.ranges:
            if end > clocks.get(client, 0):
                owner = self._owner(client)
                if owner is not None and owner is not session:
                    found.append(owner)
        return found

    def may_bring(self, session: Session, client: int) -> bool:
        """Whether no other connection owns `client`."""
        return self._owner(client) in (None, session)

    def _owner(self, client: int) -> Session | None:
        return self._owners.get(ClientId(client)) or self._awareness.owner(ClientId(client))

    def announced_by_another(self, session: Session, scanned: ScannedUpdate, clocks: dict[int, int]) -> bool:
        """Whether another connection announces an id under which `scanned` adds edits as its own."""
        for client, _, end in scanned.ranges:
            if end > clocks.get(client, 0):
                owner = self._awareness.owner(ClientId(client))
                if owner is not None and owner is not session:
                    return True
        return False
