"""Tables and pictures from the results: medians, spread, and Coscribe's ratio to the best of the others."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.results import Metric, Outcome
from bench.run import Participant, Results
from bench.scenarios.ramp import P99_MS_MAX
from bench.svg import Bars, Line, bar_chart, line_chart

_COSCRIBE = "coscribe"
_SAME_CLIENTS = ("coscribe-hocuspocus", "hocuspocus")
"""Coscribe and the other, with the same clients."""


def write_report(directory: Path) -> None:
    """Write `summary.md` and the pictures from every scenario's results in `directory`."""
    found = [Results.load(path) for path in sorted(directory.glob("S*.json"))]
    pictures = {results.scenario: _write_pictures(results, directory) for results in found}
    sections = [_section(results, pictures[results.scenario]) for results in found]
    text = "# Results\n\nHow they come about and how to read them: [bench/README.md](../README.md).\n\n"
    (directory / "summary.md").write_text(text + "\n".join(sections))


# --- tables -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """One metric of one server."""

    values: tuple[float | None, ...]
    """One for each repetition; None where it could not be had."""
    fault: str | None
    """Why the metric has failed."""

    @property
    def median(self) -> float | None:
        had = [value for value in self.values if value is not None]
        return median(had) if had and self.fault is None else None

    def text(self) -> str:
        had = [value for value in self.values if value is not None]
        if self.fault is not None:
            return "**failed**"
        if not had:
            return "–"
        short = number(median(had))
        low, high = number(min(had)), number(max(had))
        return short if low == high else f"{short} ({low}–{high})"


def cell(participant: Participant, key: str) -> Cell:
    faults = [fault for run in participant.runs for fault in run.faults.get(key, ())]
    faults += [run.failure for run in participant.runs if run.failure is not None and key not in run.values]
    return Cell(tuple(run.values.get(key) for run in participant.runs), faults[0] if faults else None)


def ratio(metric: Metric, results: Results) -> str:
    """How many times better Coscribe is than the best of the others: median over the repetitions, and spread."""
    others = [name for name in results.participants if name not in (_COSCRIBE, _SAME_CLIENTS[0])]
    return _ratio(metric, results, _COSCRIBE, others)


def _ratio(metric: Metric, results: Results, name: str, against: Iterable[str]) -> str:
    if metric.better == "neither" or name not in results.participants:
        return ""
    ours = cell(results.participants[name], metric.key)
    cells = [cell(results.participants[other], metric.key) for other in against if other in results.participants]
    others = [one for one in cells if one.median is not None]
    if ours.fault is not None:
        return "**failed**"
    if ours.median is None or not others:
        return ""
    if 0 in ours.values or any(0 in one.values for one in others):
        best = min(one.median for one in others if one.median is not None)
        return f"{number(ours.median)} against {number(best)}"
    found = [
        _better(metric, value, [one.values[turn] for one in others if turn < len(one.values)])
        for turn, value in enumerate(ours.values)
    ]
    had = [value for value in found if value is not None]
    return f"**{median(had):.2f}** ({min(had):.2f}–{max(had):.2f})" if had else ""


def _better(metric: Metric, ours: float | None, others: list[float | None]) -> float | None:
    had = [value for value in others if value]
    if not ours or not had:
        return None
    return ours / max(had) if metric.better == "higher" else min(had) / ours


def number(value: float) -> str:
    """Three significant digits, whole numbers as they are."""
    value = float(value)
    if math.isnan(value):
        return "–"
    if value.is_integer() and abs(value) < 10_000:
        return f"{value:,.0f}"
    for size, suffix in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e6 if suffix == "M" else 1e3)
            return f"{_digits(scaled)}{suffix}"
    return f"{value:,.0f}" if abs(value) >= 1000 else _digits(value)


def _digits(value: float) -> str:
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 3)}f}"


