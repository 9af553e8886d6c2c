"""A plugin of pytest for `make mutants`: run these tests in this order, here or in forks, and write down how each went."""

import base64
import json
import os
import resource
from pathlib import Path

import pytest

from tests.mutants import forks


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-tests", type=Path, help="a file with the ids of the tests to run, in their order")
    parser.addoption("--outcomes", type=Path, help="a file to add a line to for every test: id, outcome, seconds")
    parser.addoption("--serve", help="two file descriptors: run tests in forks, as asked for on the first one")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Answer requests instead of running everything."""
    if not (pair := session.config.getoption("--serve")):
        return None
    forks.serve(session, *map(int, pair.split(",")))
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if chosen := config.getoption("--only-tests"):
        order = {name: place for place, name in enumerate(json.loads(chosen.read_text()))}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


TEST_CPU_S = 90
"""More than any of the tests takes; what takes more has no end."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the process end where this test takes too long, when it is one of a chosen few.

    When coverage is measured, let it know for which test other processes are started.
    """
    if settings := os.environ.get("COVERAGE_PROCESS_CONFIG"):
        told = json.loads(base64.b64decode(settings)) | {"context": item.nodeid}
        os.environ["COVERAGE_PROCESS_CONFIG"] = base64.b64encode(json.dumps(told).encode()).decode()
    if item.config.getoption("--only-tests") or item.config.getoption("--serve"):
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        bound = int(used.ru_utime + used.ru_stime) + TEST_CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (bound if most < 0 else min(bound, most), most))


class Outcomes:
    """Writes a line for every test and for every file that cannot be collected."""

    def __init__(self, path: Path):
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self._write(report.nodeid, report.outcome, report.duration)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(report.nodeid, "failed", 0)

    def _write(self, name: str, outcome: str, seconds: float) -> None:
        with self._path.open("a") as out:
            out.write(json.dumps([name, outcome, round(seconds, 3)]) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    # Under xdist the workers' reports arrive at the one process that has no input of a worker.
    if (path := config.getoption("--outcomes")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(path))
