"""Which folders of earlier runs the next one removes from the server."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tasks import scripts
from tasks.bundle.layout import APPROVALS, MANIFEST, PACKAGE
from tasks.content.names import Blake3
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import ExportStatus
from tasks.ledger.imports import ImportRecord
from tasks.ledger.work_id import WorkId, new_run_id
from tasks.metadata.index import INDEX
from tasks.run.context import RunContext
from tasks.server.cleanup import (
    clean_up_server,
    drop_old_packages,
    remove_work,
    wait_for_changes,
)
from tests.support.bundles import NOW
from tests.support.memory_host import MemoryHost
from tests.support.runs import reserved

BUNDLE = Blake3.from_hex("ab" * 32)
PLAN = "c" * 64
IMPORT = WorkId("import", 2, bundle=BUNDLE.short)


def make_folders(run: RunContext, *names: str) -> Path:
    """Make folders below ``runs``, each with a file in it; gives ``runs``."""
    run.make_folders()
    runs = Path(run.folders.work_dir.text) / "runs"
    for name in names:
        (runs / name).mkdir()
        (runs / name / "file").touch()
    return runs


def names_in(runs: Path) -> set[str]:
    return {path.name for path in runs.iterdir()}


def remember_import(run: RunContext, *, is_done: bool) -> None:
    run.imports.begin(
        ImportRecord(
            header_digest=BUNDLE,
            sequence=IMPORT.sequence,
            status="begun",
            folder=Path("/nowhere"),
            created=NOW,
            begun=NOW,
            done=None,
            outcome=None,
        )
    )
    if is_done:
        run.imports.finish(BUNDLE, outcome="complete", now=NOW)


@pytest.mark.parametrize(
    ("status", "stays"),
    [("reserved", True), ("committed", True), ("sealed", False), ("void", False)],
)
def test_the_folder_of_an_export_stays_until_its_number_is_settled(
    staging: RunContext, status: ExportStatus, stays: bool
) -> None:
    record = reserved(2, Path("/nowhere")).model_copy(update={"status": status})
    staging.exports.reserve(record)
    runs = make_folders(staging, "alpha-export-2", "alpha-export-3")
    clean_up_server(staging)
    # This state folder knows nothing of number 3, so it cannot tell that it is over.
    assert names_in(runs) == {"alpha-export-3"} | ({"alpha-export-2"} if stays else set())


@pytest.mark.parametrize("is_done", [False, True])
def test_the_folders_of_an_import_stay_until_it_is_done(
    disconnected: RunContext, is_done: bool
) -> None:
    remember_import(disconnected, is_done=is_done)
    own = {f"alpha-{work.text}" for work in (IMPORT, IMPORT.for_plan(PLAN))}
    runs = make_folders(disconnected, *own)
    clean_up_server(disconnected)
    assert names_in(runs) == (set() if is_done else own)


def test_folders_of_runs_and_audits_go_and_strange_ones_stay(disconnected: RunContext) -> None:
    over = [
        f"alpha-{new_run_id('import', now=NOW - timedelta(days=1))}",
        f"alpha-{WorkId('audit', 2).for_plan(PLAN).text}",
    ]
    strange = {"alpha-export", "alpha-notes", "beta-audit-2", "alphaaudit-2", "audit-2"}
    runs = make_folders(disconnected, *over, *strange)
    (runs / "alpha-audit-7").write_bytes(b"a file, no folder")
    clean_up_server(disconnected)
    assert names_in(runs) == strange | {"alpha-audit-7"}


def test_finished_work_takes_the_folders_of_its_plans_with_it(disconnected: RunContext) -> None:
    others = {
        f"alpha-{work.text}"
        for work in (
            WorkId("import", 22, bundle=BUNDLE.short),
            WorkId("import", 2, bundle="0" * 16),
            WorkId("audit", 2),
        )
    }
    own = [f"alpha-{work.text}" for work in (IMPORT, IMPORT.for_plan(PLAN))]
    runs = make_folders(disconnected, *own, *others)
    remove_work(disconnected, IMPORT)
    assert names_in(runs) == others


# --- scripts that an earlier run left running -----------------------------------------------------


def with_script(
    run: RunContext, folder: str, script: str
) -> tuple[RunContext, MemoryHost, HostPath]:
    """A server on which a script of an earlier run still works in a folder below ``runs``."""
    host = MemoryHost(start_detached=lambda _: None)
    on_server = replace(run, server=host)
    on_server.make_folders()
    job = on_server.folders.runs.joined(folder, f"{script}.job-1")
    host.make_folder(job.parent)
    host.start_detached(["powershell"], job=job)
    assert host.poll_detached(job).state == "running"
    return on_server, host, job


@pytest.mark.parametrize("script", ["apply-approvals", "read-updates"])
def test_a_script_that_still_works_is_waited_for_before_its_folder_goes(
    disconnected: RunContext, script: str
) -> None:
    folder = f"alpha-{WorkId('audit', 2).text}"
    run, host, job = with_script(disconnected, folder, script)
    timer = threading.Timer(0.3, host.finish_job, [job, 0])
    timer.start()
    clean_up_server(run)
    timer.join()
    assert host.list_folder(run.folders.runs) == []


def test_only_a_script_that_changes_the_server_is_waited_for_before_a_new_plan(
    disconnected: RunContext,
) -> None:
    folder = f"alpha-{IMPORT.for_plan(PLAN).text}"
    run, host, reading = with_script(disconnected, folder, "read-updates")
    changing = reading.parent.joined("apply-approvals.job-1")
    host.start_detached(["powershell"], job=changing)
    timer = threading.Timer(0.3, host.finish_job, [changing, 0])
    timer.start()
    wait_for_changes(run)
    assert not timer.is_alive()
    assert host.poll_detached(reading).state == "running"


def test_every_script_of_ours_is_waited_for_unless_it_only_reads(disconnected: RunContext) -> None:
    """A repair, a catalog import or a start of the service is left at work by a lost connection."""
    folder = f"alpha-{IMPORT.text}"
    run, host, first = with_script(disconnected, folder, "read-server")
    names = {path.stem for path in Path(scripts.__file__).parent.glob("*.ps1")}
    changing = {name for name in names if not re.match("read-|hash-|probe-|supervise-", name)}
    assert {"apply-repair", "catalog-import", "control-service", "place-files"} < changing
    for name in changing:
        job = first.parent.joined(f"{name}.job-001")
        host.start_detached(["powershell"], job=job)
        timer = threading.Timer(0.1, host.finish_job, [job, 0])
        timer.start()
        wait_for_changes(run)
        assert host.poll_detached(job).state == "exited", name


@pytest.mark.parametrize("name", ["alpha-notes", "beta-audit-2"])
def test_nobody_waits_for_what_works_in_a_folder_that_is_not_ours(
    disconnected: RunContext, name: str
) -> None:
    run, host, job = with_script(disconnected, name, "apply-approvals")
    clean_up_server(run)
    assert host.poll_detached(job).state == "running"


def test_a_script_whose_server_restarted_is_not_waited_for(disconnected: RunContext) -> None:
    run, host, _ = with_script(disconnected, "alpha-audit-2", "apply-approvals")
    host.lose_power(seed=1)
    run.make_folders()
    clean_up_server(run)
    assert host.list_folder(run.folders.runs) == []


# --- packages of earlier bundles ------------------------------------------------------------------


def test_only_the_newest_bundle_keeps_package_and_index_and_every_one_its_manifest(
    tmp_path: Path,
) -> None:
    for number in (1, 2, 3):
        folder = tmp_path / f"alpha-{number}"
        folder.mkdir()
        for name in (PACKAGE, INDEX, MANIFEST, APPROVALS):
            (folder / name).touch()
    drop_old_packages(tmp_path / "alpha-2")
    left = {folder.name: {path.name for path in folder.iterdir()} for folder in tmp_path.iterdir()}
    documents = {MANIFEST, APPROVALS}
    assert left == {
        "alpha-1": documents,
        "alpha-2": documents | {PACKAGE, INDEX},
        "alpha-3": documents,
    }
