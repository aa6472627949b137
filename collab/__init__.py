"""The sync engine: documents, rooms, sessions and the ports they need. No SQL, no HTTP, no server."""
