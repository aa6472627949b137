"""The process in which questions about the past are answered: `python -m web.history.child`.

It reads pickled requests on stdin, the first of which says which database to open, and writes pickled answers to
stdout, one after the other. It can read the database and not write it. Its parent is `web.history.process`.
"""

import asyncio
import gc
import os
import pickle
import signal
import struct
import sys
import traceback
from typing import Any, BinaryIO

from collab.errors import CollabError, LimitExceeded, StoreError
from collab.history.historian import Historian
from storage.engine import Database
from web.history.answers import Answers

LENGTH = struct.Struct(">Q")
RECURSION_MAX = 40_000
"""Shared types are nested 2,000 deep at most; each level takes some calls."""
_NICE = 10


def main() -> None:
    # Ctrl-C is for the server, which ends this process by closing its stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr  # Nothing that prints may get in between answers.
    url, memory_bytes = receive(source)
    limit_resources(memory_bytes)
    sys.setrecursionlimit(RECURSION_MAX)
    with asyncio.Runner() as runner:
        try:
            database = runner.run(Database.open(url, exclusive=False, connections=2))
        except StoreError as error:
            send(answers, error)
            return
        desk = Answers(Historian(database.log, database.history), database.history)
        send(answers, None)
        while (request := receive(source)) is not None:
            send(answers, runner.run(_answer(desk, request)))
            gc.collect()
        runner.run(database.close())


async def _answer(desk: Answers, request: Any) -> Any:
    name, arguments, options = request
    try:
        return await getattr(desk, name)(*arguments, **options)
    except CollabError as error:
        return error
    except MemoryError:
        return LimitExceeded("this takes more memory than the server allows for it")
    except RecursionError:
        return LimitExceeded("this is nested too deep")
    except Exception:
        return Failure(traceback.format_exc())


class Failure(Exception):
    """A fault of ours, as its traceback."""


def limit_resources(memory_bytes: int) -> None:
    """Other processes go first, and one document cannot take all memory."""
    os.nice(_NICE)
    try:
        import resource
    except ImportError:  # Windows; there the parent's clock has to do
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def receive(source: BinaryIO) -> Any:
    """The next message; None when there will be none."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return pickle.loads(source.read(LENGTH.unpack(head)[0]))


def send(target: BinaryIO, message: Any) -> None:
    encoded = pickle.dumps(message)
    target.write(LENGTH.pack(len(encoded)) + encoded)
    target.flush()


if __name__ == "__main__":
    from web.history import child

    # As `child` and not as `__main__`: what is pickled must have a name that the parent knows.
    child.main()
