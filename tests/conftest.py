"""Fixtures and rules of the whole suite.

- A test that uses `seed` or `rng` is repeatable: its seed is printed, COSCRIBE_TEST_SEED sets it.
- Under COSCRIBE_TESTS_STRICT=1 a skip is a failure.
- A failed test shows the end of the log of every server that was running.
- No log holds a secret, neither a server's nor what was logged or printed in this process: that is a failure.
"""

import random
import re
import secrets
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import servers
from tests.support import STRICT, choose_seed


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of everything random in the test."""
    value = choose_seed()
    request.node.user_properties.append(("seed", value))
    return value


@pytest.fixture
def rng(seed: int) -> random.Random:
    """The test's only source of randomness."""
    return random.Random(seed)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.ServerProcess]:
    """One server on SQLite for all tests of a module; each takes a `document` of its own."""
    with servers.ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[servers.StartServer]:
    """Starts a server; call it with what `ServerProcess` takes, and its `prefix`. Ends it after the test."""
    started: list[servers.ServerProcess] = []

    def start(database_url: str | None = None, *, prefix: Sequence[str] = (), **options: Any) -> servers.ServerProcess:
        directory = tmp_path / f"server-{len(started)}"
        server = servers.ServerProcess(directory, database_url, **options)
        server.prefix = prefix
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """A new, empty database for `start_server`; None means SQLite in the server's own directory."""
    if request.param == "sqlite":
        yield None
        return
    from tests.postgres import fresh_database

    with fresh_database() as url:
        yield url


@pytest.fixture
def document(request: pytest.FixtureRequest) -> str:
    """A document name nobody else uses."""
    return f"{re.sub('[^a-z0-9]+', '-', request.node.name.lower()).strip('-')[:60]}/{secrets.token_hex(4)}"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under COSCRIBE_TESTS_STRICT=1: {_reason(report)}"
    if report.when == "teardown" and report.passed:
        # Of the whole test by now: what was logged, and what went to stdout and stderr.
        found = [name for name, text in report.sections if servers.secrets_in(text)]
        if found:
            report.outcome, report.longrepr = "failed", f"there is a secret in: {', '.join(found)}"
    if report.failed:
        report.sections.extend(("seed", str(value)) for name, value in item.user_properties if name == "seed")
        report.sections.extend(servers.log_sections())
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if STRICT and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped under COSCRIBE_TESTS_STRICT=1: {_reason(report)}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One test waits until a listener started by the first interop test has been connected for 90 s: with everything
    # else of its group in between, the wait costs next to nothing.
    items.sort(key=lambda item: ("interop" not in item.path.parts) + 2 * (item.path.name == "test_watchdog.py"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seeds = {
        report.nodeid: value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in getattr(report, "user_properties", [])
        if name == "seed"
    }
    if seeds:
        terminalreporter.section("seeds (repeat one with COSCRIBE_TEST_SEED)")
        for node, value in seeds.items():
            terminalreporter.write_line(f"{value:>10}  {node}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    # longrepr of a skip is (path, line, reason)
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
