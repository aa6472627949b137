"""A power cut, after the event: rebuilds a database's files as a disk may hold them after the power failed.

From strace's record of every write, truncation and fsync of the database's files comes what the files can hold at any
moment: what was synced is there; of what was written since, each sector of 512 bytes may have reached the disk or not,
whatever the others did.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

SECTOR = 512
SYSCALLS = "trace=pwrite64,write,ftruncate,fsync,fdatasync"
_CALL = re.compile(
    r"^(?:\d+ +)?(?P<name>pwrite64|write|ftruncate|fsync|fdatasync)\((?P<fd>\d+)<(?P<path>[^>]*)>(?:\(deleted\))?"
    r'(?:, "(?P<data>(?:\\x[0-9a-f]{2})*)")?(?:, (?P<first>\d+))?(?:, (?P<second>\d+))?\) += (?P<result>-?\d+)'
)


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    """write, truncate, sync, or said (to standard output)."""
    path: str
    data: bytes = b""
    offset: int = 0


class Unreadable(AssertionError):
    """strace's record holds a line that is not understood: nothing may be concluded from it."""


def events(record: str, directory: Path) -> list[Event]:
    """What was done to the files in `directory`, and what was said, in order.

    Raises:
        Unreadable.
    """
    found = []
    for line in _whole(record):
        call = _CALL.match(line)
        if call is None:
            raise Unreadable(line[:300])
        name, path, result = call["name"], _text(call["path"]), int(call["result"])
        if call["fd"] == "1":
            found.append(Event("said", "", _decode(call["data"])))
        elif Path(path).parent == directory and not path.endswith((".lock", "-shm")):
            if result < 0:
                raise Unreadable(line[:300])
            if name == "pwrite64":
                found.append(Event("write", path, _decode(call["data"]), int(call["second"])))
            elif name == "ftruncate":
                found.append(Event("truncate", path, offset=int(call["first"])))
            elif name in ("fsync", "fdatasync"):
                found.append(Event("sync", path))
            else:
                raise Unreadable(line[:300])
    return found


def _whole(record: str) -> Iterator[str]:
    """Lines of complete calls: strace cuts a call in two where another thread comes in between."""
    begun: dict[str, str] = {}
    for line in record.splitlines():
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>").rstrip()
        elif " resumed>" in line:
            yield begun.pop(thread) + line.split(" resumed>", 1)[1]
        elif "+++" not in line and "---" not in line:
            yield line


def _text(path: str) -> str:
    return _decode(path).decode() if path.startswith("\\x") else path


def _decode(data: str) -> bytes:
    return bytes.fromhex(data.replace("\\x", ""))


class Disk:
    """Files as they were synced, and what was done to them since."""

    def __init__(self, directory: Path) -> None:
        self._synced = {str(path): path.read_bytes() for path in directory.iterdir() if path.is_file()}
        self._since: dict[str, list[Event]] = {}

    def apply(self, event: Event) -> None:
        if event.kind == "sync":
            content = bytearray(self._synced.get(event.path, b""))
            for done in self._since.pop(event.path, []):
                _carry_out(content, done)
            self._synced[event.path] = bytes(content)
        else:
            self._since.setdefault(event.path, []).append(event)

    def after_power_cut(self, rng: Random, kept: float) -> dict[str, bytes]:
        """The files, if each unsynced sector was written with probability `kept`. A file that was never synced may be
        missing as well."""
        files = {}
        for path in {*self._synced, *self._since}:
            content = bytearray(self._synced.get(path, b""))
            for event in self._since.get(path, []):
                for part in _sectors(event):
                    if rng.random() < kept:
                        _carry_out(content, part)
            if path in self._synced or content:
                files[path] = bytes(content)
        return files


def _sectors(event: Event) -> Iterator[Event]:
    if event.kind == "truncate":
        yield event
        return
    start = event.offset
    end = start + len(event.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield Event("write", event.path, event.data[start - event.offset : stop - event.offset], start)
        start = stop


def _carry_out(content: bytearray, event: Event) -> None:
    if event.kind == "truncate":
        if len(content) > event.offset:
            del content[event.offset :]
        else:
            content.extend(bytes(event.offset - len(content)))
        return
    end = event.offset + len(event.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[event.offset : end] = event.data
