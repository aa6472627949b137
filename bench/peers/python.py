"""The servers that run under Python: pycrdt-websocket in an environment of its own, and Coscribe as it is here."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from bench.generator.dialects import Dialect, hocuspocus, y_websocket
from bench.peers.base import (
    INSTALLED,
    SOURCES,
    Command,
    Peer,
    Unavailable,
    clean_environment,
    install_once,
    run_step,
)

_PYCRDT = INSTALLED / "pycrdt_websocket"
_COSCRIBE = Path(sys.executable).with_name("coscribe")


def _install_pycrdt_websocket() -> None:
    def steps(target: Path) -> None:
        run_step([sys.executable, "-m", "venv", "venv"], target)
        install = ["venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run_step([*install, "--require-hashes", "-r", "requirements.txt"], target)

    folder = SOURCES / "pycrdt_websocket"
    install_once(_PYCRDT, {name: folder / name for name in ("requirements.txt", "server.py")}, steps)


def _pycrdt_websocket(port: int, data: Path) -> Command:
    return Command(
        ("venv/bin/python", "-m", "uvicorn", "--log-level", "warning", "--port", str(port), "server:app"),
        {"DATA": str(data)},
        _PYCRDT,
    )


def _find_coscribe() -> None:
    if not _COSCRIBE.exists():
        raise Unavailable(f"{_COSCRIBE} does not exist")


def _coscribe(port: int, data: Path) -> Command:
    return Command(
        (str(_COSCRIBE), "serve"),
        {"COSCRIBE_AUTH": "none", "COSCRIBE_PORT": str(port), "COSCRIBE_DATA_DIR": str(data)},
        data,
    )


def _coscribe_dialect(room: str) -> Dialect:
    return y_websocket(room, base="/ws")


def _coscribe_as_hocuspocus(room: str) -> Dialect:
    return hocuspocus(room, path="/ws")


class _SignedIn:
    """Coscribe with a way of signing in. All connections carry one token, so the limits of one person are lifted."""

    def __init__(self, auth: str) -> None:
        self._settings = {
            "COSCRIBE_AUTH": auth,
            "COSCRIBE_CONNECTIONS_PER_USER_MAX": "100000",
            "COSCRIBE_CONNECTIONS_PER_ADDRESS_MAX": "100000",
        }
        if auth == "jwt":
            self._settings["COSCRIBE_JWT_SECRET"] = "not-a-secret-but-long-enough-to-be-one"
        self._token = ""

    def command(self, port: int, data: Path) -> Command:
        plain = _coscribe(port, data)
        environment = {**plain.environment, **self._settings}
        create = (str(_COSCRIBE), "token", "create", "--user", "bench", "--document", "*", "--expires", "1d")
        done = subprocess.run(
            create, env=clean_environment() | environment, capture_output=True, text=True, check=True, timeout=60
        )
        self._token = done.stdout.split()[-1]
        return Command(plain.arguments, environment, plain.directory)

    def dialect(self, room: str) -> Dialect:
        return y_websocket(f"{room}?token={self._token}", base="/ws")


PYCRDT_WEBSOCKET = Peer(
    name="pycrdt-websocket",
    title="pycrdt-websocket 0.16.5 + SQLite",
    dialect=y_websocket,
    install=_install_pycrdt_websocket,
    command=_pycrdt_websocket,
)

COSCRIBE = Peer(
    name="coscribe",
    title="Coscribe",
    dialect=_coscribe_dialect,
    install=_find_coscribe,
    command=_coscribe,
    answers_saved=True,
)


COSCRIBE_HOCUSPOCUS = replace(
    COSCRIBE,
    name="coscribe-hocuspocus",
    title="Coscribe, Hocuspocus clients",
    dialect=_coscribe_as_hocuspocus,
    answers_saved=False,
    counts_saved=True,
    only=("S1", "S2", "S3"),
)
"""The same server, spoken to as providers of Hocuspocus do."""


def _signed_in(auth: str) -> Peer:
    way = _SignedIn(auth)
    return replace(
        COSCRIBE, name=f"coscribe-{auth}", title=f"Coscribe, AUTH={auth}", dialect=way.dialect, command=way.command
    )


SIGNED_IN = (_signed_in("accounts"), _signed_in("jwt"))
