"""Prefect's automation for runs that went away without an end.

A run tells the server that it lives as long as its process does. The automation expects after each
such event another event of the same run, of any kind, so that runs that end, wait or are suspended
are left alone; a run of which nothing more comes is marked as crashed. It is the last resort:
``tasks.lost_runs`` closes sooner what it can prove to be gone.
"""

from __future__ import annotations

from datetime import timedelta

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from deploy.prefect_server.settings import HEARTBEAT_SECONDS

NAME = "wsus-airgap: runs that went away"
# Five heartbeats: a server that is busy, or is started again, misses a few.
_SILENCE = timedelta(seconds=5 * HEARTBEAT_SECONDS)
_MESSAGE = (
    f"Nothing was heard of this run for {_SILENCE.seconds} seconds: its process or its machine is "
    "gone. Next: retry it, or run the same command again; it goes on where it stopped."
)


def make_automation() -> AutomationCore:
    """Describe the automation."""
    runs = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
    trigger = EventTrigger(
        match=runs,
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=_SILENCE,
    )
    return AutomationCore(
        name=NAME,
        description="Made and updated by each start of `wsus-airgap up`.",
        enabled=True,
        trigger=trigger,
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=_MESSAGE)],
    )


async def require_automation() -> None:
    """Create the automation, or update the one of its name.

    An updated automation begins to count anew. So a run that lives is not marked as crashed because
    the server was away for a while.
    """
    async with get_client() as client:
        existing = await client.read_automations_by_name(NAME)
        if not existing:
            await client.create_automation(make_automation())
            return
        await client.update_automation(existing[0].id, make_automation())
        for twin in existing[1:]:
            await client.delete_automation(twin.id)