def _section(results: Results, pictures: list[str]) -> str:
    shown = {name: one for name, one in results.participants.items() if one.absent is None}
    head = ["", *(one.title for one in shown.values()), "Coscribe to the best other"]
    rows = [
        [_row_title(metric), *(cell(one, metric.key).text() for one in shown.values()), ratio(metric, results)]
        for metric in results.metrics
    ]
    rows.append(_used("generator: cores at most", shown, lambda run: run.generator_cores))
    rows.append(_used("other programs: cores", shown, lambda run: run.other_cores))
    if shown.keys() >= {*_SAME_CLIENTS}:
        ours, theirs = _SAME_CLIENTS
        head.append("Hocuspocus clients: Coscribe to Hocuspocus")
        same = [_ratio(metric, results, ours, [theirs]) for metric in results.metrics]
        rows = [[*row, *same[nth : nth + 1]] for nth, row in enumerate(rows)]
    repetitions = max((len(one.runs) for one in shown.values()), default=0)
    lines = [f"## {results.scenario}: {results.title}", ""]
    if results.quick:
        lines += ["**A quick run with a fraction of the load: not for figures.**", ""]
    lines += [_row(head), _row(["---", *("---:" for _ in head[1:])]), *(_row(row) for row in rows), ""]
    lines += _remarks(results)
    lines += [f"![{Path(picture).stem}]({picture})" for picture in pictures]
    lines += ["", _origin(results, repetitions), ""]
    return "\n".join(lines)


def _origin(results: Results, repetitions: int) -> str:
    about = results.about
    parts = [
        f"{repetitions} repetitions, {about['date']}, commit {about['commit']}",
        f"{about['cpu']} ({about['cores']} cores), {about['memory']}, {about['system']}",
        f"Python {about['python']}, Node {about['node']}",
        f"`{about['command']}`",
    ]
    if results.floor_us:
        parts.append(f"a bare send cost {median(results.floor_us):.1f} us of CPU")
    return "; ".join(parts) + "."


def _row_title(metric: Metric) -> str:
    return f"{metric.title}, {metric.unit}" if metric.unit and metric.unit != "/s" else metric.title


def _used(title: str, shown: dict[str, Participant], read: Callable[[Outcome], float]) -> list[str]:
    return [title, *(f"{max((read(run) for run in one.runs), default=0.0):.2f}" for one in shown.values()), ""]


def _row(fields: Iterable[str]) -> str:
    return "| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |"


def _remarks(results: Results) -> list[str]:
    """Who was not measured, what went wrong, and what there is to know."""
    titles = {metric.key: metric.title for metric in results.metrics}
    lines = [f"- {one.title} was not measured: {one.absent}" for one in results.participants.values() if one.absent]
    for one in results.participants.values():
        for text, times in _counted(_incidents(one, titles)).items():
            lines.append(
                f"- {one.title}: {text}" + (f" ({times} of {len(one.runs)} runs)" if len(one.runs) > 1 else "")
            )
    return [*lines, ""] if lines else []


def _incidents(one: Participant, titles: dict[str, str]) -> list[str]:
    found: list[str] = []
    for run in one.runs:
        if run.failure is not None:
            found.append(f"**failed**: {run.failure}")
        found += [f"**failed** “{titles.get(key, key)}”: {faults[0]}" for key, faults in run.faults.items()]
        found += [f"“{titles.get(key, key)}”: {note}" for key, note in run.notes.items()]
    return found


def _counted(texts: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return counts


# --- pictures ---------------------------------------------------------------------------------------------------------


def _write_pictures(results: Results, directory: Path) -> list[str]:
    """Latency against load for every ramp, and CPU per delivery; returns the names of the files."""
    shown = {name: one for name, one in results.participants.items() if one.runs}
    pictures: dict[str, str] = {}
    for metric in results.metrics:
        lines = [Line(one.title, _ramp_points(one, metric.key)) for one in shown.values()]
        if any(line.points for line in lines):
            title = f"{results.scenario}, {metric.title.partition(':')[0]}: latency against load"
            name = f"{results.scenario}-{metric.key}-latency.svg"
            pictures[name] = line_chart(title, "updates/s sent", "p99, ms", lines, limit=P99_MS_MAX)
    costs = [metric for metric in results.metrics if metric.unit == "us" and "per delivery" in metric.title]
    if costs:
        bars = [Bars(one.title, [cell(one, metric.key).median for metric in costs]) for one in shown.values()]
        groups = [metric.title.partition(":")[0] for metric in costs]
        title = f"{results.scenario}: server CPU per delivery"
        pictures[f"{results.scenario}-cpu.svg"] = bar_chart(title, "us", groups, bars)
    for name, picture in pictures.items():
        (directory / name).write_text(picture)
    return list(pictures)


def _ramp_points(one: Participant, key: str) -> list[tuple[float, float]]:
    """The median p99 at every load that was tried."""
    found: dict[float, list[float]] = {}
    for run in one.runs:
        for point in run.ramps.get(key, ()):
            if not math.isnan(point.p99_ms):
                found.setdefault(round(point.rate, 3), []).append(point.p99_ms)
    return [(rate, median(values)) for rate, values in sorted(found.items())]
