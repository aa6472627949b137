"""A process for one heavy piece of work on what strangers wrote: `python -m web.worker TASK OPTIONS`.

It limits itself before it reads a byte, takes its input on stdin, gives its result on stdout, and says on stderr, in
lines of JSON, how far it is and why it failed. It has no secrets and no network, but for the tasks that read
the database. `web.workers` starts it.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from collab.errors import CollabError

FAILED = 3
"""Exit code after an error that the last line on stderr names."""
_NICE = 10


def main(tasks: Mapping[str, Callable[..., bytes]] | None = None) -> None:
    task, options = sys.argv[1], json.loads(sys.argv[2])
    limit_resources(options.pop("cpu_seconds"), options.pop("memory_bytes"))
    try:
        sys.stdout.buffer.write((tasks or TASKS)[task](sys.stdin.buffer.read(), **options))
        sys.stdout.buffer.flush()
    except CollabError as error:
        _fail(type(error).__name__, str(error))
    except MemoryError:
        _fail("LimitExceeded", "this takes more memory than the server allows for it")
    except RecursionError:
        _fail("LimitExceeded", "this is nested too deep")


def limit_resources(cpu_seconds: int, memory_bytes: int) -> None:
    """Other processes go first: people who edit notice nothing of an export."""
    os.nice(_NICE)
    try:
        import resource
    except ImportError:  # Windows; there the parent's clock has to do
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def report(what: str, done: int, total: int) -> None:
    """Tell the parent how far the work is."""
    _say({"what": what, "done": done, "total": total})


def _fail(kind: str, text: str) -> None:
    _say({"error": kind, "text": text})
    sys.exit(FAILED)


def _say(line: dict[str, Any]) -> None:
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


def _check_archive(_: bytes, file: str, spool: str, limits: dict[str, int], document_bytes_max: int) -> bytes:
    from pathlib import Path

    from collab.archive.reader import check_archive
    from collab.zips import ZipLimits

    with open(spool, "wb") as target:
        found = check_archive(Path(file), target, ZipLimits(**limits), document_bytes_max, report)
    return json.dumps(found).encode()


def _write_archive(data: bytes, file: str, content: bool) -> bytes:
    """A task with a database: to read it, never to write."""
    import asyncio
    import os
    from pathlib import Path

    from storage.blobs import blobs_at
    from web.archiving import export_archive

    chosen = json.loads(data)
    url = os.environ["COSCRIBE_DATABASE_URL"]
    blobs = blobs_at(os.environ["COSCRIBE_FILES_URL"], Path(os.environ["COSCRIBE_DATA_DIR"]))
    exporting = export_archive(url, Path(file), blobs, chosen=chosen, content=content, progress=report)
    return json.dumps(asyncio.run(exporting)).encode()


def _write_files(data: bytes, file: str, format: str) -> bytes:
    """As `_write_archive`."""
    import asyncio
    import os
    from pathlib import Path

    from web.archiving import export_files

    url = os.environ["COSCRIBE_DATABASE_URL"]
    exporting = export_files(url, Path(file), chosen=json.loads(data), format=format, progress=report)
    return json.dumps(asyncio.run(exporting)).encode()


def _render(data: bytes, format: str, title: str, state_bytes: int | None = None) -> bytes:
    """Of a state, with the images that follow it in `data`."""
    from collab.export.formats import EXPORT_FORMATS

    images = {} if state_bytes is None else json.loads(data[state_bytes:] or b"{}")
    return EXPORT_FORMATS[format].render(data[:state_bytes], title, images)


def _read(data: bytes, format: str, document_bytes_max: int) -> bytes:
    from collab.imports.formats import new_document

    return new_document(data, format, document_bytes_max)


def _list_store(_: bytes, kind: str, path: str, limits: dict[str, int]) -> bytes:
    from pathlib import Path

    from storage.foreign.stores import StoreLimits
    from storage.foreign.transfer import list_store

    return json.dumps(list_store(kind, Path(path), StoreLimits(**limits))).encode()


def _read_store(
    data: bytes,
    kind: str,
    path: str,
    limits: dict[str, int],
    states: str,
    spool: str,
    now_ms: int,
    with_damaged: bool,
    before: int,
    total: int,
) -> bytes:
    """Args:
    before, total: how many documents are done already, and how many there are.
    """
    from pathlib import Path

    from storage.foreign.stores import StoreLimits
    from storage.foreign.transfer import read_store

    with open(states, "rb") as known, open(spool, "wb") as target:
        faults = read_store(
            kind,
            Path(path),
            StoreLimits(**limits),
            json.loads(data),
            known,
            target,
            now_ms=now_ms,
            with_damaged=with_damaged,
            report=lambda done: report("documents", before + done, total),
        )
    return json.dumps(faults).encode()


TASKS: Mapping[str, Callable[..., bytes]] = {
    "render": _render,
    "read": _read,
    "check_archive": _check_archive,
    "write_archive": _write_archive,
    "write_files": _write_files,
    "list_store": _list_store,
    "read_store": _read_store,
}

if __name__ == "__main__":
    main()
