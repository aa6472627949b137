"""The servers that run under Node."""

from collections.abc import Callable
from pathlib import Path

from bench.generator.dialects import hocuspocus, y_websocket
from bench.peers.base import INSTALLED, SOURCES, Command, Peer, install_once, run_step


def _install(folder: str, *files: str) -> Callable[[], None]:
    names = ("package.json", "package-lock.json", *files)

    def steps(target: Path) -> None:
        run_step(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], target)

    return lambda: install_once(INSTALLED / folder, {name: SOURCES / folder / name for name in names}, steps)


def _hocuspocus(port: int, data: Path) -> Command:
    return Command(
        ("node", "server.mjs"),
        {"PORT": str(port), "DATA": str(data), "NODE_ENV": "production"},
        INSTALLED / "hocuspocus",
    )


def _y_websocket(port: int, data: Path) -> Command:
    return Command(
        ("node", "node_modules/y-websocket/bin/server.cjs"),
        {"HOST": "127.0.0.1", "PORT": str(port), "YPERSISTENCE": str(data / "leveldb"), "NODE_ENV": "production"},
        INSTALLED / "y_websocket",
    )


def _y_websocket_memory(port: int, _data: Path) -> Command:
    return Command(
        ("node", "node_modules/y-websocket/bin/server.cjs"),
        {"HOST": "127.0.0.1", "PORT": str(port), "NODE_ENV": "production"},
        INSTALLED / "y_websocket",
    )


def _y_websocket_server(port: int, _data: Path) -> Command:
    return Command(
        ("node", "node_modules/@y/websocket-server/src/server.js"),
        {"HOST": "127.0.0.1", "PORT": str(port), "NODE_ENV": "production"},
        INSTALLED / "y_websocket_server",
    )


NODE_PEERS = (
    Peer(
        name="hocuspocus",
        title="Hocuspocus 4.7.0 + SQLite",
        dialect=hocuspocus,
        install=_install("hocuspocus", "server.mjs"),
        command=_hocuspocus,
        counts_saved=True,
    ),
    Peer(
        name="y-websocket",
        title="y-websocket 2.1.0 + leveldb",
        dialect=y_websocket,
        install=_install("y_websocket"),
        command=_y_websocket,
    ),
    Peer(
        name="y-websocket-memory",
        title="y-websocket 2.1.0, memory",
        dialect=y_websocket,
        install=_install("y_websocket"),
        command=_y_websocket_memory,
        stores=False,
    ),
    Peer(
        name="y-websocket-server",
        title="@y/websocket-server 0.1.5, memory",
        dialect=y_websocket,
        install=_install("y_websocket_server"),
        command=_y_websocket_server,
        stores=False,
    ),
)
