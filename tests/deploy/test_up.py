"""A real ``up``: runs are started and retried as its pages do it, and a restart forgets nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import AwaitingRetry

from deploy import lab
from deploy.prefect_server.heartbeat import NAME
from deploy.prefect_server.saved_filters import FILTERS
from deploy.prefect_server.schedules import SLUG
from deploy.prefect_server.up import read_served_sites
from tasks.errors import PathMissingError, UsageError
from tests.support.labs import STAND_IN, Lab, make_lab
from tests.support.runs import write_site_file
from tests.support.serving import Up, ended, start, up

pytestmark = pytest.mark.timeout(900)
_LINES = """
[schedule]
import = { patch_tuesday_plus = 3, at = "03:00", time_zone = "Europe/Berlin" }
audit = { cron = "0 5 * * 0" }
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Path:
    folder = tmp_path_factory.mktemp("up") / "lab"
    made = make_lab(folder, api_url=shared_api, updates=12, content_bytes=200_000)
    made.configure("staging", "prefect", api_url=None)
    return folder


@pytest.fixture(scope="module")
def served(pair: Path) -> Iterator[Up]:
    """The staging side of a lab, served."""
    with up(pair / "staging" / "site.toml", variables=STAND_IN) as running:
        yield running


def test_a_failed_run_is_retried_and_finishes_under_its_own_id(pair: Path, served: Up) -> None:
    header = pair / "media" / "alpha-1" / "volume-001" / "header.json"
    lab.set_fault(pair, "staging", "exit-code", on=True)
    with served.client() as client:
        failed = ended(client, start(client, "export/alpha").id)
        was_sealed = header.exists()
        words = [record.message for record in client.read_logs(logs_of(failed.id), limit=200)]

        lab.set_fault(pair, "staging", "exit-code", on=False)
        client.set_flow_run_state(failed.id, AwaitingRetry(), force=True)
        done = ended(client, failed.id)

    assert failed.state is not None
    assert failed.state.is_failed()
    assert "wsusutil" in (failed.state.message or "")
    assert [line for line in words if "Traceback" in line] == []
    assert any("Check server" in line for line in words)
    assert not was_sealed
    assert done.id == failed.id
    assert done.state is not None
    assert done.state.is_completed()
    assert header.exists()
    assert {"alpha", "staging"} <= set(done.tags)


def logs_of(run: UUID) -> LogFilter:
    return LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))


def test_a_deployment_runs_for_its_own_site_only(served: Up) -> None:
    with served.client() as client:
        deployment = client.read_deployment_by_name("export/alpha")
        with pytest.raises(PrefectHTTPStatusError, match="'beta' is not one of"):
            start(client, "export/alpha", site="beta")
        client.update_deployment(deployment.id, DeploymentUpdate(enforce_parameter_schema=False))
        refused = ended(client, start(client, "export/alpha", site="beta").id)

    assert deployment.entrypoint == "flows.export_bundle.export_bundle"
    assert "**Retry** goes on where the run stopped" in (deployment.description or "")
    assert refused.state is not None
    assert refused.state.is_failed()
    assert "this deployment is for site alpha" in (refused.state.message or "")


def test_a_command_of_a_served_site_uses_that_server_and_says_so(pair: Path, served: Up) -> None:
    result = Lab(pair).run_command("staging", "export", variables=STAND_IN)
    with served.client() as client:
        names = {run.name for run in client.read_flow_runs() if run.deployment_id is None}

    assert result.exit_code in {0, 2}, result.explain()
    assert f"Prefect: the server of `up` at {served.home.address}" in result.stderr
    assert len(names) == 1


def test_the_secret_is_shown_on_a_terminal_only(served: Up) -> None:
    assert served.home.address in served.greeting
    assert served.home.secret not in served.greeting
    assert "--print-address" in served.greeting


def schedules(client: SyncPrefectClient, name: str) -> dict[str | None, DeploymentSchedule]:
    deployment = client.read_deployment_by_name(name)
    return {schedule.slug: schedule for schedule in client.read_deployment_schedules(deployment.id)}


def has_scheduled_run(client: SyncPrefectClient, name: str) -> bool:
    deployment = client.read_deployment_by_name(name)
    return any(
        run.deployment_id == deployment.id and run.state is not None and run.state.is_scheduled()
        for run in client.read_flow_runs()
    )


def test_a_restart_keeps_port_secret_history_and_what_people_did_to_schedules(
    tmp_path: Path,
) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    bare = site.read_text(encoding="utf-8")
    site.write_text(bare + _LINES, encoding="utf-8")
    with up(site) as first, first.client() as client:
        give_up = time.monotonic() + 60
        while not has_scheduled_run(client, "import/alpha"):
            assert time.monotonic() < give_up, "no run is scheduled within a minute"
            time.sleep(0.5)
        deployment = client.read_deployment_by_name("import/alpha")
        ours = schedules(client, "import/alpha")[SLUG]
        client.update_deployment_schedule(deployment.id, ours.id, active=False)
        theirs = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 1 * * *"), active=True)
        client.create_deployment_schedules(deployment.id, [theirs])
        run = client.create_flow_run_from_deployment(
            client.read_deployment_by_name("verify/alpha").id, parameters={"bundles": ["nowhere"]}
        )
        ended(client, run.id)

    # The line of `import` changes, that of `audit` goes.
    changed = _LINES.splitlines()[:3]
    site.write_text(bare + "\n".join(changed).replace("03:00", "04:00") + "\n", encoding="utf-8")
    with up(site) as second, second.client() as client:
        again = schedules(client, "import/alpha")
        audits = schedules(client, "audit/alpha")
        automations = client.request("POST", "/automations/filter", json={}).json()
        filters = client.request("POST", "/saved_searches/filter", json={}).json()
        remembered = client.read_flow_run(run.id)

    assert (second.home.machine, second.home.secret) == (first.home.machine, first.home.secret)
    assert again.keys() == {SLUG, None}
    assert (again[SLUG].schedule.cron, again[SLUG].active) == ("0 4 11-17 * 5", False)  # type: ignore[union-attr]
    assert again[SLUG].id == ours.id
    assert audits == {}
    assert [automation["name"] for automation in automations] == [NAME]
    assert sorted(saved["name"] for saved in filters) == sorted(FILTERS)
    assert remembered.state is not None
    assert remembered.state.is_failed()
    assert first.process.returncode == 0


# --- the site files ------------------------------------------------------------------------------


def test_only_files_that_are_called_after_their_site_are_served(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    shutil.copy(site, tmp_path / "alpha.toml")
    served = read_served_sites(tmp_path)

    assert [site.path.name for site in served.sites] == ["alpha.toml"]
    assert served.ignored == (site,)


def test_a_folder_that_cannot_be_served_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name of its site"):
        read_served_sites(tmp_path)
    with pytest.raises(PathMissingError, match="folder of site files"):
        read_served_sites(tmp_path / "none")
    site = write_site_file(tmp_path, side="staging")
    text = site.read_text(encoding="utf-8")
    (tmp_path / "alpha.toml").write_text(text, encoding="utf-8")
    other = text.replace('"staging"', '"disconnected"').replace('"alpha"', '"beta"')
    (tmp_path / "beta.toml").write_text(other, encoding="utf-8")
    with pytest.raises(UsageError, match="both sides"):
        read_served_sites(tmp_path)
