"""The presence table of one room: who is here, as the clients describe themselves. Never stored.

    A1  A connection writes one awareness client id: the first one it announces. Entries for any other id are
        ignored (y-websocket clients repeat each other's states, so they are no reason to close).
    A2  An id belongs to the connection that announced it until that connection closes, or has been silent for
        `SILENT_S` (clients renew every 15 s) and somebody else announces it.
    A3  The newest clock wins; an equal clock wins only to say "gone".
    A4  A message is decoded and checked as a whole before any of it takes effect.
    A5  Nobody goes by another's name: `user.name`, from which editors take what stands at a caret, is the name that the
        server knows, and that of a guest says so. Where nobody has a name, states stay as they are.
    A6  For a connection that renews nothing, the server does: Yjs clients forget whom they have not heard of for 30 s.
        Each time it counts the clock on, for the connection itself as well, and takes what that says under a clock of
        its own all the same.
    A7  A client that comes back under the clock under which it left would not be seen: others have heard that it is
        gone under that one. For those that do not count on by themselves the server does, at the first announcement.

Source: y-protocols awareness.js. An entry is `clientID varuint, clock varuint, state varstring`; the state is JSON,
and `null` means gone.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from collab.codec import Reader, write_var_bytes, write_var_uint
from collab.errors import LimitExceeded, MalformedMessage
from collab.types import ClientId

Owner = TypeVar("Owner")

GONE = b"null"
GUEST = "(guest)"
SILENT_S = 20.0
RENEW_S = 15.0
ENTRIES_PER_MESSAGE = 200
"""How many entries go into one message of ours, so that a client that repeats it stays far below the limit."""


@dataclass(frozen=True, slots=True)
class AwarenessEntry:
    client: ClientId
    clock: int
    state: bytes
    """UTF-8 JSON text, as the client wrote it."""


@dataclass(slots=True)
class _Presence(Generic[Owner]):
    entry: AwarenessEntry
    owner: Owner
    heard: float
    said: int
    """The clock under which the owner said it; that of `entry` may be further on (rule A6)."""
    renews: bool


def decode_awareness(payload: bytes, *, entries_max: int, state_bytes_max: int) -> list[AwarenessEntry]:
    """Decode an awareness update completely, or raise.

    Raises:
        MalformedMessage: not the encoding, or a state that is no JSON.
        LimitExceeded: more than `entries_max` entries, or a state larger than `state_bytes_max`.
    """
    reader = Reader(payload)
    count = reader.var_uint()
    if count > entries_max:
        raise LimitExceeded(f"an awareness message may hold {entries_max} entries, this one has {count}")
    entries = []
    for _ in range(count):
        client = ClientId(reader.var_uint())
        clock = reader.var_uint()
        state = reader.var_bytes()
        if len(state) > state_bytes_max:
            raise LimitExceeded(f"an awareness state may have {state_bytes_max} bytes, this one has {len(state)}")
        entries.append(AwarenessEntry(client, clock, state))
    if not reader.at_end:
        raise MalformedMessage("bytes left over after an awareness update")
    return entries


def encode_awareness(entries: Iterable[AwarenessEntry]) -> bytes:
    parts = [
        write_var_uint(entry.client) + write_var_uint(entry.clock) + write_var_bytes(entry.state) for entry in entries
    ]
    return write_var_uint(len(parts)) + b"".join(parts)


class AwarenessTable(Generic[Owner]):
    """Presence by client id. Time arrives as an argument, in seconds."""

    def __init__(self) -> None:
        self._present: dict[ClientId, _Presence[Owner]] = {}
        self._ids: dict[Owner, ClientId] = {}
        self._changed: dict[ClientId, AwarenessEntry] = {}

    def __len__(self) -> int:
        return len(self._present)

    @property
    def dirty(self) -> bool:
        return bool(self._changed)

    def owner(self, client: ClientId) -> Owner | None:
        presence = self._present.get(client)
        return None if presence is None else presence.owner

    def announced(self, owner: Owner) -> ClientId | None:
        """The id that `owner` has announced as its own."""
        return self._ids.get(owner)

    def receive(
        self,
        owner: Owner,
        entries: list[AwarenessEntry],
        now: float,
        name: str | None = None,
        *,
        guest: bool = False,
        renews: bool = True,
        counts_on: bool = True,
    ) -> bool:
        """Take what `owner` may say (rules A1 to A3). Returns whether somebody has to be told.

        Args:
            name, guest: see rule A5.
            renews, counts_on: see rules A6 and A7.

        Raises:
            MalformedMessage: the accepted state is not JSON text; nothing has changed.
        """
        mine = self._ids.get(owner)
        if mine is None:
            mine = self._claimable(entries, now)
        entry = next((entry for entry in entries if entry.client == mine), None)
        if mine is None or entry is None:
            return False
        known = self._present.get(mine)
        said = entry.clock
        if known is not None:
            if not _supersedes(entry, known.said if known.owner == owner else known.entry.clock):
                known.heard = now
                return False
            if known.entry.clock > known.said and entry.clock <= known.entry.clock:
                entry = replace(entry, clock=known.entry.clock + 1)
        elif not counts_on:
            entry = replace(entry, clock=entry.clock + 1)
        state = _read_json(entry.state)
        if name is not None or guest:
            entry = _named(entry, state, name, guest)
        if known is not None and known.owner != owner:
            self._ids.pop(known.owner, None)
        self._ids[owner] = mine
        self._changed[mine] = entry
        if entry.state == GONE:
            self._present.pop(mine, None)
        else:
            self._present[mine] = _Presence(entry, owner, now, said, renews)
        return True

    def renew(self, now: float) -> bool:
        """Rule A6. Returns whether there is anybody for whom it has to be done."""
        any_at_all = False
        for client, presence in self._present.items():
            if presence.renews:
                continue
            any_at_all = True
            if now - presence.heard >= RENEW_S:
                presence.heard = now
                presence.entry = self._changed[client] = replace(presence.entry, clock=presence.entry.clock + 1)
        return any_at_all

    def leave(self, owner: Owner) -> bool:
        """Forget `owner`'s presence. Returns whether somebody has to be told."""
        client = self._ids.pop(owner, None)
        presence = None if client is None else self._present.pop(client, None)
        if client is None or presence is None:
            return False
        # Equal clock and null: a client that comes back with its next clock is seen again at once.
        self._changed[client] = AwarenessEntry(client, presence.entry.clock, GONE)
        return True

    def take_changes(self) -> Iterator[bytes]:
        """The newest state of each client that changed since the last call, as bounded payloads."""
        entries = list(self._changed.values())
        self._changed.clear()
        return _chunks(entries)

    def snapshot(self) -> Iterator[bytes]:
        """Everybody present, as bounded payloads."""
        return _chunks([presence.entry for presence in self._present.values()])

    def _claimable(self, entries: list[AwarenessEntry], now: float) -> ClientId | None:
        for entry in entries:
            known = self._present.get(entry.client)
            if entry.state != GONE and (known is None or now - known.heard > SILENT_S):
                return entry.client
        return None


