"""Fixtures and what a failure shows."""

import os
from collections.abc import Iterator

import pytest

import harness
from sandbox import Sandbox

# Clients that honour a proxy from the environment must not ask it for 127.0.0.1.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Adds the last lines of every running process to the report of a failed test."""
    report = yield
    if report.failed:
        for process in harness.Process.running:
            report.sections.append((f"last lines of {process.name}", process.tail()))
    return report


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_left_running() -> Iterator[None]:
    """Stops what a test that broke half way left behind."""
    yield
    for process in list(harness.Process.running):
        process.stop()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with default options, one per test module: keys and orders of one module never meet another's."""
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()


@pytest.fixture
def starter_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that counts calls as Kraken does for tier Starter: 15 points, one given back every three seconds."""
    running = Sandbox(tmp_path_factory.mktemp("starter"), tier="starter")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def all_in_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Process]:
    """`tidegate all` as a newcomer starts it, without a configuration file, but on ports that are free."""
    free = {f"TIDEGATE__{table}__LISTEN": "127.0.0.1:0" for table in ("GATEWAY", "ADMIN", "SANDBOX")}
    with harness.tidegate("all", ["all"], tmp_path_factory.mktemp("all"), free) as process:
        yield process
