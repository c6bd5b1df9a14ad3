"""An object that WSUS will not have never ends a run: it stands under ``failed``."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from deploy.lab.rules import approval_actions, groups
from deploy.lab.rules.server import Server
from deploy.lab.store.database import ALL_COMPUTERS
from tests.support.labs import Lab, Result, decision, equal_servers
from tests.support.plain_labs import keep_plain_approvals

TAKEN = "already exists"
NOT_VALID = "is not valid"
LENGTH = "empty or too long"
# Names below All Computers of which WSUS makes no group, and what it says of each.
BAD_NAMES = {
    "": LENGTH,
    " ": NOT_VALID,
    "line\nfeed": NOT_VALID,
    "nul\x00": NOT_VALID,
    "\x1b[2J": NOT_VALID,
    "<script>alert(1)</script>": NOT_VALID,
    "=1+1": NOT_VALID,
    "separator\u2028\x85": NOT_VALID,
    "n" * 300: LENGTH,
    "Elsewhere": TAKEN,
    "all computers": TAKEN,
}


def _add_group(server: Server, name: str, parent_id: str = ALL_COMPUTERS) -> str:
    """Put a group into the database past all rules, as no administrator can."""
    group_id = str(uuid.uuid4())
    values = (group_id, name, parent_id)
    server.connection.execute("INSERT INTO target_group VALUES (?, ?, ?)", values)
    return group_id


def _failed(result: Result) -> dict[tuple[Any, tuple[str, ...]], str]:
    return {
        (line["update_id"], tuple(line["group"])): line["reason"]
        for line in result.document["approvals"]["failed"]
    }


def test_groups_that_wsus_will_not_make_fail_alone_until_they_are_cured(small_lab: Lab) -> None:
    lab = small_lab
    update = keep_plain_approvals(lab)[0]
    key = (update.update_id, update.revision)
    with lab.server("disconnected") as server:
        groups.create(server, "Elsewhere", groups.create(server, "Top", None).id)
    with lab.server("staging") as server:
        added = []
        for number, name in enumerate(BAD_NAMES):
            group_id = _add_group(server, name)
            added += [group_id, _add_group(server, f"Below {number}", group_id)]
            for each in added[-2:]:
                approval_actions.approve(server, key, "Install", each)
    lab.export(expect=0)

    bad = {("All Computers", name): said for name, said in BAD_NAMES.items()}
    sound = {
        decision(line)
        for line in lab.state("staging")["approvals"]
        if tuple(line["group"][:2]) not in bad
    }
    for words in (("import", lab.bundle(1)), ("import", lab.bundle(1)), ("audit",)):
        result = lab.run("disconnected", *words, expect=2)
        failed = _failed(result)
        assert len(failed) == 4 * len(bad), words
        for path, said in bad.items():
            assert said in failed[None, path]
            assert said in failed[update.update_id, path]
            below = next(group for _, group in failed if group[:-1] == path)
            assert said in failed[None, below]
            assert said in failed[update.update_id, below]
        assert set(map(decision, lab.state("disconnected")["approvals"])) == sound
        if words[0] == "import":
            receipt = json.loads(Path(result.document["receipt"]).read_bytes())
            assert receipt

    with lab.server("staging") as server:
        for group_id in added[::2]:
            if (row := groups.get_group(server, group_id)).name != "Elsewhere":
                groups.delete(server, row.id)
    lab.export(expect=0)
    failed = _failed(lab.import_(2, expect=2))
    assert {group[1] for _, group in failed} == {"Elsewhere"}
    with lab.server("disconnected") as server:
        (standing,) = (each for each in groups.all_groups(server) if each.name == "Elsewhere")
        groups.delete(server, standing.id)
    lab.run("disconnected", "audit", expect=0)
    equal_servers(lab)
