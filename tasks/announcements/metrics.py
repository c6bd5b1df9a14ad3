"""``metrics.prom`` in the state folder, for Prometheus's node_exporter or windows_exporter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from tasks.announcements.notify import newest_bundle
from tasks.hosts.os_errors import file_fault
from tasks.ledger.imports import Imports
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.names import Side
from tasks.site.settings import Site

FILE = "metrics.prom"
_LABELS = ("site", "side")


def write_metrics(site: Site, ledger: Ledger, *, now: datetime) -> Path:
    """Write the numbers of a side; the file replaces the one before, and is whole at any time.

    Raises:
        HostFileError, DiskFullError: It cannot be written.
    """
    numbers = _Numbers(site)
    numbers.set("written_timestamp_seconds", "Time of this file.", now.timestamp())
    _add_runs(numbers, Runs(ledger).all())
    newest = newest_bundle(ledger, site.side)
    if newest is not None:
        made, age = newest[1], (now - newest[1]).total_seconds()
        numbers.set("content_timestamp_seconds", "Time of the newest bundle.", made.timestamp())
        numbers.set(
            "content_age_seconds", "Age of the newest bundle at the time of this file.", age
        )
    if ledger.missing_files is not None:
        text = "Files that approved updates lack, by the last report."
        numbers.set("missing_files", text, ledger.missing_files)
    if site.side is Side.DISCONNECTED:
        waiting = Imports(ledger).counts()
        numbers.set("parked_approvals", "Approvals that wait for content.", waiting["parked"])
        numbers.set("held_decisions", "Decisions that wait otherwise.", waiting["held"])
    path = site.state_dir / FILE
    try:
        write_to_textfile(str(path), numbers.registry)
    except OSError as error:
        raise file_fault("write", path, error) from error
    return path


class _Numbers:
    """Gauges, each with site and side as labels."""

    def __init__(self, site: Site) -> None:
        self.registry = CollectorRegistry()
        self._site = (site.name, site.side.value)
        self._by_name: dict[str, Gauge] = {}

    def set(self, name: str, text: str, value: float, *, command: str | None = None) -> None:
        """Set a number; of a command if one is named."""
        labels = _LABELS if command is None else (*_LABELS, "command")
        gauge = self._by_name.get(name)
        if gauge is None:
            gauge = Gauge(f"wsus_airgap_{name}", text, labels, registry=self.registry)
            self._by_name[name] = gauge
        gauge.labels(*self._site, *filter(None, (command,))).set(value)


def _add_runs(numbers: _Numbers, runs: Sequence[RunRecord]) -> None:
    for run in reversed(runs):  # the newest last, whose number stays
        if run.ended is None or run.exit_code is None:
            continue
        text = "Exit code of the last run."
        numbers.set("last_exit_code", text, run.exit_code, command=run.command)
        if run.exit_code in (0, 2):
            name, ended = "last_success_timestamp_seconds", run.ended.timestamp()
            numbers.set(name, "End of the last run that did its work.", ended, command=run.command)
