"""The Autobahn test suite against our WebSocket transport: `python -m tests.conformance`, or `make conformance`.

Its newest release still needs Python 2.7. Where there is none, or the suite cannot be installed, that is said and the
exit code is 0: nothing else is a reason to go without. Cases 9 (throughput), 12 and 13 (compression, which is never
agreed on) are left out. What deviates is known and listed; anything else fails.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.web.transport_kit import TextRecorder, TransportServer, echo

PACKAGE = "autobahntestsuite==25.10.1"
INSTALLED = Path(sys.prefix) / "autobahn"
# Not by PYTHONPATH: zope is in many packages, which only a directory of site's can hold.
RUN = f"import site; site.addsitedir({str(INSTALLED)!r}); from autobahntestsuite.wstest import run; run()"
CASES_MIN = 240
# Invalid UTF-8 is found when the message is whole, not at its first wrong byte: allowed, and no one here sends text.
KNOWN_DEVIATIONS = dict.fromkeys(("6.4.1", "6.4.2", "6.4.3", "6.4.4"), "NON-STRICT")
SECONDS_MAX = 300


class Missing(Exception):
    """The suite cannot be run here; the text says why."""


def python_2_7() -> str:
    """
    Raises:
        Missing: there is none.
    """
    candidates = [shutil.which("python2.7"), *map(str, Path.home().glob(".pyenv/versions/2.7*/bin/python2.7"))]
    for candidate in filter(None, candidates):
        # A shim of pyenv stands on the PATH whether there is anything behind it or not.
        found = subprocess.run([candidate, "-c", "import ssl"], capture_output=True, check=False)
        if found.returncode == 0:
            return candidate
    raise Missing("Python 2.7 is not installed, which the Autobahn test suite needs")


def install(python: str) -> None:
    """
    Raises:
        Missing: it cannot be.
    """
    if (INSTALLED / "autobahntestsuite").is_dir():
        return
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]
    done = subprocess.run([*command, str(INSTALLED), PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        raise Missing(f"{PACKAGE} cannot be installed: {done.stderr.strip().splitlines()[-1]}")


async def run(python: str, directory: Path) -> dict[str, dict[str, Any]]:
    """What became of each case, by its name."""
    with TransportServer("detached") as server:
        endpoint = server.endpoint(on_message=echo, recorder=TextRecorder)
        spec = {
            "outdir": str(directory / "reports"),
            "servers": [{"agent": "coscribe", "url": f"ws://127.0.0.1:{server.port}{endpoint.path}"}],
            "cases": ["*"],
            "exclude-cases": ["9.*", "12.*", "13.*"],
            "exclude-agent-cases": {},
        }
        (directory / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(python, "-c", RUN, "-m", "fuzzingclient", "-s", str(directory / "spec.json")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS_MAX)
    if process.returncode != 0:
        raise SystemExit(output.decode(errors="replace"))
    cases: dict[str, dict[str, Any]] = json.loads((directory / "reports" / "index.json").read_text())["coscribe"]
    return cases


def deviations(cases: dict[str, dict[str, Any]]) -> dict[str, str]:
    found = {}
    for name, case in cases.items():
        for behavior in (case["behavior"], case["behaviorClose"]):
            if behavior not in ("OK", "INFORMATIONAL"):
                found[name] = behavior
    return found


def main() -> int:
    try:
        python = python_2_7()
        install(python)
    except Missing as reason:
        sys.stdout.write(f"skipped: {reason}\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="coscribe-autobahn-") as directory:
        cases = asyncio.run(run(python, Path(directory)))
    found = deviations(cases)
    sys.stdout.write(f"{len(cases)} cases, {len(cases) - len(found)} as they should be, {len(found)} deviate\n")
    unexpected = {name: how for name, how in found.items() if KNOWN_DEVIATIONS.get(name) != how}
    mended = KNOWN_DEVIATIONS.keys() - found.keys()
    for name, how in sorted(unexpected.items()):
        sys.stdout.write(f"{name}: {how}, which is new\n")
    for name in sorted(mended):
        sys.stdout.write(f"{name}: as it should be, and still on the list of deviations\n")
    if len(cases) < CASES_MIN:
        sys.stdout.write(f"only {len(cases)} cases were run\n")
    return 1 if unexpected or mended or len(cases) < CASES_MIN else 0


if __name__ == "__main__":
    sys.exit(main())
