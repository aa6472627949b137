"""The committed bundle is what its source builds to."""

import subprocess
from pathlib import Path

import pytest

from tests import setup
from tests.support import skip_or_fail

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

WEB = setup.ROOT / "web"
CLIENT = WEB / "client"


def install_client() -> None:
    """The client's packages, exactly as locked; skips the test where they cannot be had."""
    try:
        setup.npm(CLIENT)
    except setup.Missing as reason:
        skip_or_fail(str(reason))


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_fresh_build_equals_what_is_committed(tmp_path: Path) -> None:
    install_client()
    command = ["npm", "run", "--silent", "build", "--", "--outDir", str(tmp_path), "--logLevel", "warn"]
    built = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    fresh, committed = files(tmp_path), files(WEB / "static")
    assert fresh.keys() == committed.keys(), "run `make client` and commit web/static"
    assert [name for name in fresh if fresh[name] != committed[name]] == [], "run `make client` and commit web/static"


def test_a_document_shows_after_no_more_than_250_kib() -> None:
    printed = subprocess.run(["node", CLIENT / "first-load.js"], capture_output=True, text=True, check=True).stdout
    assert 150 < float(printed) < 250


def test_the_lock_file_names_no_host() -> None:
    lock = (CLIENT / "package-lock.json").read_text()
    assert '"resolved"' not in lock
