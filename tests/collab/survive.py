"""A process that may die: applies updates as they come, so that a crash or a loop in pycrdt costs only this process.

`Victim` starts it and feeds it. It reads updates from standard input, each behind its length in four bytes, and answers
each with a line of JSON: what every step came to. No answer in time is a hang, an end of the stream is a crash.
`ends_with` has it apply many to one document instead.
"""

import json
import os
import random
import resource
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from pycrdt import Doc, Text, get_state, merge_updates

from collab.codec import decode_state_vector
from collab.export.text import document_text
from collab.scanner import STATE_LIMITS, scan_update
from collab.shape import DocumentShape
from tests.collab.editing import session
from tests.hostile import SHARED_STATE, deletions, update

MEMORY_BYTES: Final = 1 << 30
OK: Final = "ok"
CUTS: Final = "cuts what has to stay whole"
PANIC: Final = "PanicException"

Outcome = dict[str, str]
"""By step: OK, CUTS, or the exception's type and text."""


class Died(Exception):
    """The process crashed, or gave no answer in time."""


class Victim:
    """The process, seen from outside. Starts anew after every death."""

    def __init__(self, *, patience_s: float = 20) -> None:
        self.patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bury()

    def feed(self, update: bytes) -> Outcome:
        """Let it have an update.

        Raises:
            Died: it crashed or hung; the text holds the update.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.collab.survive"],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(update).to_bytes(4, "big") + update)
        process.stdin.flush()
        if not select.select([process.stdout], [], [], self.patience_s)[0]:
            self._bury()
            raise Died(f"no answer in {self.patience_s} s: {update.hex()}")
        answer = process.stdout.readline()
        if not answer:
            raise Died(f"ended with {self._bury()}: {update.hex()}")
        outcome: Outcome = json.loads(answer)
        return outcome

    def _bury(self) -> int | None:
        if self._process is None:
            return None
        with self._process as process:
            process.kill()
        self._process = None
        return process.returncode


def ends_with(updates: Sequence[bytes], *, guarded: bool) -> int:
    """Apply `updates` one after another to one document, in a process of their own.

    Args:
        guarded: leave out what `DocumentShape` does not admit.

    Returns:
        The exit code; negative is the signal that ended it.
    """
    return subprocess.run(
        [sys.executable, "-m", "tests.collab.survive", "guarded" if guarded else "unguarded"],
        cwd=Path(__file__).parents[2],
        input=b"".join(len(update).to_bytes(4, "big") + update for update in updates),
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MALLOC_PERTURB_": "165"},  # glibc overwrites what is freed
        check=False,
    ).returncode


def populated_state() -> bytes:
    """A document that has something of everything, by the client ids that random updates refer to. Except for
    subdocuments: pycrdt never frees a Doc that holds one."""
    _, log = session(random.Random(20), replicas=4, edits=25, subdocuments=False)
    return merge_updates(SHARED_STATE, *log)


def survive(update: bytes, base: bytes) -> Outcome:
    """Everything a server does with an update: on an empty document, on one with content, and to the bytes alone.

    Where it would cut what has to stay whole, no room applies it, and neither does this: yrs may not survive that.
    """
    outcome = {
        "get_state": _attempt(lambda: get_state(update)),
        "merge": _attempt(lambda: merge_updates(base, update)),
    }
    for name, parts in (("empty", []), ("populated", [base])):
        doc: Doc[Any] = Doc()
        shape = DocumentShape()
        for part in parts:
            doc.apply_update(part)
            shape.learn(part)
        if not shape.admit(update, decode_state_vector(doc.get_state())):
            outcome[f"{name}: apply"] = CUTS
            continue
        outcome[f"{name}: apply"] = applied = _attempt(lambda doc=doc: doc.apply_update(update))
        if applied == OK:
            outcome |= {f"{name}: {step}": result for step, result in _use(doc).items()}
    return outcome


def _use(doc: Doc[Any]) -> Outcome:
    """What happens to a document afterwards: it is encoded, loaded, read, edited and emptied."""
    outcome = {}
    states: list[bytes] = []
    outcome["get_update"] = _attempt(lambda: states.append(doc.get_update()))
    for state in states:
        outcome["scan state"] = _attempt(lambda state=state: scan_update(state, STATE_LIMITS))
        if outcome["scan state"] == OK:
            outcome["reload"] = _attempt(lambda state=state: _reload(state, doc))
            outcome["read"] = _attempt(lambda state=state: document_text(state))
    outcome["edit"] = _attempt(lambda: doc.get("t", type=Text).insert(0, "x"))
    outcome["empty"] = _attempt(lambda: doc.apply_update(_delete_all(doc)))
    return outcome


def _reload(state: bytes, doc: Doc[Any]) -> None:
    loaded: Doc[Any] = Doc()
    loaded.apply_update(state)
    known, kept = (decode_state_vector(each.get_state()) for each in (doc, loaded))
    if known != kept:
        raise AssertionError(f"clocks {known} became {kept}")


def _delete_all(doc: Doc[Any]) -> bytes:
    clocks = decode_state_vector(doc.get_state())
    return update(deletions=deletions({client: [(0, clock)] for client, clock in clocks.items() if clock}))


def _attempt(step: Callable[..., object]) -> str:
    try:
        step()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return OK


def _updates() -> Iterator[bytes]:
    source = sys.stdin.buffer
    while header := source.read(4):
        yield source.read(int.from_bytes(header, "big"))


def _answer_each() -> None:
    base = populated_state()
    for data in _updates():
        os.write(sys.stdout.fileno(), json.dumps(survive(data, base)).encode() + b"\n")


def _apply_in_sequence(*, guarded: bool) -> None:
    doc: Doc[Any] = Doc()
    shape = DocumentShape()
    for data in _updates():
        if not guarded or shape.admit(data, decode_state_vector(doc.get_state())):
            doc.apply_update(data)
    scan_update(doc.get_update(), STATE_LIMITS)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.argv[1:]:
        _apply_in_sequence(guarded=sys.argv[1] == "guarded")
    else:
        _answer_each()
