"""`python -m bench`: Coscribe beside its peers, on this machine, now."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from bench.machine import MachineError, take_cores
from bench.peers import PEERS
from bench.peers.base import Peer
from bench.report import write_report
from bench.run import install, run_scenario
from bench.scenarios import SCENARIOS
from bench.scenarios.base import Scenario

_RESULTS = Path(__file__).parent / "results"


def main(
    scenario: Annotated[
        list[str] | None, typer.Option(help="Which to run: S1 to S11, several separated by commas. Default: all.")
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(
            help="Which servers to run beside Coscribe, separated by commas; `none` for none. Default: all. "
            f"They are {', '.join(peer.name for peer in PEERS[1:])}."
        ),
    ] = None,
    repetitions: Annotated[int, typer.Option(min=1, help="How often, in turns.")] = 3,
    quick: Annotated[bool, typer.Option(help="Less of everything, to see that it works; not for figures.")] = False,
    out: Annotated[Path, typer.Option(help="Directory of the results.")] = _RESULTS,
    report_only: Annotated[bool, typer.Option(help="Write tables and pictures anew from the results there.")] = False,
) -> None:
    """Measure Coscribe side by side with other Yjs servers: bench/README.md says how.

    Each scenario replaces its own results in the output directory and leaves those of the others.
    """
    signal.signal(signal.SIGTERM, _stop)
    if not report_only:
        chosen, servers = _scenarios(scenario or []), _peers(peers)
        try:
            cores = take_cores()
        except MachineError as error:
            raise typer.BadParameter(str(error)) from error
        absent = install(servers)
        for one in chosen:
            asked = one.servers or [peer for peer in servers if not peer.only or one.name in peer.only]
            run_scenario(one, asked, absent, cores, repetitions=repetitions, quick=quick).save(out)
            write_report(out)
    write_report(out)
    print(f"results: {out / 'summary.md'}")


def _stop(number: int, _frame: object) -> None:
    # As an exception, so that no server is left behind.
    raise SystemExit(128 + number)


def _scenarios(given: list[str]) -> list[Scenario]:
    names = [name.strip().upper() for part in given for name in part.split(",")]
    known = {scenario.name: scenario for scenario in SCENARIOS}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"no such scenario: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(SCENARIOS)


def _peers(given: str | None) -> list[Peer]:
    """Coscribe and those that were asked for."""
    coscribe, *others = PEERS
    if given is None:
        return list(PEERS)
    names = [name.strip() for name in given.split(",") if name.strip() not in ("none", coscribe.name)]
    known = {peer.name: peer for peer in others}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"no such server: {', '.join(unknown)}; there are {', '.join(known)}")
    return [coscribe, *(known[name] for name in names)]


if __name__ == "__main__":
    typer.run(main)
