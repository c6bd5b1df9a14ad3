"""What Prefect recorded of a run, asked through its API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun


@contextmanager
def client_of(api_url: str) -> Iterator[SyncPrefectClient]:
    """A client of an API that asks for no secret."""
    from prefect import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: api_url}), get_client(sync_client=True) as client:
        yield client


def newest_run(api_url: str) -> FlowRun:
    """The flow run that started last."""
    from prefect.client.schemas.sorting import FlowRunSort

    with client_of(api_url) as client:
        return client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]


def task_runs(api_url: str, flow_run: UUID) -> list[TaskRun]:
    """The task runs of a flow run, in the order in which they started."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run]))
    with client_of(api_url) as client:
        found = client.read_task_runs(flow_run_filter=wanted)
    return sorted(found, key=lambda run: (run.start_time is None, run.start_time))


def steps(api_url: str, flow_run: UUID) -> Counter[str]:
    """How many task runs a flow run has of each step."""
    return Counter(run.name for run in task_runs(api_url, flow_run))


def artifacts(api_url: str, flow_run: UUID) -> list[Artifact]:
    """The artifacts of a flow run, in the order in which they were made."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run]))
    with client_of(api_url) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    return sorted(found, key=lambda artifact: str(artifact.created))


def logged(api_url: str, flow_run: UUID) -> list[str]:
    """What a flow run and its steps logged: the lines on its page."""
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run]))
    with client_of(api_url) as client:
        answer = client.request(
            "POST", "/logs/filter", json={"logs": wanted.model_dump(mode="json")}
        )
    return [line["message"] for line in answer.json()]
