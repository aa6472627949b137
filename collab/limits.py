"""How much one room and its clients may use. `web.settings` fills it from the environment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoomLimits:
    message_bytes_max: int = 1024 * 1024
    """Largest message other than sync step 2; a larger one closes with 1009."""
    sync_bytes_max: int = 8 * 1024 * 1024
    """Largest sync step 2 (a client's offline edits)."""
    document_bytes_max: int = 50 * 1024 * 1024
    """Merged state of one document; an update that would grow it beyond closes with 1009."""
    awareness_state_bytes_max: int = 16 * 1024
    awareness_entries_max: int = 1_000
    stateless_bytes_max: int = 64 * 1024
    """Largest message that is only passed on (`collab.messages.STATELESS`); a larger one ends the session."""
    held_bytes_max: int = 256 * 1024
    """Updates of one connection that wait for edits they build on; one update may be larger."""
    held_updates_max: int = 32
    held_seconds_max: float = 10.0
    """After that a connection whose updates still wait is closed with 1008; it syncs anew when it comes back."""
    unsaved_bytes_max: int = 64 * 1024 * 1024
    """Edits of all rooms that wait for the database; beyond it writers are closed with 1013."""
    refuse_unrelated: bool = False
    """Whether a client whose copy shares nothing with the document is closed with 4409, instead of merged with it."""
    flush_seconds_max: float = 0.025
    """Under load a room collects edits for at most this long before it relays them."""
    commit_window_seconds: float = 0.010
    """How long the log waits for company before it commits. The relay never waits."""
    idle_seconds: float = 10.0
    """A room without connections leaves memory after this long."""
    checkpoint_rows: int = 1_000
    """Rows after a checkpoint that make the next one due."""
    checkpoint_bytes: int = 256 * 1024
    """Bytes after a checkpoint that make the next one due, if they are also as many as the checkpoint has."""
