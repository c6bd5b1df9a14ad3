"""Schedules of the site files on their deployments.

A deployment may have other schedules, which people made in Prefect's pages: they are never touched.
Ours has a slug. It is created, changed or removed only when its line in the site file differs from
the line that was applied last, so whatever a person did to it in the pages stays: paused, changed
or deleted. Prefect keeps each applied line in one of its variables, so that they share the fate of
the schedules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule
from prefect.variables import Variable

from tasks.site.schedule import Timing

SLUG = "site-file"
# One variable a deployment, because one holds 5,000 characters at most. Earlier, one had all lines.
_APPLIED = "wsus_airgap_schedule_{deployment}"
_ALL_APPLIED = "wsus_airgap_schedules"

Change = Literal["none", "create", "change", "remove"]


@dataclass(frozen=True, slots=True)
class ScheduledDeployment:
    """A deployment and the line of its site file; None: the file has none."""

    deployment: UUID
    timing: Timing | None


def plan_change(line: str | None, applied: str | None, *, exists: bool) -> Change:
    """Decide what becomes of our schedule on one deployment.

    Args:
        line: The line of the site file now; None if there is none.
        applied: The line that was applied last; None if there was none.
        exists: True if our schedule is there now.
    """
    if line == applied:
        return "none"
    if line is None:
        return "remove" if exists else "none"
    return "change" if exists else "create"


def line_of(timing: Timing | None) -> str | None:
    """Write a line of the site file in one form, whatever its spaces and the order of its keys."""
    return None if timing is None else timing.model_dump_json(exclude_none=True)


def cron_of(timing: Timing) -> CronSchedule:
    """Make Prefect's schedule of a line."""
    return CronSchedule(
        cron=timing.expression, timezone=timing.time_zone, day_or=not timing.both_days
    )


def apply_schedules(client: SyncPrefectClient, deployments: Iterable[ScheduledDeployment]) -> None:
    """Bring our schedules up to date; a kill in between is made good by the next call."""
    before = _read_variable(_ALL_APPLIED)
    for entry in deployments:
        key = str(entry.deployment)
        variable = _APPLIED.format(deployment=entry.deployment.hex)
        applied = (_read_variable(variable) or before).get(key)
        line = line_of(entry.timing)
        schedules = client.read_deployment_schedules(entry.deployment)
        ours = next((schedule for schedule in schedules if schedule.slug == SLUG), None)
        _apply(client, entry, plan_change(line, applied, exists=ours is not None), ours)
        if line != applied:
            Variable.set(variable, {key: line}, overwrite=True)


def _apply(
    client: SyncPrefectClient,
    entry: ScheduledDeployment,
    change: Change,
    ours: DeploymentSchedule | None,
) -> None:
    if change == "create" and entry.timing is not None:
        schedule = DeploymentScheduleCreate(schedule=cron_of(entry.timing), active=True, slug=SLUG)
        client.create_deployment_schedules(entry.deployment, [schedule])
    elif change == "change" and entry.timing is not None and ours is not None:
        # ``active`` is left out: a person may have paused it.
        client.update_deployment_schedule(
            entry.deployment, ours.id, schedule=cron_of(entry.timing), slug=SLUG
        )
    elif change == "remove" and ours is not None:
        client.delete_deployment_schedule(entry.deployment, ours.id)


def _read_variable(name: str) -> Mapping[str, str | None]:
    """Read applied lines by deployment; a person may have changed them in the pages."""
    value: object = Variable.get(name, default=None)
    lines = value if isinstance(value, dict) else {}
    return {str(key): None if line is None else str(line) for key, line in lines.items()}
