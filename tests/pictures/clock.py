"""The time of a server, which a picture needs to be the same each time.

Its processes find `sitecustomize.py` on their path: there the present is moved by what a file says.
"""

import os
import time
from datetime import datetime
from pathlib import Path

from tests.servers import ServerProcess

_MOVED = """
import os, time

_real, _file, _seen = time.time_ns, os.environ["PICTURES_CLOCK"], (0, 0)


def _moved():
    global _seen
    written = os.stat(_file).st_mtime_ns
    if written != _seen[0]:
        with open(_file) as text:
            _seen = (written, int(text.read() or 0))
    return _real() + _seen[1]


time.time_ns = _moved
time.time = lambda: _moved() / 1e9
"""


class Clock:
    """Goes on by itself from wherever it was put."""

    def __init__(self, directory: Path, now: datetime) -> None:
        self._directory = directory
        self._file = directory / "offset"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "sitecustomize.py").write_text(_MOVED)
        self.put(now)

    def put(self, now: datetime) -> None:
        offset = int(now.timestamp() * 1e9) - time.time_ns()
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(offset))
        os.replace(fresh, self._file)

    def wind(self, server: ServerProcess) -> None:
        """Before it starts, by its command."""
        server.add_environment(PYTHONPATH=str(self._directory), PICTURES_CLOCK=str(self._file))
