"""Both servers' states are equal once everything was carried by hand."""

from __future__ import annotations

from deploy import lab
from deploy.lab.rules import approval_actions
from deploy.lab.store import groups
from tests.lab.lab_pair import LabPair


def _approve_alike(lab_pair: LabPair) -> None:
    """Make the disconnected server's decisions those of staging, through the rules of the API."""
    expected = lab_pair.state("staging")
    with lab_pair.server("disconnected") as server:
        paths = groups.read(server.connection)
        for approval in lab_pair.state("disconnected")["approvals"]:
            row = server.connection.execute(
                "SELECT id FROM approval WHERE update_id = ? AND revision = ? AND group_id = ?",
                (
                    approval["update_id"],
                    approval["revision"],
                    paths[tuple(approval["group"][1:])],
                ),
            ).fetchone()
            approval_actions.delete_approval(server, row["id"])
        for key in expected["declines"]:
            approval_actions.decline(server, key["update_id"])
        with lab_pair.server("staging") as staging:
            accepted = [row[0] for row in staging.connection.execute("SELECT id FROM license")]
        for license_id in accepted:
            query = "SELECT update_id, revision FROM revision WHERE license_id = ?"
            approval_actions.accept_license(
                server, *server.connection.execute(query, (license_id,)).fetchone()
            )
        for approval in expected["approvals"]:
            approval_actions.approve(
                server,
                (approval["update_id"], approval["revision"]),
                approval["action"],
                paths[tuple(approval["group"][1:])],
                deadline=approval["deadline"],
                optional=approval["optional"],
            )


def test_after_two_months_carried_by_hand_the_states_are_equal(lab_pair: LabPair) -> None:
    lab_pair.cross("first")
    _approve_alike(lab_pair)
    lab_pair.let_agent_run("disconnected")
    assert lab_pair.state("disconnected") == lab_pair.state("staging")

    lab.advance(lab_pair.folder)
    lab_pair.cross("second")
    _approve_alike(lab_pair)
    lab_pair.let_agent_run("disconnected")
    staging, disconnected = lab_pair.state("staging"), lab_pair.state("disconnected")
    # The wizard cleaned up on staging alone, as nothing is deleted by hand here.
    names = {file["name"] for file in staging["files"]}
    assert len(disconnected["files"]) > len(staging["files"])
    disconnected["files"] = [file for file in disconnected["files"] if file["name"] in names]
    assert disconnected == staging


def test_what_only_one_server_holds_does_not_show_when_it_was_made(lab_pair: LabPair) -> None:
    lists = lab_pair.state("staging")
    assert set(lists) == {"revisions", "declines", "approvals", "files"}
    assert {tuple(entry) for entry in lists["revisions"]} == {("update_id", "revision")}
    assert {tuple(entry) for entry in lists["files"]} == {("name", "size_bytes", "state")}
    assert {tuple(entry) for entry in lists["approvals"]} == {
        ("update_id", "revision", "group", "action", "deadline", "optional")
    }
    for name, key in (("files", "name"), ("revisions", "update_id"), ("approvals", "update_id")):
        values = [entry[key] for entry in lists[name]]
        assert values == sorted(values)
