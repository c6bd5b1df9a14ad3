"""A mirror import that was started in the page waits in a form; a person refuses, then confirms.

The run that is confirmed was asked by one version of the product and goes on with a later one, as
do a schedule that a person has paused and a wsusutil at work.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, TaskRun

from tasks.ledger.questions import Questions
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tests.e2e.test_beside_wsusutil import hanging, wait_until, working
from tests.e2e.test_cancelled import newest_report
from tests.e2e.test_served import count_starts, starts
from tests.support.labs import Lab, make_lab
from tests.support.later_version import LATER, make_later_version
from tests.support.pages import answer, suspended
from tests.support.prefect_api import logged, task_runs
from tests.support.serving import ended, start, up

pytestmark = pytest.mark.timeout(900)


def served_by_itself(lab: Lab) -> Path:
    """Have ``up`` serve the disconnected side on a server of its own; gives its site file."""
    lab.configure("disconnected", "prefect", api_url=None)
    lab.configure("disconnected", "schedule.audit", cron="0 5 * * 0")
    return lab.site_file("disconnected")


@pytest.fixture
def lab(tmp_path: Path, shared_api: str, stand_in: None) -> Lab:
    """A lab after its first crossing, with a mirror bundle of the second month."""
    made = make_lab(tmp_path / "lab", api_url=shared_api, updates=12, content_bytes=200_000)
    count_starts(made, "disconnected")
    made.accept(made.cross().document["receipt"], expect=0)
    made.advance()
    made.export("--mode", "mirror")
    return made


def test_a_plan_waits_in_a_form_is_refused_once_and_confirmed_once_by_a_later_version(
    lab: Lab, tmp_path: Path
) -> None:
    surplus = set(lab.bytes_of("disconnected")) - set(lab.bytes_of("staging"))
    assert surplus
    typed = lab.import_(2, expect=4)  # a typed command never waits
    assert typed.error["kind"] == "plan-unconfirmed"
    digest = typed.document["plan_digest"]
    fields = {"digest": digest, "reason": "not on a Friday", "name": "A. Person"}
    bundle = {"bundles": [str(lab.bundle(2))]}
    site = served_by_itself(lab)

    with hanging(lab, "disconnected"):
        with up(site) as first, first.client() as client:
            run = start(client, "import/alpha", **bundle)
            suspended(client, run.id)
            require_question(lab, run.id, digest)
            assert answer(client, run.id, {}) == "REJECT"
            suspended(client, run.id)
            assert answer(client, run.id, {"decision": "refuse", **fields}) == "ACCEPT"
            refused = ended(client, run.id)
            shown = task_runs(first.home.api_url, run.id)
            assert surplus <= set(lab.bytes_of("disconnected"))

            again = start(client, "import/alpha", **bundle)
            suspended(client, again.id)
            audit = client.read_deployment_by_name("audit/alpha")
            client.update_deployment_schedule(audit.id, audit.schedules[0].id, active=False)
            # Somebody confirms the plan for another run, which the upgrade then stops.
            start(client, "import/alpha", confirm=digest, **bundle)
            wait_until(lambda: working(lab, "disconnected"))

        later = {"PYTHONPATH": str(make_later_version(tmp_path / "later"))}
        job = working(lab, "disconnected")
        with up(site, variables=later) as second, second.client() as client:
            suspended(client, again.id)
            kept = client.read_deployment_by_name("audit/alpha")
            assert answer(client, again.id, {"decision": "confirm", **fields}) == "ACCEPT"
            lines = partial(logged, second.home.api_url, again.id)
            wait_until(lambda: lines().count("Lock server") == 2)
            assert working(lab, "disconnected") == job
            lab.fault("disconnected", "wsusutil-hang", on=False)
            done = ended(client, again.id)

    require_refused(refused, shown)
    assert (kept.version, [schedule.active for schedule in kept.schedules]) == (LATER, [False])
    assert done.state is not None
    assert done.state.is_completed(), done.state.message
    assert starts(lab, "disconnected") == ["import"] * 2  # one for each bundle
    assert lab.bytes_of("disconnected") == lab.bytes_of("staging")
    assert newest_report(lab)["made_by"]["product_version"] == LATER


def require_question(lab: Lab, run: UUID, digest: str) -> None:
    """See that the ledger waits for the answer about that plan, and its run with it."""
    with Ledger(lab.folder / "disconnected" / "state") as ledger:
        (question,) = Questions(ledger).open()
        record = Runs(ledger).read(question.run)
    assert (question.digest, question.flow_run) == (digest, run)
    assert record is not None
    assert record.outcome == "waiting"


def require_refused(run: FlowRun, steps: list[TaskRun]) -> None:
    """See that the run says who refused it, and that its step was not shown as failed before."""
    assert run.state is not None
    assert run.state.name == "Refused"
    assert "not on a Friday" in str(run.state.message)
    plans = [step.state_name for step in steps if step.name == "Plan import"]
    assert plans == ["Asked a person", "Refused"]
