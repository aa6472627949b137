"""Which connection owns which Yjs client id, while it is open.

Yjs numbers the edits of each client id by a clock. Two connections that add edits under one id silently lose text:
whatever comes second under a clock that is taken is absorbed. So an id belongs to the connection that first added
edits under it, or that announces it as its own in awareness, until that connection closes.
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
        """Give `client` to `session` if nobody has it."""
        if self._owners.setdefault(client, session) is session:
            session.client_ids.add(client)

    def release(self, session: Session) -> None:
        for client in session.client_ids:
            if self._owners.get(client) is session:
                del self._owners[client]

    def others(self, session: Session | None, scanned: ScannedUpdate, clocks: dict[int, int]) -> list[Session]:
        """Other connections that own an id under which `scanned` adds edits."""
        found = []
        for client, _, end in scanned.ranges:
            if end > clocks.get(client, 0):
                owner = self._owners.get(ClientId(client)) or self._awareness.owner(ClientId(client))
                if owner is not None and owner is not session:
                    found.append(owner)
        return found

    def announced_by_another(self, session: Session, scanned: ScannedUpdate, clocks: dict[int, int]) -> bool:
        """Whether another connection announces an id under which `scanned` adds edits as its own."""
        for client, _, end in scanned.ranges:
            if end > clocks.get(client, 0):
                owner = self._awareness.owner(ClientId(client))
                if owner is not None and owner is not session:
                    return True
        return False
