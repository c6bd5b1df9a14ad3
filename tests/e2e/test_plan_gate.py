"""A mirror import that was started in the page waits in a form; a person refuses, then confirms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.ledger.questions import Questions
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tests.support.labs import Lab, make_lab
from tests.support.pages import answer, suspended
from tests.support.serving import ended, start, up

pytestmark = pytest.mark.timeout(900)
_SCHEDULE = """
[schedule]
audit = { cron = "0 5 * * 0" }
"""


def served_by_itself(lab: Lab) -> Path:
    """Have ``up`` serve the disconnected side on a server of its own; gives its site file."""
    file = lab.site_file("disconnected")
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"(?m)^api_url = .*\n", "", text) + _SCHEDULE, encoding="utf-8")
    return file


def test_a_plan_waits_in_a_form_is_refused_once_and_confirmed_once_after_a_restart(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, updates=12, content_bytes=200_000)
    lab.accept(lab.cross().document["receipt"], expect=0)
    lab.advance()
    lab.export("--mode", "mirror")
    surplus = set(lab.bytes_of("disconnected")) - set(lab.bytes_of("staging"))
    assert surplus
    typed = lab.import_(2, expect=4)  # a typed command never waits
    assert typed.error["kind"] == "plan-unconfirmed"
    digest = typed.document["plan_digest"]
    fields = {"digest": digest, "reason": "not on a Friday", "name": "A. Person"}
    site = served_by_itself(lab)

    with up(site) as first, first.client() as client:
        run = start(client, "import/alpha", bundles=[str(lab.bundle(2))])
        suspended(client, run.id)
        with Ledger(lab.folder / "disconnected" / "state") as ledger:
            (question,) = Questions(ledger).open()
            record = Runs(ledger).read(question.run)
        assert (question.digest, question.flow_run) == (digest, run.id)
        assert record is not None
        assert record.outcome == "waiting"

        assert answer(client, run.id, {}) == "REJECT"
        suspended(client, run.id)
        assert answer(client, run.id, {"decision": "refuse", **fields}) == "ACCEPT"
        refused = ended(client, run.id)
        assert refused.state is not None
        assert refused.state.name == "Refused"
        assert "not on a Friday" in str(refused.state.message)
        assert surplus <= set(lab.bytes_of("disconnected"))

        again = start(client, "import/alpha", bundles=[str(lab.bundle(2))])
        suspended(client, again.id)
        deployment = client.read_deployment_by_name("audit/alpha")
        client.update_deployment_schedule(deployment.id, deployment.schedules[0].id, active=False)

    with up(site) as second, second.client() as client:
        suspended(client, again.id)
        kept = client.read_deployment_by_name("audit/alpha").schedules
        assert answer(client, again.id, {"decision": "confirm", **fields}) == "ACCEPT"
        done = ended(client, again.id)
    assert [schedule.active for schedule in kept] == [False]
    assert done.state is not None
    assert done.state.is_completed(), done.state.message
    assert lab.bytes_of("disconnected") == lab.bytes_of("staging")
