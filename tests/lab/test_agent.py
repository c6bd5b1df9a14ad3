"""The content agent: states change only by an approval, a resume, a reset and its own run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import lab
from deploy.lab.generate import taxonomy
from deploy.lab.rules import approval_actions, configuration, content_agent, ingest
from deploy.lab.rules.server import RuleError, Server
from deploy.lab.store import content_paths, revision_store
from deploy.lab.store.records import Revision
from tests.lab.lab_pair import LabPair, count


@pytest.fixture
def crossed(lab_pair: LabPair) -> LabPair:
    """Content and metadata are on the disconnected server, and its agent is slow from now on."""
    lab_pair.cross("first")
    lab_pair.let_agent_run("disconnected")
    lab.tune(lab_pair.folder, "disconnected", "agent_seconds", 3600.0)
    return lab_pair


@pytest.fixture
def server(crossed: LabPair) -> Iterator[Server]:
    with crossed.server("disconnected") as opened:
        yield opened


def _approvable(server: Server, *, on_disk: bool = True) -> tuple[str, int]:
    """A plain update with files, whose content is on disk or not."""
    rows = server.connection.execute(
        "SELECT update_id, revision FROM revision WHERE is_latest AND NOT hidden"
        " AND kind IN ('software', 'driver') AND license_id IS NULL"
        " AND publication = 'Published' ORDER BY update_id"
    ).fetchall()
    for row in rows:
        key = (row["update_id"], row["revision"])
        files = [_path(server, sha1) for sha1 in content_agent.needed_files(server, *key)]
        if files and all(path.is_file() for path in files) == on_disk:
            return key
    raise AssertionError("the lab has no such update")


def _path(server: Server, sha1: str) -> Path:
    query = "SELECT name FROM file WHERE sha1 = ?"
    name = server.connection.execute(query, (sha1,)).fetchone()["name"]
    return content_paths.content_path(server.content_dir, sha1, name)


def _group(server: Server) -> str:
    query = "SELECT id FROM target_group WHERE parent_id IS NOT NULL ORDER BY name"
    return str(server.connection.execute(query).fetchone()[0])


def _approve(server: Server, key: tuple[str, int]) -> None:
    approval_actions.approve(server, key, "Install", _group(server))


def _run(server: Server) -> None:
    """Run the agent as if its time had come."""
    server.connection.execute("UPDATE agent_job SET due = 0")
    content_agent.catch_up(server)


def test_an_approved_update_is_not_ready_until_the_agent_has_run(server: Server) -> None:
    key = _approvable(server)
    assert content_agent.state_of(server, *key) == "NotNeeded"
    _approve(server, key)
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "NotReady"
    total, done = content_agent.download_progress(server)
    assert total == done > 0
    _run(server)
    assert content_agent.state_of(server, *key) == "Ready"
    assert content_agent.download_progress(server) == (0, 0)


def test_the_agent_rests_while_its_service_is_stopped(server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    configuration.stop_service(server)
    _run(server)
    assert content_agent.state_of(server, *key) == "NotReady"
    configuration.start_service(server)
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "Ready"


def test_a_file_that_comes_or_goes_changes_nothing_until_the_agent_runs(server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    _run(server)
    path = _path(server, content_agent.needed_files(server, *key)[0])
    content = path.read_bytes()
    path.unlink()
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "Ready"
    content_agent.reset(server)
    _run(server)
    assert content_agent.state_of(server, *key) == "Failed"
    path.write_bytes(content)
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "Failed"
    content_agent.resume_all(server)
    _run(server)
    assert content_agent.state_of(server, *key) == "Failed"
    content_agent.resume(server, *key)
    assert content_agent.state_of(server, *key) == "NotReady"
    _run(server)
    assert content_agent.state_of(server, *key) == "Ready"


def test_without_its_file_an_update_fails_and_an_event_names_the_file(server: Server) -> None:
    key = _approvable(server, on_disk=False)
    _approve(server, key)
    _run(server)
    assert content_agent.state_of(server, *key) == "Failed"
    assert content_agent.failed_count(server) == 1
    text = server.connection.execute("SELECT text FROM event WHERE event_id = 364").fetchone()[0]
    assert "Content file download failed" in text


def test_staging_fetches_what_microsoft_serves(lab_pair: LabPair) -> None:
    with lab_pair.server("staging") as server:
        key = _approvable(server, on_disk=False)
        _approve(server, key)
        _run(server)
        assert content_agent.state_of(server, *key) == "Ready"
        assert all(
            _path(server, sha1).is_file() for sha1 in content_agent.needed_files(server, *key)
        )


def test_a_file_with_other_bytes_is_deleted_and_counts_as_missing(server: Server) -> None:
    key = _approvable(server)
    path = _path(server, content_agent.needed_files(server, *key)[0])
    path.write_bytes(b"rotten")
    _approve(server, key)
    _run(server)
    assert content_agent.state_of(server, *key) == "Failed"
    assert not path.exists()


def test_a_canceled_update_stays_so_until_it_is_resumed(server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    content_agent.cancel_all(server)
    _run(server)
    assert content_agent.state_of(server, *key) == "Canceled"
    content_agent.resume_all(server)
    _run(server)
    assert content_agent.state_of(server, *key) == "Ready"


def test_a_declined_update_needs_its_files_no_more(crossed: LabPair, server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    _run(server)
    names = {_path(server, sha1).name for sha1 in content_agent.needed_files(server, *key)}
    states = {f["name"]: f["state"] for f in crossed.state("disconnected")["files"]}
    assert {states[name] for name in names} == {"Ready"}
    approval_actions.decline(server, key[0])
    assert content_agent.state_of(server, *key) == "NotNeeded"
    states = {f["name"]: f["state"] for f in crossed.state("disconnected")["files"]}
    assert {states[name] for name in names} == {"NotNeeded"}


def test_a_bundle_needs_its_children_in_the_servers_languages_without_express(
    server: Server,
) -> None:
    rows = server.connection.execute(
        "SELECT DISTINCT relation.update_id, relation.revision FROM relation WHERE kind = 'bundles'"
    ).fetchall()
    seen = set()
    for row in rows:
        for sha1 in content_agent.needed_files(server, row["update_id"], row["revision"]):
            seen |= {
                (r["kind"], r["languages"])
                for r in server.connection.execute(
                    "SELECT file.kind, languages FROM revision_file JOIN file USING (sha1)"
                    " JOIN revision USING (update_id, revision) WHERE sha1 = ?",
                    (sha1,),
                )
            }
    assert {languages for _, languages in seen} == {"[]", '["en"]', '["de"]', '["ja"]'}
    assert {kind for kind, _ in seen} == {"payload"}


def test_licence_terms_are_wanted_as_soon_as_they_are_known(lab_pair: LabPair) -> None:
    with lab_pair.server("staging") as staging:
        terms = [
            (row["sha1"], content_paths.content_name(row["sha1"], row["name"]))
            for row in staging.connection.execute(
                "SELECT sha1, name FROM file JOIN content_state USING (sha1) WHERE kind = 'license'"
            )
        ]
    assert terms
    package = lab_pair.folder / "package.xml.gz"
    lab_pair.wsusutil("staging", "export", package, lab_pair.folder / "export.log")
    lab_pair.wsusutil("disconnected", "import", package)
    with lab_pair.server("disconnected") as server:
        _run(server)
        query = "SELECT update_id, revision FROM revision WHERE license_id IS NOT NULL"
        key = tuple(server.connection.execute(query).fetchone())
        assert content_agent.state_of(server, *key) == "LicenseAgreementFailed"
        with pytest.raises(RuleError, match="not been completely downloaded"):
            approval_actions.accept_license(server, *key)
    lab_pair.copy_content()
    with lab_pair.server("disconnected") as server:
        content_agent.reset(server)
        _run(server)
        assert content_agent.state_of(server, *key) == "NotNeeded"
        approval_actions.accept_license(server, *key)
        _approve(server, key)


def test_only_one_process_is_the_agent_and_the_work_of_a_dead_one_is_done_again(
    server: Server,
) -> None:
    key = _approvable(server)
    _approve(server, key)
    server.connection.execute("UPDATE agent_job SET due = 0")
    with content_agent._agent_lock(server) as first:
        assert first
        content_agent.catch_up(server)
        assert content_agent.state_of(server, *key) == "NotReady"
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "Ready"


def test_it_takes_its_time(lab_pair: LabPair) -> None:
    with lab_pair.server("staging") as server:
        server.set_setting("agent_seconds", 0.3)
        key = _approvable(server)
        _approve(server, key)
        content_agent.catch_up(server)
        assert content_agent.state_of(server, *key) == "NotReady"
        time.sleep(0.35)
        content_agent.catch_up(server)
        assert content_agent.state_of(server, *key) == "Ready"


def test_a_run_that_is_due_does_not_verify_what_is_approved_meanwhile(server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    server.connection.execute("UPDATE agent_job SET due = ?", (time.time() + 0.01,))
    _approve(server, key)
    time.sleep(0.02)
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "NotReady"
    # Asked for again, as a script does that waits, the run is not put off.
    server.connection.execute("UPDATE agent_job SET due = ?", (time.time() - 1,))
    content_agent.resume(server, *key)
    content_agent.catch_up(server)
    assert content_agent.state_of(server, *key) == "Ready"


# --- what WSUS decides by itself -----------------------------------------------------------------


def _newer(server: Server, key: tuple[str, int], **changes: object) -> Revision:
    newest = revision_store.get(server.connection, *key)
    return replace(newest, revision=newest.revision + 1, **changes)  # type: ignore[arg-type]


def test_approvals_move_to_a_new_revision(server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    newer = _newer(server, key)
    assert ingest.insert(server, newer) is False
    assert ingest.insert(server, newer) is True
    query = "SELECT revision FROM approval WHERE update_id = ?"
    assert [r[0] for r in server.connection.execute(query, (key[0],))] == [newer.revision]
    assert content_agent.state_of(server, *newer.key) == "NotReady"
    assert content_agent.state_of(server, *key) == "NotNeeded"


def test_they_stay_when_the_server_is_told_so(server: Server) -> None:
    server.set_setting("AutoRefreshUpdateApprovals", False)
    key = _approvable(server)
    _approve(server, key)
    ingest.insert(server, _newer(server, key))
    query = "SELECT revision FROM approval WHERE update_id = ?"
    assert [r[0] for r in server.connection.execute(query, (key[0],))] == [key[1]]


def test_they_stay_when_the_new_revision_has_licence_terms_that_nobody_accepted(
    server: Server,
) -> None:
    key = _approvable(server)
    _approve(server, key)
    ingest.insert(server, _newer(server, key, license_id="22222222-2222-4333-8444-555555555555"))
    query = "SELECT revision FROM approval WHERE update_id = ?"
    assert [r[0] for r in server.connection.execute(query, (key[0],))] == [key[1]]
    assert count(server, "SELECT count(*) FROM event WHERE event_id = 422") == 1


def test_an_update_that_a_new_revision_expires_is_declined(server: Server) -> None:
    key = _approvable(server)
    _approve(server, key)
    ingest.insert(server, _newer(server, key, publication="Expired"))
    assert count(server, "SELECT count(*) FROM approval WHERE update_id = ?", key[0]) == 0
    assert count(server, "SELECT count(*) FROM decline WHERE update_id = ?", key[0]) == 1


def test_updates_of_wsus_itself_are_approved_for_all_computers(server: Server) -> None:
    key = _approvable(server)
    infrastructure = _newer(
        server, key, update_id="11111111-2222-4333-8444-555555555555",
        product_id=taxonomy.INFRASTRUCTURE,
    )  # fmt: skip
    ingest.insert(server, infrastructure)
    row = server.connection.execute("SELECT * FROM approval").fetchone()
    assert (row["update_id"], row["action"]) == (infrastructure.update_id, "Install")
    assert row["group_id"] == "a0a08746-4dbe-4a37-9adf-9e7652c0b421"
    newer = _newer(server, infrastructure.key)
    ingest.insert(server, newer)
    query = "SELECT revision FROM approval"
    assert [r[0] for r in server.connection.execute(query)] == [newer.revision]
    ingest.decline(server, infrastructure.update_id)
    ingest.insert(server, _newer(server, newer.key))
    assert count(server, "SELECT count(*) FROM approval") == 0


def test_enabled_rules_approve_what_an_import_brings(lab_pair: LabPair) -> None:
    with lab_pair.server("disconnected") as server:
        group = _group(server)
        server.connection.execute(
            "INSERT INTO approval_rule VALUES (NULL, 'All drivers', 1, ?, '[]', ?, NULL, NULL)",
            (f'["{group}"]', f'["{taxonomy.CLASSIFICATIONS["Drivers"]}"]'),
        )
    lab_pair.cross("first")
    with lab_pair.server("disconnected") as server:
        kinds = {
            row[0]
            for row in server.connection.execute(
                "SELECT kind FROM revision JOIN approval USING (update_id, revision)"
            )
        }
        approval = server.connection.execute("SELECT * FROM approval").fetchone()
        approval_actions.delete_approval(server, approval["id"])
        newer = _newer(server, (approval["update_id"], approval["revision"]))
        ingest.insert(server, newer)
        assert ingest.apply_rules(server, [newer.key]) == []
    assert kinds == {"driver"}
