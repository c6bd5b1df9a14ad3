"""Page of a flow run in Prefect: name, tags, artifacts, progress."""

from __future__ import annotations

import time
from threading import Lock
from typing import Any, cast
from uuid import UUID

from prefect import get_client, runtime, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.utilities.annotations import opaque

from tasks.progress import Progress, Unit
from tasks.reports.markdown import Artifact, artifacts_of
from tasks.reports.model import CommandReport

# A progress update costs the API tens of milliseconds; the UI needs no more than this.
_ARTIFACT_SECONDS = 3.0


def show_report(report: CommandReport) -> None:
    """Put the report on the run's page, its most important part first.

    Prefect's UI lists flow-run artifacts before task-run artifacts and orders each group
    arbitrarily. Therefore the first artifact is made on the flow run, the others in a final task.
    """
    first, *others = artifacts_of(report)
    show_text(first.key, first.text, first.description)
    if others:
        _show_details(cast("Any", opaque(others)))


@task(name="Show report", task_run_name="Show report", cache_policy=NO_CACHE, persist_result=False)
def _show_details(artifacts: list[Artifact]) -> None:
    for artifact in artifacts:
        show_text(artifact.key, artifact.text, artifact.description)


def deployment_name() -> str | None:
    """Return the name of the deployment that this run is of; None for a command of a person."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.deployment_id is None:
        return None  # Prefect would ask its server, each time by a new client
    return cast("str | None", runtime.deployment.name)


def is_scheduled() -> bool:
    """Return True if a schedule began this run, and no person."""
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.auto_scheduled


def is_cancelling() -> bool:
    """Return True if a person cancelled this run in the pages; False without a server."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(context.flow_run.id).state
    except Exception:  # noqa: BLE001  a server that is stopping may answer anything
        return False
    return state is not None and state.is_cancelling()


def name_run(name: str | None, *labels: str) -> tuple[UUID | None, int | None]:
    """Rename the current flow run (None keeps its name), and add the labels to its tags.

    Returns:
        The run's id, and the number of its start, counted from 1; None twice outside a flow.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return None, None
    with get_client(sync_client=True) as client:
        current = client.read_flow_run(context.flow_run.id)
        client.update_flow_run(
            context.flow_run.id,
            name=name or current.name,
            tags=sorted({*current.tags, *labels}),
        )
        return current.id, current.run_count


def show_text(key: str, markdown: str, description: str) -> None:
    """Put a Markdown artifact on the page of the current run."""
    create_markdown_artifact(key=key, markdown=markdown, description=description)


class ArtifactProgress:
    """Progress on a terminal and in one progress artifact of Prefect's UI, for all steps."""

    def __init__(self, terminal: Progress) -> None:
        self._terminal = terminal
        self._lock = Lock()
        self._artifact: UUID | None = None
        self._is_shown = False
        self._total = 0
        self._done = 0
        self._found = 0
        self._shown = 0.0

    def start(self, step: str, *, total: int | None, unit: Unit, resumed_at: int = 0) -> None:
        """Begin a step, at what is there already."""
        self._terminal.start(step, total=total, unit=unit, resumed_at=resumed_at)
        self._total, self._done, self._shown = total or 0, resumed_at, time.monotonic()
        self._found = resumed_at
        self._is_shown = bool(total)
        if not total:
            return
        share = min(100.0, 100.0 * resumed_at / total)
        if self._artifact is None:
            begun = create_progress_artifact(progress=share, description=step)
            self._artifact = cast("UUID", begun)
        else:
            update_progress_artifact(self._artifact, progress=share, description=step)

    def advance(self, amount: int) -> None:
        """Count; update the UI at most every few seconds."""
        self._terminal.advance(amount)
        with self._lock:
            self._done += amount
            moment = time.monotonic()
            if (
                not self._is_shown
                or self._artifact is None
                or moment - self._shown < _ARTIFACT_SECONDS
            ):
                return
            self._shown = moment
            share = min(100.0, 100.0 * self._done / self._total)
        # Outside the lock: other threads go on counting while the API answers.
        update_progress_artifact(artifact_id=self._artifact, progress=share)

    def check(self, amount: int) -> None:
        """Count what was found; it stands in the bar already."""
        if self._found:
            self._terminal.check(amount)
        else:
            self.advance(amount)

    def finish(self) -> None:
        """End the step."""
        self._terminal.finish()
        if self._is_shown and self._artifact is not None:
            share = min(100.0, 100.0 * self._done / self._total)
            update_progress_artifact(artifact_id=self._artifact, progress=share)
        self._is_shown = False
