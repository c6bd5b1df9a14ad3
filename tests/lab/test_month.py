from __future__ import annotations

from pathlib import Path

import pytest

from deploy import lab
from deploy.lab.rules import approval_rules, content_agent, groups, ingest
from deploy.lab.rules.server import Server
from deploy.lab.store.database import ALL_COMPUTERS, BUILT_IN_GROUPS
from deploy.lab.store.groups import read as group_paths
from tests.lab.lab_pair import LabPair, count


def _keys(entries: list[dict[str, object]]) -> set[tuple[object, object]]:
    return {(entry["update_id"], entry["revision"]) for entry in entries}


def test_a_month_brings_all_that_months_bring(lab_pair: LabPair) -> None:
    before = lab_pair.state("staging")
    lab.advance(lab_pair.folder)
    after = lab_pair.state("staging")
    existing = {guid for guid, _ in _keys(before["revisions"])}
    new = _keys(after["revisions"]) - _keys(before["revisions"])
    assert _keys(before["revisions"]) <= _keys(after["revisions"])
    assert {guid for guid, _ in new} - existing, "new updates"
    assert {guid for guid, _ in new} & existing, "new revisions"
    moved = {a["update_id"] for a in after["approvals"] if (a["update_id"], a["revision"]) in new}
    assert moved & existing, "an approval that moved to a new revision"
    assert moved - existing, "an approved new update"
    declined = _keys(after["declines"]) - _keys(before["declines"])
    assert len(declined) == 2, "one declined by the admin, one expired"
    gone = {f["name"] for f in before["files"]} - {f["name"] for f in after["files"]}
    assert gone, "content that the wizard removed"
    assert {f["name"] for f in after["files"]} - {f["name"] for f in before["files"]}
    with lab_pair.server("staging") as server:
        superseded = count(
            server,
            "SELECT count(*) FROM relation JOIN approval ON approval.update_id = other_id"
            " JOIN revision ON revision.update_id = relation.update_id"
            " WHERE relation.kind = 'supersedes' AND revision.created > '2025-01-20'",
        )
        expired = count(
            server,
            "SELECT count(*) FROM revision JOIN decline USING (update_id)"
            " WHERE is_latest AND publication = 'Expired'",
        )
    assert superseded >= 1
    assert expired == 1


def test_one_approved_update_is_without_the_file_that_never_came(lab_pair: LabPair) -> None:
    with lab_pair.server("staging") as server:
        assert content_agent.failed_count(server) == 0
    for month in (1, 2, 3):
        lab.advance(lab_pair.folder)
        with lab_pair.server("staging") as server:
            rows = server.connection.execute(
                "SELECT update_id, revision, state FROM update_state WHERE state != 'Ready'"
            ).fetchall()
            assert [row["state"] for row in rows] == ["Failed"] * month
            files = {f["name"][:40] for f in lab_pair.state("staging")["files"]}
            for row in rows:
                needed = content_agent.needed_files(server, row["update_id"], row["revision"])
                assert len([sha1 for sha1 in needed if sha1 not in files]) == 1
            assert count(server, "SELECT count(*) FROM agent_job") == 0


def test_every_other_approved_update_has_its_content(lab_pair: LabPair) -> None:
    lab.advance(lab_pair.folder)
    files = {f["name"][:40] for f in lab_pair.state("staging")["files"]}
    with lab_pair.server("staging") as server:
        for row in server.connection.execute(
            "SELECT update_id, revision FROM update_state WHERE state = 'Ready'"
        ).fetchall():
            assert set(content_agent.needed_files(server, *row)) <= files


def test_the_last_synchronisation_is_newer_after_a_month(lab_pair: LabPair) -> None:
    query = "SELECT count(*) FROM synchronization"
    with lab_pair.server("staging") as server:
        before = count(server, query)
    lab.advance(lab_pair.folder)
    with lab_pair.server("staging") as server:
        assert count(server, query) == before + 1


def test_a_year_passes_on_a_small_lab(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    lab.create(folder, updates=20, content_bytes=100_000)
    for _ in range(12):
        lab.advance(folder)
    assert len(lab.state(folder, "staging")["approvals"]) >= 10


def _custom_groups(server: Server) -> list[groups.GroupRow]:
    """Those right below All Computers that scripts may delete."""
    return [
        group for group in groups.children(server, ALL_COMPUTERS) if group.id not in BUILT_IN_GROUPS
    ]


@pytest.mark.parametrize("deleted", [1, 2, 3])
def test_a_month_passes_where_groups_were_deleted(lab_pair: LabPair, deleted: int) -> None:
    with lab_pair.server("staging") as server:
        for group in _custom_groups(server)[:deleted]:
            groups.delete(server, group.id)
        remaining = {("All Computers",)} | {
            ("All Computers", *path) for path in group_paths(server.connection)
        }
    before = _keys(lab_pair.state("staging")["revisions"])
    lab.advance(lab_pair.folder)
    after = lab_pair.state("staging")
    brought = [a for a in after["approvals"] if (a["update_id"], a["revision"]) not in before]
    assert brought
    assert {tuple(a["group"]) for a in after["approvals"]} <= remaining


def test_a_month_decides_for_the_groups_that_administrators_made_anew(lab_pair: LabPair) -> None:
    existing = _keys(lab_pair.state("staging")["revisions"])
    with lab_pair.server("staging") as server:
        for group in _custom_groups(server):
            groups.delete(server, group.id)
        outer = groups.create(server, "Rings", None)
        groups.create(server, "Inner", outer.id)
    lab.advance(lab_pair.folder)
    brought = [
        tuple(a["group"])
        for a in lab_pair.state("staging")["approvals"]
        if (a["update_id"], a["revision"]) not in existing
    ]
    assert brought
    assert {path[:2] for path in brought if len(path) > 1} == {("All Computers", "Rings")}


def test_an_enabled_rule_applies_to_the_new_updates_of_a_month(lab_pair: LabPair) -> None:
    existing = _keys(lab_pair.state("staging")["revisions"])
    with lab_pair.server("staging") as server:
        group = _custom_groups(server)[0]
        rule = approval_rules.create(server, "Everything")
        approval_rules.save(server, rule._replace(enabled=True, group_ids=[group.id]))
    lab.advance(lab_pair.folder)
    with lab_pair.server("staging") as server:
        by_rule = {
            (row["update_id"], row["revision"])
            for row in server.connection.execute(
                "SELECT * FROM approval WHERE administrator = ? AND group_id = ?",
                (ingest.SERVER_ITSELF, group.id),
            )
        }
        twice = count(
            server,
            "SELECT count(*) FROM (SELECT 1 FROM approval"
            " GROUP BY update_id, revision, group_id HAVING count(*) > 1)",
        )
    assert by_rule
    assert not by_rule & existing
    assert not {guid for guid, _ in by_rule} & {guid for guid, _ in existing}
    assert twice == 0


def test_a_rule_whose_groups_were_all_deleted_approves_nothing(lab_pair: LabPair) -> None:
    before = lab_pair.state("staging")
    with lab_pair.server("staging") as server:
        group = groups.create(server, "Short-lived", None)
        rule = approval_rules.create(server, "Nobody")
        approval_rules.save(server, rule._replace(group_ids=[group.id]))
        groups.delete(server, group.id)
        assert approval_rules.get_rule(server, rule.id).group_ids == []
        assert approval_rules.apply_rule(server, rule.id) == []
    assert lab_pair.state("staging") == before
