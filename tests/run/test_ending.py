"""How a run ends: refused for trust, or when even its report cannot be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.bundle.keys import generate_keys
from tasks.errors import BatchFailedError
from tasks.hosts.paths import Platform
from tasks.ledger.runs import Runs
from tasks.refusals import ChainError, ScriptDigestError, TamperError
from tasks.reports.model import CommandReport
from tasks.reports.summary import attention
from tasks.run.context import RunContext
from tasks.run.ending import begin_run, close_run
from tasks.run.keys import own_fingerprint
from tasks.run.made_by import account, machine
from tasks.run.report import Notes
from tasks.version import VERSION
from tests.reports.examples import missing_file
from tests.support.memory_host import MemoryHost
from tests.support.runs import open_test_run, site_with, write_site_file


@pytest.fixture
def run(disconnected: RunContext) -> RunContext:
    """A run whose state folder takes no reports and no log."""
    (disconnected.site.state_dir / "reports").write_text("in the way")
    (disconnected.site.state_dir / "unexpected.log").mkdir()
    return disconnected


def test_a_refusal_stays_a_refusal(run: RunContext) -> None:
    report = close_run(run, TamperError(path="x", expected="a", found="b"))
    assert report.exit_code == 3
    assert report.outcome == "refused"
    assert [error.kind for error in report.errors] == ["tamper", "host-file"]
    assert report.report is None


@pytest.mark.parametrize("command", ["import", "verify"])
def test_an_import_that_is_refused_for_trust_by_any_step_leaves_no_intake(
    tmp_path: Path, command: str
) -> None:
    with open_test_run(write_site_file(tmp_path, side="disconnected"), command=command) as run:
        run.make_folders()
        run.ledger.remember_content_dir(str(tmp_path / "WsusContent"))
        disk = run.known_disk
        assert disk is not None
        left = Path(disk.intake.text) / "AB"
        left.mkdir(parents=True)

        close_run(run, BatchFailedError(what="copying", failed=1, total=2, first="x"))
        assert left.exists()
        close_run(run, ChainError(reason="the mark", remedy="restore"))
        assert left.exists() == (command == "verify")


def test_volumes_that_were_fed_go_with_a_bundle_that_is_not_trusted_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    server = ScriptDigestError(path="a script", expected="a", found="b")
    bundle = TamperError(path="x", expected="a", found="b")
    for error, stays in ((server, True), (bundle, False)):
        with open_test_run(site, command="import") as run:
            disc = run.site.state_dir / "volumes" / "a disc of hours"
            disc.mkdir(parents=True, exist_ok=True)
            close_run(run, error)
            assert disc.exists() == stays


def test_an_intake_on_another_drive_is_found_before_this_run_looked_for_it(
    disconnected: RunContext,
) -> None:
    run = disconnected
    on_windows = replace(
        run,
        site=site_with(run.site, "server", work_dir=r"C:\ProgramData\wsus-airgap"),
        server=MemoryHost(platform=Platform.WINDOWS),
    )
    run.ledger.remember_content_dir(r"D:\WSUS\WsusContent")
    disk = on_windows.known_disk
    assert disk is not None
    assert disk.intake.text == r"D:\WSUS\wsus-airgap\intake\alpha"


def test_a_run_that_did_its_work_is_to_be_run_again(run: RunContext) -> None:
    report = close_run(run, None)
    assert (report.exit_code, report.outcome) == (1, "failed")
    assert [error.kind for error in report.errors] == ["host-file"]
    assert str(run.site.state_dir) in report.errors[0].message


def test_what_nobody_foresaw_is_told_without_its_log(run: RunContext) -> None:
    report = close_run(run, KeyError("surprise"))
    assert [error.kind for error in report.errors] == ["unexpected", "host-file"]


def test_whatever_a_step_can_note_is_a_field_of_the_report() -> None:
    assert Notes.__annotations__.keys() <= CommandReport.model_fields.keys()


def test_every_report_names_account_machine_version_server_policy_and_signer(
    disconnected: RunContext,
) -> None:
    disconnected.ledger.adopt_server(disconnected.site.side, "5d1c6a52-0000-4000-8000-000000000001")
    disconnected.by_api = True
    report = close_run(disconnected, TamperError(path="x", expected="a", found="b"))

    document = report.as_json()["made_by"]
    assert document["account"] == account()
    assert (document["machine"], document["product_version"]) == (machine(), VERSION)
    assert document["server_id"] == "5d1c6a52-0000-4000-8000-000000000001"
    assert document["policy"]["mode"] == "incremental"
    assert document["signer"] == {
        "fingerprint": own_fingerprint(disconnected.site), "name": "signing.key",
    }  # fmt: skip
    page = (disconnected.reports_dir / "report.html").read_text("utf-8")
    for words in (f"{account()}, by the API", machine(), VERSION, document["server_id"],
                  "mode = &#34;incremental&#34;", document["signer"]["fingerprint"]):  # fmt: skip
        assert words in page


def test_a_report_asks_nobody_for_the_passphrase_of_a_key(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    generate_keys(tmp_path / "other", passphrase=b"secret")
    with open_test_run(site) as run:
        (tmp_path / "other" / "signing.key").replace(run.site.trust.signing_key)
        run.site.trust.signing_key.with_suffix(".pub").unlink()
        report = close_run(run, None)

    assert report.made_by is not None
    assert report.made_by.signer.fingerprint is None
    assert report.exit_code == 0


def test_a_run_that_was_killed_stays_in_the_list_without_an_end(disconnected: RunContext) -> None:
    begin_run(disconnected)
    (run,) = Runs(disconnected.ledger).newest(5)
    assert (run.id, run.outcome) == (disconnected.run_id, None)
    close_run(disconnected, None)
    (run,) = Runs(disconnected.ledger).newest(5)
    assert run.outcome == "done"


@pytest.mark.parametrize("is_approved", [True, False])
def test_missing_content_flags_a_run_only_where_it_is_approved(
    disconnected: RunContext, *, is_approved: bool
) -> None:
    listed = (missing_file(1),)
    disconnected.report.note(missing=listed)
    disconnected.report.flagged_missing = listed if is_approved else ()
    report = close_run(disconnected, None)
    assert report.missing == listed
    assert report.outcome == ("flagged" if is_approved else "done")
    assert bool(attention(report)) == is_approved
