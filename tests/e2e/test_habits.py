"""The commonest habit of small sites, whole: everything is approved for All Computers."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.store.database import ALL_COMPUTERS
from tests.support.labs import Lab, Result, decision, equal_servers

_UNREADY = """DELETE FROM approval WHERE action != 'Install' OR deadline IS NOT NULL
 OR update_id IN (SELECT update_id FROM revision WHERE license_id IS NOT NULL)
 OR NOT EXISTS (SELECT 1 FROM update_state AS held WHERE held.update_id = approval.update_id
  AND held.revision = approval.revision AND held.state = 'Ready')
 OR id NOT IN (SELECT min(id) FROM approval GROUP BY update_id)"""
_UNNEEDED = """DELETE FROM update_state WHERE NOT EXISTS (SELECT 1 FROM approval
 WHERE approval.update_id = update_state.update_id AND approval.revision = update_state.revision)"""


def approve_for_all_computers(lab: Lab) -> None:
    """Leave staging only approvals that no other habit holds, all of them for All Computers."""
    with lab.server("staging") as server:
        server.connection.execute(_UNREADY)
        server.connection.execute("UPDATE approval SET group_id = ?", (ALL_COMPUTERS,))
        server.connection.execute(_UNNEEDED)
        server.connection.execute("DELETE FROM decline")


def cross(lab: Lab, *, expect: int) -> Result:
    return lab.import_(Path(lab.export().document["bundle"]), expect=expect)


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
