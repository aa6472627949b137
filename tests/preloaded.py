"""Servers that start at once: processes forked from one that has imported `coscribe` already.

Importing takes longer than all the rest of a start, and there are hundreds of starts. Each of these is a process of its
own all the same, and runs the same `main` with the same arguments. What CHECKER_PLANT names is planted before
(`tests.checker.plant`).

As a program (`python -m tests.preloaded`) this is the process to fork from: one JSON request per line on stdin,
{"start": {"env", "cwd", "log"}} or {"wait": pid}; one JSON answer per line on stdout. It ends with its stdin.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.checker.plant import from_environment

_IMPORTED_BY_SERVE = (
    "web.server",
    "web.doctor",
    "web.first_run",
    "web.logs",
    "anyio._backends._asyncio",
    "encodings.idna",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvloop",
)
"""Ahead of the fork; whatever else it needs is imported then."""


class Template:
    """The process to fork from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.preloaded"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def start(self, env: Mapping[str, str], cwd: Path, log: Path) -> "ForkedProcess":
        """Run `coscribe serve` in a new process."""
        return ForkedProcess(self, self.ask({"start": {"env": dict(env), "cwd": str(cwd), "log": str(log)}}))


@cache
def template() -> Template:
    """The one of this process."""
    return Template()


class ForkedProcess:
    """As much of `subprocess.Popen` as `ServerProcess` needs."""

    def __init__(self, template: Template, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._template = template

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._template.ask({"wait": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("coscribe serve", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _main() -> None:
    from web.cli import main

    for module in _IMPORTED_BY_SERVE:
        import_module(module)

    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer: int | None = _fork(main, **request["start"])
        else:
            pid, status = os.waitpid(request["wait"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _fork(main: Any, env: dict[str, str], cwd: str, log: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    from_environment()
    sys.argv = ["coscribe", "serve"]
    main()  # ends with SystemExit
    return 0


if __name__ == "__main__":
    _main()
