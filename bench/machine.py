"""The machine: which core does what, and what a server's processes use of it."""

import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_DESCRIPTORS: Final = 20_000
_IDLE_CPU_SECONDS: Final = 0.021


class MachineError(Exception):
    """Measuring is not possible here; the text says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server, another for the generator."""

    server: int
    generator: int


def take_cores() -> Cores:
    """Move this process to the generator's core and allow it many sockets.

    Raises:
        MachineError: there are not two cores, or too few file descriptors.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise MachineError("two cores are needed: one for the server, one for the generator")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if wanted < 12_000:
        raise MachineError(f"12,000 file descriptors are needed, {wanted} are allowed (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    os.sched_setaffinity(0, {allowed[1]})
    return Cores(server=allowed[0], generator=allowed[1])


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A server's process and everything it started."""

    root: int

    def members(self) -> list[int]:
        found = [self.root]
        for pid in found:
            for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in _read(tasks).split())
        return found

    def cpu_seconds(self) -> float:
        """User and system time used so far; the granularity is 10 ms."""
        total = 0
        for pid in self.members():
            # The second field is the command in parentheses and may hold spaces.
            fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
            if fields:
                total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def memory_bytes(self) -> int:
        """Proportional set size: shared pages are counted once."""
        total = 0
        for pid in self.members():
            for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total


class Idleness:
    """Sees when a server has used next to no CPU for `quiet` seconds. Ask it again and again."""

    def __init__(self, tree: ProcessTree, quiet: float) -> None:
        self._tree = tree
        self._quiet = quiet
        self._since, self._used = time.monotonic(), tree.cpu_seconds()
        self._next_look = self._since

    def reached(self) -> bool:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + 0.1
            if (cpu := self._tree.cpu_seconds()) - self._used > _IDLE_CPU_SECONDS:
                self._since, self._used = now, cpu
        return now - self._since >= self._quiet


class Others:
    """How many cores everybody but the benchmark keeps busy: other programs, and other guests of the same host."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy, self._own = _busy_seconds(), _own_seconds()

    def cores(self) -> float:
        """On average since this was made. Servers that still run count as others: end them first."""
        busy, own = _busy_seconds() - self._busy, _own_seconds() - self._own
        return max(0.0, busy - own) / (time.monotonic() - self._start)


def _busy_seconds() -> float:
    """Time all cores together were not idle."""
    fields = [int(field) for field in _read(Path("/proc/stat")).split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / _TICKS


def _own_seconds() -> float:
    """Time this process and its ended children used."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _read(path: Path) -> str:
    """What the file holds, nothing when its process has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def describe() -> dict[str, str]:
    """What a reader has to know about where figures come from."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "node": _output("node", "--version"),
    }


def commit() -> str:
    """The commit that is checked out, with a mark when files were changed since."""
    head = _output("git", "rev-parse", "--short=12", "HEAD")
    if not head:
        return "no commit"
    return f"{head} with changes" if _output("git", "status", "--porcelain", "--untracked-files=no") else head


def load_average() -> float:
    return os.getloadavg()[0]


def _cpu_model() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
