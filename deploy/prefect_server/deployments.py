"""Deployments of all sites: one for each flow of a site's side.

Name and entrypoint of a deployment stay the same from version to version: ``import/alpha`` runs
``flows.import_bundle.import_bundle``. Its parameter ``site`` is fixed, in the form and in Prefect's
check of a run's parameters; a run compares it once more (``tasks.flow_run``).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import VersionInfo
from prefect.exceptions import ObjectNotFound
from prefect.types.entrypoint import EntrypointType
from prefect.workers.process import ProcessWorker

from deploy.prefect_server.schedules import ScheduledDeployment, apply_schedules
from deploy.prefect_server.settings import FLOW_RETRIES, MAX_RETRIES
from tasks.names import Side
from tasks.site.settings import Site
from tasks.version import VERSION

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.deployments.runner import RunnerDeployment

# The modules of flows/, each with one flow of the same name.
FLOWS = {
    Side.STAGING: (
        "check_server",
        "export_bundle",
        "verify_bundle",
        "accept_receipt",
        "catalog_import",
        "tidy_state",
    ),
    Side.DISCONNECTED: (
        "check_server",
        "verify_bundle",
        "import_bundle",
        "audit_content",
        "decide",
        "tidy_state",
    ),
}
_RETRY = (
    "**Retry** goes on where the run stopped, as the same command does: what ledger, server and "
    "disk show as done ends as `Found done` and is not repeated. (The dialog's words on results "
    "that are not persisted do not apply to these flows.)"
)
# A flow goes on if its worker ends, so it must not write into a pipe of the worker.
# Its own process repeats calls by ``tasks.prefect_api``, unlike the worker's.
JOB_VARIABLES: dict[str, Any] = {"stream_output": False, "env": {MAX_RETRIES: FLOW_RETRIES}}


def deploy(sites: Iterable[Site], pool: str) -> None:
    """Create or update the work pool, and the deployments and schedules of all sites."""
    with get_client(sync_client=True) as client:
        _require_pool(client, pool)
        scheduled = [
            ScheduledDeployment(_apply(client, site, flow, pool), timings.get(flow.name))
            for site in sites
            for timings in (site.schedule.timings,)
            for flow in flows_of(site.side)
        ]
        apply_schedules(client, scheduled)


def flows_of(side: Side) -> list[Flow[..., object]]:
    """Import the flows of a side."""
    return [getattr(import_module(f"flows.{name}"), name) for name in FLOWS[side]]


def describe(flow: Flow[..., object]) -> str:
    """Describe a deployment: its flow's docstring up to the parameters, and what a retry does."""
    purpose = (flow.description or "").partition("\nArgs:")[0].strip()
    return f"{purpose}\n\n{_RETRY}"


def _require_pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        pool = WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template)
        client.create_work_pool(pool)


def _apply(client: SyncPrefectClient, site: Site, flow: Flow[..., object], pool: str) -> UUID:
    """Create a deployment, or update one that differs; its schedules stay as they are."""
    made = cast(
        "RunnerDeployment",  # awaitable only where an event loop runs
        flow.to_deployment(
            name=site.name,
            parameters={"site": site.name},
            work_pool_name=pool,
            entrypoint_type=EntrypointType.MODULE_PATH,
            version=VERSION,
        ),
    )
    try:
        current = client.read_deployment_by_name(made.full_name)
    except ObjectNotFound:
        # Only for a new one: ``apply`` replaces the schedules of an old one by none.
        made.apply(version_info=VersionInfo(type="prefect:simple", version=VERSION))
        current = client.read_deployment_by_name(made.full_name)
    options: dict[str, Any] = {
        "description": describe(flow),
        "tags": [site.name, site.side.value],
        "version": VERSION,
        "job_variables": JOB_VARIABLES,
        "parameters": {"site": site.name},
        "parameter_openapi_schema": form_of(flow, site.name),
        "enforce_parameter_schema": True,
        "work_pool_name": pool,
        "entrypoint": made.entrypoint,
    }
    if any(_current(current, key) != value for key, value in options.items()):
        client.update_deployment(current.id, DeploymentUpdate(**options))
    return current.id


def form_of(flow: Flow[..., object], site: str) -> dict[str, Any]:
    """Make the parameter schema of a flow, with the site as its only possible value."""
    form: dict[str, Any] = flow.parameters.model_dump(exclude_unset=True)
    form["properties"]["site"] |= {"readOnly": True, "enum": [site]}
    return form


def _current(deployment: DeploymentResponse, key: str) -> object:
    value = getattr(deployment, key)
    return sorted(value) if key == "tags" else value
