"""A process of its own that loads one document and may die of it: `python -m collab.examine BYTES_MAX SECONDS_MAX`.

On stdin come the parts of the document, each as eight bytes of length and its bytes. On stdout goes a dot for each part
that was applied; after the last one everything that a server does with a document it loads is done here once, and if
that went well an exclamation mark and the whole state follow. The exit code is 0 then; 3 means that a part was refused.
"""

import os
import resource
import sys
from collections.abc import Iterator
from typing import BinaryIO

APPLIED, DONE = b".", b"!"
REFUSED_EXIT, FAILED_EXIT = 3, 4


def main(bytes_max: int, seconds_max: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (bytes_max, bytes_max))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds_max, seconds_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from collab.errors import CollabError
    from collab.export.text import document_text
    from collab.guard import NOT_PANICS
    from collab.live import LiveDocument
    from collab.scanner import STATE_LIMITS, scan_update

    parts: list[bytes] = []
    try:
        live = LiveDocument([])
        for part in read_parts(sys.stdin.buffer):
            scan_update(part, STATE_LIMITS)
            live.apply([part])
            parts.append(part)
            os.write(1, APPLIED)
        live = LiveDocument(parts)
        live.refresh_clocks()
        live.measure_levels()
        live.admit(b"\x00\x00")
        state = live.state()
        document_text(state)
        live.since(b"\x00")
    except NOT_PANICS:
        raise
    except CollabError:
        return REFUSED_EXIT
    except BaseException:
        return FAILED_EXIT
    sys.stdout.buffer.write(DONE + state)
    return 0


def write_part(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part


def read_parts(stream: BinaryIO) -> Iterator[bytes]:
    while head := stream.read(8):
        yield stream.read(int.from_bytes(head, "big"))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
