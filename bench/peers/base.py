"""What the benchmark knows of a server: how it is installed, started and spoken to."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.generator.dialects import Dialect

SOURCES: Final = Path(__file__).parent
INSTALLED: Final = SOURCES.parent / ".peers"


class Unavailable(Exception):
    """A server cannot be installed or started here; the text says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    """What `--peers` calls it."""
    title: str
    """Name and version in the tables."""
    dialect: Callable[[str], Dialect]
    """How the document of a room is spoken of."""
    install: Callable[[], None]
    """Makes it ready to be started. Raises `Unavailable`."""
    command: Callable[[int, Path], Command]
    """Takes the port and a directory for its data."""
    stores: bool = True
    """Whether a restart brings documents back."""
    answers_saved: bool = False
    """Whether it says when something is stored, in reply to message 102."""
    counts_saved: bool = False
    """Whether it acknowledges each update of its own accord, in order, as Hocuspocus does."""
    only: tuple[str, ...] = ()
    """The scenarios it takes part in, if not in all."""
    feed_seconds_max: float = 120.0
    """How long feeding it the whole editing trace may take."""


def install_once(target: Path, sources: Mapping[str, Path], steps: Callable[[Path], None]) -> None:
    """Run `steps` on `target` unless that was done with the very same sources before.

    Args:
        sources: files to copy into `target`, by name; a change in any of them installs anew.

    Raises:
        Unavailable: one of the steps failed.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources.values())).hexdigest()
    marker = target / ".installed"
    if marker.exists() and marker.read_text() == digest:
        return
    target.mkdir(parents=True, exist_ok=True)
    for name, path in sources.items():
        (target / name).write_bytes(path.read_bytes())
    steps(target)
    marker.write_text(digest)


def run_step(arguments: list[str], directory: Path) -> None:
    """
    Raises:
        Unavailable: the program is missing or failed; the text holds the end of what it said.
    """
    try:
        done = subprocess.run(arguments, cwd=directory, capture_output=True, text=True, timeout=600, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Unavailable(f"`{' '.join(arguments)}` failed: {' / '.join(lines[-3:])}")


def clean_environment() -> dict[str, str]:
    """The caller's environment without settings of any server."""
    prefixes = ("COSCRIBE_", "YPERSISTENCE", "PORT", "HOST", "DATA")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
