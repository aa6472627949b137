"""The door before pycrdt: one linear pass over a Yjs v1 update, without recursion and without believing any count.

Why it exists: bytes that pycrdt does not check can end the process (deeply nested values or shared types), make it
reserve gigabytes (declared counts), be applied as something else (v2 encoding, clocks beyond 32 bits), or leave edits
waiting for ever. No exception can be caught for the first two.

Rule S1: whatever pycrdt and Yjs write is accepted. What Yjs and yrs read differently is refused, and so is what pycrdt
writes when it is told to insert in the middle of a character: no other replica can ever integrate that.
Rule S2: whatever is accepted, pycrdt survives: it decodes it, and ends neither in a crash nor in a loop. It may still
panic or raise on an update that contradicts the document it is applied to; callers keep a guard for that.
Rule S3: an update applied to a document whose state vector covers `needs`, and reaches the start of every range, leaves
nothing pending.
Rule S4: time and memory are proportional to the bytes of the update.

Three things one update alone does not show, and rooms must see to: whether it cuts an item that has to stay whole
(`collab.shape`); how deep many updates together nest shared types (`ScannedUpdate.levels` is what each may add); and
the time yrs takes to place edits that many others share a position with, which grows with the square of their number
(`ScannedUpdate.structs` bounds it).
"""

import heapq
from bisect import bisect_right
from dataclasses import dataclass

from collab.codec import CLOCK_END, read_long_var_uint
from collab.contents import STRING, TYPE, Allowance, skip_content, skip_string, utf16_length
from collab.errors import LimitExceeded, MalformedMessage
from collab.keystroke import decode_client, decode_clock, match_deletion, match_typed
from collab.structs import GC, SKIP, Id, StructTable


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """How much of everything one update may hold. The defaults fit whole documents as well as single edits."""

    structs: int = 500_000
    """Structs, and ranges of deletions. About 200 bytes each once pycrdt holds them."""
    clients: int = 100_000
    """Everybody who ever edited a document, once per browser session."""
    depth: int = 100
    """Values nested in one another, in Any and in JSON. yrs refuses JSON at 128 and dies of 26,000 Any."""
    values: int = 1_000_000
    """Values in Any and, roughly, in JSON. Up to 48 bytes each once pycrdt holds them."""
    levels: int = 200
    """Shared types nested in one another within one update. yrs dies deleting about 33,000."""
    name_bytes: int = 4_096
    """Names of roots, XML elements, formats and subdocuments, and keys of maps."""


DEFAULT_LIMITS = ScanLimits()

STATE_LIMITS = ScanLimits(structs=10_000_000, clients=2_000_000, values=50_000_000, levels=10_000)
"""For merged states of our own: many updates that passed one by one. Still bounds what would end the process."""


class ScannedUpdate:
    """What an update brings, and what it builds on."""

    __slots__ = ("deletes", "levels", "needs", "ranges", "structs")

    def __init__(
        self, ranges: list[tuple[int, int, int]], needs: dict[int, int], deletes: bool, structs: int, levels: int
    ) -> None:
        self.ranges = ranges
        """(client, first clock, end clock) of each longest run of edits without a gap, in order of appearance."""
        self.needs = needs
        """By client, the clock a document must have reached apart from what the update itself brings."""
        self.deletes = deletes
        """It deletes something (which may long be deleted)."""
        self.structs = structs
        """Number of structs."""
        self.levels = levels
        """At most this many levels of nested shared types are added below what the update is attached to."""


def scan_update(data: bytes, limits: ScanLimits = DEFAULT_LIMITS) -> ScannedUpdate:
    """Check a whole Yjs v1 update.

    Raises:
        MalformedMessage: it is not an update that Yjs and yrs both read, in one way.
        LimitExceeded: it is, and holds more of something than `limits` allows.
    """
    keystroke = _scan_keystroke(data)
    if keystroke is not None:
        return keystroke
    try:
        return _scan(data, limits)
    except IndexError:
        raise MalformedMessage("the update ends inside a value") from None


def _scan_keystroke(data: bytes) -> ScannedUpdate | None:
    """The shortcut: one string of one client and at most one deletion. None for everything else, malformed or not."""
    typed = match_typed(data)
    if typed is None:
        if data[:1] != b"\x00":
            return None
        return _keystroke([], 0, {}, data[1:])
    client_bytes, clock_bytes, left_client, left_clock, near_client, near_clock, length, rest = typed.groups()
    client = decode_client(client_bytes)
    clock = decode_clock(clock_bytes)
    needs: dict[int, int] = {}
    for other, at in ((near_client, near_clock), (left_client, left_clock)):
        if other == client_bytes:
            if decode_clock(at) >= clock:
                return None
        elif other is not None:
            needs[decode_client(other)] = max(needs.get(decode_client(other), 0), decode_clock(at) + 1)
    size = length[0]
    if not rest[:size].isascii() or len(rest) <= size:
        return None
    ranges = [(client, clock, clock + size)]
    if rest[size:] == b"\x00":
        return ScannedUpdate(ranges, needs, False, 1, 0)
    return _keystroke(ranges, 1, needs, rest[size:])


