"""Close runs whose process or server went away, in the ledger and on Prefect's page.

``up`` does so at its start and every minute, every command before its own flow, and Prefect's hooks
when a worker sees a run crash or be cancelled. However often it is called, a
run is closed once; a run whose process lives is never closed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from tasks.announcements.notify import announce_crash
from tasks.errors import AirGapError, PrefectServerError
from tasks.hosts.locks import current_owner, is_gone
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.page_question import close_unanswered
from tasks.reports.markdown import artifacts_of
from tasks.reports.model import CommandReport
from tasks.run.lost import (
    Correction,
    ShownRun,
    ShownState,
    close_in_ledger,
    plan_correction,
    report_lost,
)
from tasks.site.reading import find_site
from tasks.site.settings import Site

_QUESTIONED = [
    StateType.PENDING,
    StateType.RUNNING,
    StateType.CANCELLING,
    StateType.CRASHED,
    StateType.CANCELLED,
]
_MOST_SHOWN = 200
_STILL_RUNNING = "Its process works; the server was away, or busy, for a while."
_NEVER_BEGAN = "Its process never began. Next: retry it, or run the same command."


def close_lost_runs(site: Site, *, now: datetime | None = None) -> int:
    """Correct the ledger and Prefect's page wherever they disagree about a run of this site.

    Returns:
        The number of runs that were corrected.

    Raises:
        AirGapError: The ledger or a report cannot be read or written.
        PrefectServerError: Prefect's server does not answer.
    """
    moment = now or datetime.now(UTC)
    with Ledger(site.state_dir) as ledger, get_client(sync_client=True) as client:
        return _Corrections(site, ledger, client, moment).make()


def close_what_is_lost(site: Site) -> None:
    """Do the same before other work, which a fault of this one must not stop.

    Raises:
        PrefectServerError: Prefect's server does not answer, so the work would fail too.
    """
    try:
        close_lost_runs(site)
    except PrefectServerError:
        raise
    except (AirGapError, httpx.HTTPError, OSError, sqlite3.Error) as error:
        log.warning("site %s: runs that went away could not be closed: %s", site.name, error)


def close_run_of(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """Close a run that a worker saw end without its flow: a hook of Prefect."""
    site = flow_run.parameters.get("site")
    if isinstance(site, str):
        close_lost_runs(find_site(site))


class _Corrections:
    """The corrections of one site at one time."""

    def __init__(
        self, site: Site, ledger: Ledger, client: SyncPrefectClient, now: datetime
    ) -> None:
        self._site = site
        self._ledger = ledger
        self._client = client
        self._now = now
        self._runs = Runs(ledger)
        self._us = current_owner(machine=ledger.machine, run="", now=now)

    def make(self) -> int:
        """Make all corrections and count them."""
        shown = {run.flow_run: run for run in self._questioned()}
        newest = self._runs.newest_of(shown)
        records = {record.id: record for record in (*self._runs.without_end(), *newest)}
        count = 0
        for record in records.values():
            owner = record.owner
            correction = plan_correction(
                record,
                self._shown(record.flow_run, shown),
                is_gone=owner is not None and is_gone(owner, self._us),
                now=self._now,
            )
            count += correction != Correction()
            self._correct(record, correction)
        for flow_run in shown.keys() - {record.flow_run for record in newest}:
            correction = plan_correction(None, shown[flow_run], is_gone=False, now=self._now)
            count += correction != Correction()
            self._show(flow_run, correction.page, _NEVER_BEGAN)
        return count + close_unanswered(self._ledger, self._client)

    def _questioned(self) -> list[ShownRun]:
        """List the newest runs of the site that may have another end than Prefect shows."""
        criteria = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[self._site.name]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_QUESTIONED)),
        )
        newest = FlowRunSort.START_TIME_DESC
        runs = self._client.read_flow_runs(flow_run_filter=criteria, sort=newest, limit=_MOST_SHOWN)
        return list(map(_as_shown, runs))

    def _shown(self, flow_run: UUID | None, shown: Mapping[UUID, ShownRun]) -> ShownRun | None:
        if flow_run is None or flow_run in shown:
            return None if flow_run is None else shown[flow_run]
        try:
            return _as_shown(self._client.read_flow_run(flow_run))
        except ObjectNotFound:
            return None  # a run of another server, or one that was removed

    def _correct(self, record: RunRecord, correction: Correction) -> None:
        """Make a correction; the ledger comes last, so that a kill before it repeats all of it."""
        if correction.ledger is not None:
            report = report_lost(self._site, self._ledger, record, now=self._now)
            error = report.errors[0]
            if record.flow_run is not None:
                _require_artifact(self._client, record.flow_run, report)
            self._show(record.flow_run, correction.page, f"{error.message}. {error.next_step}")
            self._end_steps(record.flow_run)
            is_closed = close_in_ledger(self._ledger, record, report, correction.ledger)
            if is_closed and correction.ledger == "crashed":
                announce_crash(self._site, record)
            log.warning("site %s: %s", self._site.name, error.message)
        elif correction.page is not None and correction.page.type == "RUNNING":
            self._show(record.flow_run, correction.page, _STILL_RUNNING)
            self._count_start(record)
        else:
            self._show(record.flow_run, correction.page, _told(record))

    def _show(self, flow_run: UUID | None, page: ShownState | None, message: str) -> None:
        if flow_run is None or page is None:
            return
        state: State[Any] = State(type=StateType(page.type), name=page.name, message=message)
        self._client.set_flow_run_state(flow_run, state, force=True)

    def _end_steps(self, flow_run: UUID | None) -> None:
        """Show the steps of a run that is gone as crashed; they would be at work for ever."""
        if flow_run is None:
            return
        at_work = TaskRunFilterStateType(any_=[StateType.RUNNING])
        steps = self._client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])),
            task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=at_work)),
        )
        state: State[Any] = State(type=StateType.CRASHED, message="the process of its run is gone")
        for step in steps:
            self._client.set_task_run_state(step.id, state, force=True)

    def _count_start(self, record: RunRecord) -> None:
        """Record the start as which Prefect counts that a run was shown as running again."""
        if record.flow_run is not None:
            attempt = self._client.read_flow_run(record.flow_run).run_count
            self._runs.write(record.model_copy(update={"attempt": attempt}))


def _as_shown(run: FlowRun) -> ShownRun:
    state = run.state
    since = datetime.now(UTC) if state is None else state.timestamp
    return ShownRun(run.id, run.run_count, "" if state is None else state.type.value, since)


def _require_artifact(client: SyncPrefectClient, flow_run: UUID, report: CommandReport) -> None:
    """Put the first artifact of a report on the page of a run, unless it is there."""
    first = next(artifacts_of(report))
    existing = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run]),
            key=ArtifactFilterKey(any_=[first.key]),
        )
    )
    since = report.started or datetime.now(UTC)
    if any(artifact.created and artifact.created >= since for artifact in existing):
        return
    client.create_artifact(
        ArtifactCreate(
            key=first.key,
            type="markdown",
            description=first.description,
            data=first.text,
            flow_run_id=flow_run,
        )
    )


def _told(record: RunRecord) -> str:
    """Return the sentence with which a run ended, from its report."""
    page = record.report
    try:
        document = json.loads((page or Path()).with_name("report.json").read_text(encoding="utf-8"))
        error = document["errors"][0]
        return f"{error['message']} Next: {error['next_step']}"
    except (OSError, ValueError, LookupError):
        return f"{record.outcome}; see {page}" if page else str(record.outcome)
