"""Runs that wait in Prefect's page, and the answers to their forms, as a person gives them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from tests.support.serving import WAIT_SECONDS

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun


def suspended(client: SyncPrefectClient, run: UUID) -> FlowRun:
    """Wait until a run waits for an answer."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        current = client.read_flow_run(run)
        assert current.state is not None
        if current.state.is_paused():
            return current
        assert not current.state.is_final(), current.state.message
        assert time.monotonic() < give_up, current.state
        time.sleep(0.5)


def in_state(client: SyncPrefectClient, run: UUID, name: str) -> FlowRun:
    """Wait until a run is in the state of this name."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        current = client.read_flow_run(run)
        assert current.state is not None
        if current.state.name == name:
            return current
        assert not current.state.is_final(), current.state
        assert time.monotonic() < give_up, current.state
        time.sleep(0.2)


def answer(client: SyncPrefectClient, run: UUID, fields: Mapping[str, str]) -> str:
    """Answer the form as the page does, and return what Prefect made of it."""
    return client.resume_flow_run(run, run_input=dict(fields)).status.value