def _supersedes(entry: AwarenessEntry, clock: int) -> bool:
    return entry.clock > clock or (entry.clock == clock and entry.state == GONE)


def _read_json(state: bytes) -> Any:
    # As strict as JSON.parse: anything looser would make every other client of the room throw.
    try:
        return json.loads(state.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedMessage("an awareness state must be JSON") from None


def _named(entry: AwarenessEntry, state: Any, name: str | None, guest: bool) -> AwarenessEntry:
    """Rule A5. Honest clients say the right name themselves, and theirs goes on as it is."""
    user = state.get("user") if isinstance(state, dict) else None
    if not isinstance(user, dict) or "name" not in user:
        return entry
    said = user["name"]
    if guest:
        given = said if isinstance(said, str) else ""
        name = given if given.endswith(GUEST) else f"{given} {GUEST}".strip()
    if said == name:
        return entry
    user["name"] = name
    try:
        # ASCII alone: half a surrogate pair can be read from JSON, and not be written as UTF-8.
        text = json.dumps(state, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise MalformedMessage("an awareness state holds a number that JSON has not") from None
    return AwarenessEntry(entry.client, entry.clock, text.encode())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _chunks(entries: list[AwarenessEntry]) -> Iterator[bytes]:
    for start in range(0, len(entries), ENTRIES_PER_MESSAGE):
        yield encode_awareness(entries[start : start + ENTRIES_PER_MESSAGE])
