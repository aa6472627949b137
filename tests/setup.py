"""Gets ready what the tests need besides Python packages: `python -m tests.setup [client]`.

Prints one line for each thing. What cannot be had makes its tests skip; under COSCRIBE_TESTS_STRICT=1 the exit code is
then 1. With `client`, only what the web client's own checks need.
"""

import compileall
import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support import STRICT

ROOT = Path(__file__).parent.parent
NODE_MAJOR_MIN = 20
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The best first: without windows, tabs and side panels a page costs half the time."""


FIREFOX_NAMES = ("firefox-esr", "firefox")
WEBKIT_PACKAGES = {"WebKitWebDriver": "webkit2gtk-driver", "Xvfb": "xvfb"}
MINI_BROWSER = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"

FAKETIME = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


Prepare = Callable[[], str]
"""Gets one thing ready and says `ready` or `installed`.

Raises:
    Missing: it cannot be had.
"""


class Missing(Exception):
    """Something is not here and cannot be installed; the text says why."""


def main(arguments: list[str]) -> int:
    things: dict[str, Prepare] = {
        "Web client's packages (web/client)": lambda: npm(ROOT / "web" / "client"),
    }
    if not arguments:
        things |= {
            "Yjs clients under Node (tests/interop)": lambda: npm(ROOT / "tests" / "interop"),
            "Servers that people come from (tests/moving)": lambda: npm(ROOT / "tests" / "moving"),
            "Chromium": chromium,
            "Firefox": firefox,
            "WebKitGTK": webkit,
            "PostgreSQL": postgresql,
            "strace": lambda: tool("strace", ("/usr/bin/strace", "/usr/local/bin/strace")),
            "Bytecode": bytecode,
            "libfaketime": lambda: tool("libfaketime", FAKETIME),
        }
    elif arguments != ["client"]:
        sys.stderr.write("usage: python -m tests.setup [client]\n")
        return 2
    missing = 0
    for name, prepare in things.items():
        try:
            outcome = prepare()
        except Missing as reason:
            missing += 1
            outcome = f"will be skipped because {reason}"
        sys.stdout.write(f"{name}: {outcome}\n")
        sys.stdout.flush()
    return 1 if missing and STRICT else 0


def npm(directory: Path) -> str:
    """Install exactly what `directory`'s lock file says, unless that was done since the file changed."""
    require_node()
    lock, marker = directory / "package-lock.json", directory / "node_modules" / ".package-lock.json"
    if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
        return "ready"
    _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=directory)
    marker.touch()
    return "installed"


def require_node() -> None:
    """
    Raises:
        Missing: no Node, no npm, or too old.
    """
    node, npm_path = shutil.which("node"), shutil.which("npm")
    if node is None or npm_path is None:
        raise Missing(f"Node {NODE_MAJOR_MIN} or newer with npm is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major = re.match(r"v(\d+)", version)
    if major is None or int(major[1]) < NODE_MAJOR_MIN:
        raise Missing(f"Node {version} is too old; {NODE_MAJOR_MIN} or newer is needed")


def chromium() -> str:
    if any(shutil.which(name) for name in CHROMIUM_NAMES):
        return "ready"
    try:
        _apt_install("chromium-headless-shell")
    except Missing:  # a distribution that does not have it apart
        _apt_install("chromium")
    return "installed"


def firefox() -> str:
    if any(shutil.which(name) for name in FIREFOX_NAMES):
        return "ready"
    try:
        _apt_install("firefox-esr")
    except Missing:  # a distribution that follows every release
        _apt_install("firefox")
    return "installed"


def webkit() -> str:
    """WebKitGTK's small browser, its driver, and a display for it."""
    lacking = [package for command, package in WEBKIT_PACKAGES.items() if shutil.which(command) is None]
    for package in lacking:
        _apt_install(package)
    if not glob.glob(MINI_BROWSER):
        raise Missing(f"there is no {MINI_BROWSER}, which webkit2gtk-driver should have brought")
    return "installed" if lacking else "ready"


def postgresql() -> str:
    from tests.postgres import missing_reason

    if missing_reason() is None:
        return "ready"
    _apt_install("postgresql")
    if (reason := missing_reason()) is not None:
        raise Missing(reason)
    return "installed"


def tool(package: str, places: tuple[str, ...]) -> str:
    """A package of the system tests, installed if its file is in none of `places`."""
    if any(any(Path("/").glob(place.lstrip("/"))) for place in places):
        return "ready"
    _apt_install(package)
    return "installed"


def bytecode() -> str:
    """Compile the server's modules once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every process
    that a test starts would do so anew."""
    for package in ("collab", "storage", "web"):
        for directory in {file.parent for file in (ROOT / package).glob("**/*.py") if "node_modules" not in file.parts}:
            compileall.compile_dir(directory, maxlevels=0, quiet=1)
    return "ready"


def _apt_install(package: str) -> None:
    if shutil.which("apt-get") is None:
        raise Missing(f"{package} is not installed, and there is no apt-get to install it with")
    if os.geteuid() != 0:
        raise Missing(f"{package} is not installed; install it with: apt-get install {package}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-qq"], env=env)
    _run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", package], env=env)


def _run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Missing(f"`{' '.join(command)}` failed: {' / '.join(lines[:3])}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