def _keystroke(
    ranges: list[tuple[int, int, int]], structs: int, needs: dict[int, int], deletions: bytes
) -> ScannedUpdate | None:
    match = match_deletion(deletions)
    if match is None:
        return None
    client_bytes, start, length = match.groups()
    client = decode_client(client_bytes)
    count = decode_clock(length)
    if count == 0:
        return None
    end = decode_clock(start) + count
    if (not ranges or client != ranges[0][0] or end > ranges[0][2]) and end > needs.get(client, 0):
        needs[client] = end
    return ScannedUpdate(ranges, needs, True, structs, 0)


# -- the general path


class _Found:
    """What the sections of one update hold together."""

    __slots__ = ("allowance", "clients", "links", "parents", "ranges", "structs", "types")

    def __init__(self, limits: ScanLimits) -> None:
        self.allowance = Allowance(limits.depth, limits.name_bytes, limits.values)
        self.clients: set[int] = set()
        self.structs = 0
        self.ranges: list[tuple[int, int, int]] = []
        self.links: list[tuple[int, int, int, int]] = []
        """(client, clock) of a struct and of what it builds on, where that is another client's."""
        self.parents: set[Id] = set()
        """Items named as parents."""
        self.types: set[Id] = set()
        """Items that hold a shared type."""


def _scan(data: bytes, limits: ScanLimits) -> ScannedUpdate:
    found = _Found(limits)
    count, position = _var_uint(data, 0)
    if count > limits.clients:
        raise LimitExceeded(f"an update of {count} clients; {limits.clients} are allowed")
    for _ in range(count):
        position = _scan_section(data, position, found, limits)
    delete_ends, position = _scan_deletions(data, position, limits)
    if position != len(data):
        raise MalformedMessage(f"{len(data) - position} bytes follow the update")
    runs: dict[int, list[tuple[int, int]]] = {}
    for client, start, end in found.ranges:
        runs.setdefault(client, []).append((start, end))
    if found.links:
        _check_order(found.links, runs)
    levels = _check_parents(data, found, runs, limits)
    return ScannedUpdate(
        found.ranges, _needs(found, runs, delete_ends), any(delete_ends.values()), found.structs, levels
    )


def _scan_section(data: bytes, position: int, found: _Found, limits: ScanLimits) -> int:
    """Scan all structs of one client."""
    count, position = _var_uint(data, position)
    id_start = position
    client, position = _var_uint(data, position)
    own = data[id_start:position]
    clock, position = _var_uint(data, position)
    if client in found.clients:
        raise MalformedMessage("a client has two sections in one update")
    found.clients.add(client)
    if count > (len(data) - position) // 2:
        raise MalformedMessage(f"{count} structs are declared in {len(data) - position} bytes")
    found.structs += count
    if found.structs > limits.structs:
        raise LimitExceeded(f"an update of more than {limits.structs} structs")
    first = run = clock
    name_bytes = limits.name_bytes
    for _ in range(count):
        info = data[position]
        position += 1
        if info in (GC, SKIP):
            length, position = _var_uint(data, position)
            if length == 0:
                raise MalformedMessage("a struct without length")
            if info == SKIP:
                if clock > run:
                    found.ranges.append((client, run, clock))
                run = clock + length
            clock += length
            continue
        if info & 0xC0:
            for flag in (0x80, 0x40):
                if info & flag:
                    if data.startswith(own, position):
                        other = client
                        position += len(own)
                    else:
                        other, position = _var_uint(data, position)
                    at = data[position]
                    position += 1
                    if at > 127:
                        at, position = read_long_var_uint(data, position)
                    if other != client:
                        found.links.append((client, clock, other, at))
                    elif at >= clock:
                        raise MalformedMessage("an edit builds on itself or on a later one")
        else:
            position = _scan_parent(data, position, client, clock, found, name_bytes)
            if info & 0x20:
                position = skip_string(data, position, name_bytes)
        kind = info & 31
        if kind == STRING and (length := data[position]) < 128:
            position += 1
            text = data[position : position + length]
            if len(text) < length:
                raise MalformedMessage("a value is longer than what is left of the update")
            position += length
            if not text.isascii():
                length = utf16_length(text)
        else:
            if kind == TYPE:
                found.types.add((client, clock))
            position, length = skip_content(data, position, kind, found.allowance)
        clock += length
    if clock > run:
        found.ranges.append((client, run, clock))
    # yrs drops strings without length, writes one where somebody split a surrogate pair, and panics on a section that
    # holds nothing else.
    if clock == first:
        raise MalformedMessage("a section without edits")
    if clock >= CLOCK_END:
        raise MalformedMessage("a clock is 2**31 or larger")
    return position


