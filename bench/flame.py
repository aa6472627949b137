"""`python -m bench.flame`: where Coscribe's time goes under the loads of S1, S2 and S3, as flame graphs.

py-spy samples the server a hundred times a second from the generator's core, only threads that hold the interpreter's
lock, so that waiting does not count.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.generator.loop import Loop
from bench.machine import take_cores
from bench.peers import PEERS
from bench.peers.base import INSTALLED, install_once, run_step
from bench.peers.server import Server
from bench.scenarios.base import Bench
from bench.scenarios.load import Room, make_room, open_rooms, run_load

_RESULTS = Path(__file__).parent / "results"
_PY_SPY: Final = "py-spy==0.4.3"
_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    rate: float
    rooms: Callable[[Bench, Server], list[Room]]


PICTURES: Final = (
    Picture("S1", 1_000, lambda bench, server: [make_room(bench, server, "flame", writers=1, readers=100)]),
    Picture("S2", 20_000, lambda bench, server: [make_room(bench, server, "flame", writers=50)]),
    Picture(
        "S3",
        2_000,
        lambda bench, server: [make_room(bench, server, "flame", writers=2, number=number) for number in range(1000)],
    ),
)


def main(out: Annotated[Path, typer.Option(help="Directory for the pictures.")] = _RESULTS) -> None:
    """Draw a flame graph of Coscribe for each of S1, S2 and S3."""
    out.mkdir(parents=True, exist_ok=True)
    tools = INSTALLED / "tools"
    install_once(tools, {}, lambda target: run_step([sys.executable, "-m", "venv", str(target)], target.parent))
    run_step([str(tools / "bin" / "pip"), "install", "--quiet", _PY_SPY], tools)
    cores = take_cores()
    for picture in PICTURES:
        bench = Bench(PEERS[0], cores, quick=False)
        path = out / f"flame-{picture.name}.svg"
        with bench.server() as server, Loop() as loop:
            rooms = picture.rooms(bench, server)
            open_rooms(loop, rooms)
            with _sampled(tools / "bin" / "py-spy", server, path):
                load = run_load(bench, server, loop, rooms, rate=picture.rate, seconds=_SECONDS)
        print(f"{path}: {load.server_seconds / load.updates * 1e6:.0f} us an update, sampling included")


@contextmanager
def _sampled(py_spy: Path, server: Server, path: Path) -> Iterator[None]:
    command = [str(py_spy), "record", "--gil", "--rate", "100", "--output", str(path), "--pid", str(server.tree.root)]
    sampler = subprocess.Popen([*command, "--duration", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        yield
    finally:
        sampler.send_signal(signal.SIGINT)
        sampler.wait(60)
    # py-spy's title is its own command line.
    path.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\1coscribe serve: {path.stem}", path.read_text()))


if __name__ == "__main__":
    typer.run(main)
