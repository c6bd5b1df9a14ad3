"""A run that a person cancels in the pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.states import Cancelling

from tests.e2e.test_beside_wsusutil import hanging, service, wait_until, working
from tests.e2e.test_served import ended, serving, start
from tests.support.labs import Lab, make_lab
from tests.support.prefect_api import client_of

pytestmark = pytest.mark.timeout(300)


def test_a_cancelled_run_ends_in_a_sentence_that_names_the_wsusutil_that_goes_on(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, updates=12, content_bytes=200_000)
    bundle = Path(lab.export().document["bundle"])
    with hanging(lab, "disconnected"), serving(lab, "disconnected"):
        run = start(shared_api, "import/alpha", bundles=[str(bundle)]).id
        wait_until(lambda: service(lab, "disconnected") == "Stopped")
        cancel(shared_api, run)
        cancelled = ended(shared_api, run)
        assert cancelled.state is not None
        assert cancelled.state.is_cancelled(), cancelled.state
        document = newest_report(lab)
        (error,) = document["errors"]
        assert error["kind"] == "interrupted"
        assert (
            f"wsusutil import of run {document['run']} of site alpha is still" in error["message"]
        )
        assert cancelled.state.message == f"{error['message']} Next: {error['next_step']}"
        assert len(working(lab, "disconnected")) == 1
        assert not list((lab.work("disconnected") / "locks").iterdir())

        assert service(lab, "disconnected") == "Stopped"
    assert lab.import_(bundle).exit_code in {0, 2}


def cancel(api_url: str, run: UUID) -> None:
    with client_of(api_url) as client:
        client.set_flow_run_state(run, Cancelling())


def newest_report(lab: Lab) -> dict[str, Any]:
    reports = lab.folder / "disconnected" / "state" / "reports"
    wait_until(lambda: list(reports.glob("*/report.json")))
    newest = max(reports.glob("*-import-*/report.json"), key=lambda path: path.stat().st_mtime)
    found: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
    return found