def _scan_parent(data: bytes, position: int, client: int, clock: int, found: _Found, name_bytes: int) -> int:
    named = data[position]
    position += 1
    if named == 1:
        return skip_string(data, position, name_bytes)
    if named:
        raise MalformedMessage("a parent that is neither a root nor an item")
    other, position = _var_uint(data, position)
    at, position = _var_uint(data, position)
    if other != client:
        found.links.append((client, clock, other, at))
    elif at >= clock:
        raise MalformedMessage("an edit builds on itself or on a later one")
    found.parents.add((other, at))
    return position


def _scan_deletions(data: bytes, position: int, limits: ScanLimits) -> tuple[dict[int, int], int]:
    """Scan the delete set.

    Returns:
        By client the end of its last deletion, and where the set ends.
    """
    ends: dict[int, int] = {}
    count, position = _var_uint(data, position)
    total = 0
    for _ in range(count):
        client, position = _var_uint(data, position)
        ranges, position = _var_uint(data, position)
        if client in ends:
            # yrs keeps the last list, Yjs all of them
            raise MalformedMessage("a client's deletions are listed twice")
        if ranges > (len(data) - position) // 2:
            raise MalformedMessage(f"{ranges} deletions are declared in {len(data) - position} bytes")
        total += ranges
        if total > limits.structs:
            raise LimitExceeded(f"an update of more than {limits.structs} deletions")
        end = 0
        for _ in range(ranges):
            start = data[position]
            position += 1
            if start > 127:
                start, position = read_long_var_uint(data, position)
            length = data[position]
            position += 1
            if length > 127:
                length, position = read_long_var_uint(data, position)
            if start < end or length == 0:
                # yrs searches the list as a sorted one: merging two of which one is not loses deletions
                raise MalformedMessage("deletions overlap or are not in ascending order")
            end = start + length
        if end >= CLOCK_END:
            raise MalformedMessage("a clock is 2**31 or larger")
        ends[client] = end
    return ends, position


def _var_uint(data: bytes, position: int) -> tuple[int, int]:
    value = data[position]
    position += 1
    return read_long_var_uint(data, position) if value > 127 else (value, position)


# -- what the structs mean together

_Runs = dict[int, list[tuple[int, int]]]
"""Start and end of each run, by client, ascending."""


def _within(runs: _Runs, client: int, clock: int) -> bool:
    own = runs.get(client, [])
    nth = bisect_right(own, (clock, CLOCK_END)) - 1
    return nth >= 0 and clock < own[nth][1]


def _needs(found: _Found, runs: _Runs, delete_ends: dict[int, int]) -> dict[int, int]:
    """What must be there before. Clocks below a client's last run are either in the update or below the start of a
    run, which the document must have reached anyway."""
    needs: dict[int, int] = {}
    for _, _, client, clock in found.links:
        if clock >= needs.get(client, 0) and (client not in runs or clock >= runs[client][-1][1]):
            needs[client] = clock + 1
    for client, end in delete_ends.items():
        if end > needs.get(client, 0) and (client not in runs or end > runs[client][-1][1]):
            needs[client] = end
    return needs


def _check_order(links: list[tuple[int, int, int, int]], runs: _Runs) -> None:
    """Make sure that some order exists in which everything can be integrated.

    Walks all sections at once; each stops at an edit that builds on one of another section not reached yet.

    Raises:
        MalformedMessage: edits build on one another in a circle. yrs and Yjs would keep them waiting for ever.
    """
    waiting_at: dict[int, list[tuple[int, int, int]]] = {}
    for client, clock, other, at in links:
        if other in runs:
            waiting_at.setdefault(client, []).append((clock, other, at))
    progress = {client: stops[0][0] for client, stops in waiting_at.items()}
    following = dict.fromkeys(waiting_at, 0)
    sleepers: dict[int, list[tuple[int, int]]] = {}
    runnable = list(waiting_at)
    while runnable:
        client = runnable.pop()
        stops = waiting_at[client]
        nth = following[client]
        while nth < len(stops):
            _, other, at = stops[nth]
            if other in progress and progress[other] <= at:
                heapq.heappush(sleepers.setdefault(other, []), (at, client))
                break
            nth += 1
        following[client] = nth
        if nth < len(stops):
            progress[client] = stops[nth][0]
        else:
            del progress[client]
        asleep = sleepers.get(client, [])
        while asleep and (client not in progress or asleep[0][0] < progress[client]):
            runnable.append(heapq.heappop(asleep)[1])
    if progress:
        raise MalformedMessage("edits build on one another in a circle")


def _check_parents(data: bytes, found: _Found, runs: _Runs, limits: ScanLimits) -> int:
    """Make sure that parents are shared types, and not nested too deep.

    Returns:
        How many levels of types the update may add. Each but the first is an item named as the parent of another.
    """
    parents_here = found.parents & found.types
    strange = any(_within(runs, *parent) for parent in found.parents - parents_here)
    levels = len(parents_here) + 1 if found.types else 0
    if strange or levels > limits.levels:
        table = StructTable(data)
        table.check_parents()
        levels = table.type_levels()
        if levels > limits.levels:
            raise LimitExceeded(f"shared types are nested more than {limits.levels} deep")
    return levels
