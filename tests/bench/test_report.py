"""Tables say what was measured: medians, spread, ratios, and what failed."""

from pathlib import Path

import pytest

from bench.report import cell, number, ratio, write_report
from bench.results import Metric, Outcome, Point
from bench.run import Participant, Results

RATE = Metric("rate", "10 readers: deliveries/s with p99 < 100 ms", "/s", "higher")
CPU = Metric("cpu", "10 readers: server CPU per delivery", "us")


def runs(*values: dict[str, float]) -> list[Outcome]:
    return [Outcome(values=one) for one in values]


@pytest.fixture
def results() -> Results:
    return Results(
        scenario="S1",
        title="one writer, many readers",
        metrics=[RATE, CPU],
        about=dict.fromkeys(("date", "commit", "command", "cpu", "cores", "memory", "system", "python", "node"), "?"),
        quick=False,
        participants={
            "coscribe": Participant(
                "Coscribe",
                runs=runs({"rate": 400.0, "cpu": 5.0}, {"rate": 600.0, "cpu": 8.0}, {"rate": 500.0, "cpu": 4.0}),
            ),
            "fast": Participant(
                "Fast",
                runs=runs({"rate": 100.0, "cpu": 10.0}, {"rate": 100.0, "cpu": 8.0}, {"rate": 200.0, "cpu": 12.0}),
            ),
            "slow": Participant("Slow", runs=runs({"rate": 50.0}, {"rate": 50.0}, {"rate": 50.0})),
            "missing": Participant("Missing", absent="npm is not installed"),
        },
        floor_us=[5.0, 6.0, 7.0],
    )


def test_cells_hold_median_and_spread(results: Results) -> None:
    assert cell(results.participants["coscribe"], "rate").text() == "500 (400–600)"
    assert cell(results.participants["slow"], "rate").text() == "50"
    assert cell(results.participants["slow"], "cpu").text() == "–"


def test_ratio_is_the_median_of_the_repetitions_against_the_best_of_each(results: Results) -> None:
    assert ratio(RATE, results) == "**4.00** (2.50–6.00)"
    assert ratio(CPU, results) == "**2.00** (1.00–3.00)"


def test_wrong_content_fails_the_cell_and_is_not_the_best(results: Results) -> None:
    results.participants["fast"].runs[1].fault("rate", "3 missing deliveries")
    assert cell(results.participants["fast"], "rate").text() == "**failed**"
    assert ratio(RATE, results) == "**10.00** (8.00–12.00)"
    results.participants["coscribe"].runs[2].fault("rate", "1 duplicate delivery")
    assert ratio(RATE, results) == "**failed**"


def test_hocuspocus_clients_are_compared_with_hocuspocus_alone(results: Results, tmp_path: Path) -> None:
    results.participants["coscribe-hocuspocus"] = Participant(
        "Coscribe, Hocuspocus clients", runs=runs({"rate": 1000.0}, {"rate": 1000.0}, {"rate": 1000.0})
    )
    assert ratio(RATE, results) == "**4.00** (2.50–6.00)"
    results.participants["hocuspocus"] = Participant(
        "Hocuspocus", runs=runs({"rate": 50.0}, {"rate": 40.0}, {"rate": 25.0})
    )
    results.save(tmp_path)
    write_report(tmp_path)
    (row,) = [line for line in (tmp_path / "summary.md").read_text().splitlines() if "deliveries/s with" in line]
    assert row.endswith("| **4.00** (2.50–6.00) | **25.00** (20.00–40.00) |")


def test_a_figure_of_none_is_said_and_not_divided(results: Results) -> None:
    lost = Metric("lost", "updates missing", "")
    for turn, run in enumerate(results.participants["coscribe"].runs):
        run.values["lost"] = 0.0
        results.participants["fast"].runs[turn].values["lost"] = 1200.0
    assert ratio(lost, results) == "0 against 1,200"


def test_the_report_names_what_is_absent_and_what_failed(results: Results, tmp_path: Path) -> None:
    results.participants["slow"].runs[0].fault("rate", "wrong text in room")
    point = Point(100.0, 1000.0, 1.0, 5.0, passed=True, server_cores=0.1, generator_cores=0.1)
    results.participants["coscribe"].runs[0].ramps["rate"] = [point]
    results.save(tmp_path)
    write_report(tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert "Missing was not measured: npm is not installed" in text
    assert "wrong text in room (1 of 3 runs)" in text
    assert "a bare send cost 6.0 us" in text
    assert "<svg" in (tmp_path / "S1-rate-latency.svg").read_text()
    assert "<svg" in (tmp_path / "S1-cpu.svg").read_text()
    assert Results.load(tmp_path / "S1.json") == results


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (3, "3"),
        (1204, "1,204"),
        (0.0924, "0.092"),
        (1.849, "1.85"),
        (67.5, "67.5"),
        (113_400, "113k"),
        (5.08e6, "5.08M"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
