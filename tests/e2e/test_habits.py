"""Habits of real sites, whole, for two months: nothing that needs no person flags a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.lab.rules import catalog_site, ingest
from deploy.lab.store.database import ALL_COMPUTERS
from tests.bench.trees import write_small_files
from tests.support.labs import Lab, Result, decision, equal_servers

_ADOPTED = 5_000

_UNREADY = """DELETE FROM approval WHERE action != 'Install' OR deadline IS NOT NULL
 OR update_id IN (SELECT update_id FROM revision WHERE license_id IS NOT NULL)
 OR NOT EXISTS (SELECT 1 FROM update_state AS held WHERE held.update_id = approval.update_id
  AND held.revision = approval.revision AND held.state = 'Ready')
 OR id NOT IN (SELECT min(id) FROM approval GROUP BY update_id)"""
_UNNEEDED = """DELETE FROM update_state WHERE NOT EXISTS (SELECT 1 FROM approval
 WHERE approval.update_id = update_state.update_id AND approval.revision = update_state.revision)"""


def keep_plain_approvals(lab: Lab) -> None:
    """Leave staging only approvals that no other habit holds."""
    with lab.server("staging") as server:
        server.connection.execute(_UNREADY)
        server.connection.execute(_UNNEEDED)
        server.connection.execute("DELETE FROM decline")


def approve_for_all_computers(lab: Lab) -> None:
    """Leave staging only approvals that no other habit holds, all of them for All Computers."""
    keep_plain_approvals(lab)
    with lab.server("staging") as server:
        server.connection.execute("UPDATE approval SET group_id = ?", (ALL_COMPUTERS,))


def cross(lab: Lab, *, expect: int) -> Result:
    return lab.import_(Path(lab.export().document["bundle"]), expect=expect)


def approve_a_local_update(lab: Lab) -> str:
    """Bring an update to the disconnected server by hand, and approve it there; gives its id."""
    with lab.server("disconnected") as server:
        entry = next(e for e in catalog_site.entries(server) if e.newest.license_id is None)
        for revision in entry.revisions:
            ingest.insert(server, revision)
        ingest.approve_for_group(server, entry.newest.key, ALL_COMPUTERS, None)
    return entry.newest.update_id


def test_a_site_that_approves_for_all_computers_is_told_the_key_and_then_has_quiet_months(
    small_lab: Lab,
) -> None:
    approve_for_all_computers(small_lab)
    first = cross(small_lab, expect=2)
    approvals = first.document["approvals"]
    assert {line["reason"] for line in approvals["held"]} == {"built-in-group"}
    assert (approvals["applied"], approvals["parked"], approvals["failed"]) == ([], [], [])
    assert "[groups] all_computers" in first.stderr + str(first.document["notices"])
    report = Path(first.document["report"]).read_text(encoding="utf-8")
    assert "[groups] all_computers" in report

    small_lab.configure("disconnected", "groups", all_computers="apply")
    again = small_lab.import_(1, expect=0)
    assert len(again.document["approvals"]["applied"]) == len(approvals["held"])
    equal_servers(small_lab)
    small_lab.accept(again.document["receipt"], expect=0)

    small_lab.advance()
    approve_for_all_computers(small_lab)
    cross(small_lab, expect=0)
    # An import declines expired updates by itself, so declines may differ.
    wanted, present = (
        set(map(decision, small_lab.state(side)["approvals"]))
        for side in ("staging", "disconnected")
    )
    assert wanted <= present


def test_a_site_with_a_mapping_and_an_update_of_its_own_has_quiet_months(small_lab: Lab) -> None:
    lab = small_lab
    groups = {
        "/".join(name.replace("/", "//") for name in line["group"][1:])
        for line in lab.state("staging")["approvals"]
    }
    lab.configure("disconnected", "groups.map", **{f'"{path}"': "Ring 0" for path in groups - {""}})
    local = approve_a_local_update(lab)
    for month in (1, 2):
        keep_plain_approvals(lab)
        with lab.server("staging") as server:
            server.connection.execute("DELETE FROM approval WHERE group_id = ?", (ALL_COMPUTERS,))
        imported = cross(lab, expect=0)
        lab.accept(imported.document["receipt"], expect=0)
        placed = imported.document["approvals"]["applied"]
        assert {line["group"][1] for line in placed if line["group"]} == {"Ring 0"}
        if month == 1:
            lab.advance()
    audited = lab.run("disconnected", "audit", expect=0)
    shown = {section["key"]: section for section in audited.document["sections"]}
    assert [row[0].split()[0] for row in shown["local-updates"]["rows"]] == [local]
    assert local not in Path(imported.document["receipt"]).read_text(encoding="utf-8")
    here = {line["update_id"] for line in lab.state("disconnected")["approvals"]}
    assert local in here


def test_a_site_that_approves_for_itself_and_adopts_what_it_holds_has_quiet_months(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.configure("disconnected", "policy", approvals="none")
    write_small_files(lab.content_dir("staging"), _ADOPTED)
    shutil.copytree(lab.content_dir("staging"), lab.content_dir("disconnected"), dirs_exist_ok=True)
    adopted = lab.run("disconnected", "audit", "--adopt", expect=0)
    assert adopted.document["files"] > _ADOPTED
    lab.accept(adopted.document["receipt"], expect=0)
    for month in (1, 2):
        keep_plain_approvals(lab)
        exported = lab.export()
        assert exported.document["files"] < _ADOPTED / 10
        assert (exported.document["files"] == 0) == (month == 1)
        imported = lab.import_(month, expect=0)
        lab.accept(imported.document["receipt"], expect=0)
        lab.advance()
    assert lab.state("disconnected")["approvals"] == []
    lab.run("disconnected", "audit", expect=0)
