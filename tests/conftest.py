"""What holds for every test: needs, hypothesis profiles, and no check that silently did not run."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest

from deploy.prefect_server.settings import clean_environment
from tests.support import needs
from tests.support.labs import shared_api

__all__ = ["shared_api"]

# Whatever a person has set up for Prefect is not ours to read, and our tests are not his to see.
_PREFECT_HOME = tempfile.TemporaryDirectory(prefix="wsus-airgap-tests-")
_ENVIRONMENT = clean_environment(Path(_PREFECT_HOME.name), os.environ)
os.environ.clear()
os.environ.update(_ENVIRONMENT)
# Once Prefect is imported it listens to our logger, also where a test of a package is no run.
os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"

# A shell has what it starts with ``&`` ignore Ctrl-C, and whatever that starts inherits it; with a
# handler here, programs that tests start begin with the default again.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One example can be slow on a machine that runs other things; that is not a fault of the law.
hypothesis.settings.register_profile("default", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=120, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if needs.is_ci() else "default")
)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs are not met here."""
    for mark in item.iter_markers("needs"):
        reason = needs.first_missing(mark.args)
        if reason is not None:
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped test is a failed one."""
    report = yield
    return _refuse_skip(report, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    report = yield
    return _refuse_skip(report, collector.nodeid)


_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: _Report, name: str) -> _Report:
    if needs.is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{name} did not run, which CI=true forbids: {reason}"
    return report
