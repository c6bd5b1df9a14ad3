"""An object that WSUS will not have never ends a run: it stands under ``failed``."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from deploy.lab.rules import approval_actions, content_agent, groups, update_search
from deploy.lab.rules.scope import Scope
from deploy.lab.rules.server import Server
from deploy.lab.rules.update_search import UpdateRow
from deploy.lab.store import content_paths
from deploy.lab.store.database import ALL_COMPUTERS
from tests.support.labs import Lab, Result, decision, equal_servers

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


def _keep_plain_approvals(lab: Lab) -> list[UpdateRow]:
    """Leave on staging nothing that an import parks or holds; gives its approved updates."""
    with lab.server("staging") as server:
        plain = {
            (row.update_id, row.revision): row
            for row in update_search.search_updates(server, Scope())
            if row.state == "Ready"
            and row.approved
            and not row.has_license
            and not row.superseded
            and row.publication != "Expired"
        }
        for row in server.connection.execute("SELECT * FROM approval").fetchall():
            matches_binding = row["group_id"] != ALL_COMPUTERS and row["action"] == "Install"
            if not matches_binding or (row["update_id"], row["revision"]) not in plain:
                server.connection.execute("DELETE FROM approval WHERE id = ?", (row["id"],))
        server.connection.execute("DELETE FROM decline")
        return list(plain.values())


def _failed(result: Result) -> dict[tuple[Any, tuple[str, ...]], str]:
    return {
        (line["update_id"], tuple(line["group"])): line["reason"]
        for line in result.document["approvals"]["failed"]
    }


def test_groups_that_wsus_will_not_make_fail_alone_until_they_are_cured(small_lab: Lab) -> None:
    lab = small_lab
    update = _keep_plain_approvals(lab)[0]
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


def _replace_wsusutil(lab: Lab, script: str) -> None:
    """Put a script in the place of staging's wsusutil; ``$REAL`` in it is the true one."""
    path = lab.folder / "staging" / "server" / "replaced"
    real = lab.folder / "staging" / "wsusutil"
    path.write_text(f"#!/bin/sh\nREAL='{real}'\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    lab.configure("staging", "server", wsusutil=[str(path)])


def _needed_file(lab: Lab) -> Path:
    """A content file of the last update that staging approves."""
    with lab.server("staging") as server:
        query = "SELECT update_id, revision FROM approval ORDER BY update_id DESC"
        keys = [tuple(row) for row in server.connection.execute(query)]
        sha1 = next(file for key in keys for file in content_agent.needed_files(server, *key))
        query = "SELECT name FROM file WHERE sha1 = ?"
        name = server.connection.execute(query, (sha1,)).fetchone()["name"]
    return content_paths.content_path(lab.content_dir("staging"), sha1, name)


def test_an_export_names_what_fails_and_does_all_else_until_it_is_cured(small_lab: Lab) -> None:
    lab = small_lab
    _keep_plain_approvals(lab)
    lab.export(expect=0)
    lab.import_(1, expect=0)
    before = lab.state("disconnected")["approvals"]

    for fault in ("group-hidden", "update-hidden"):
        lab.fault("staging", fault)
    vanishing = _needed_file(lab)
    kept = lab.folder / vanishing.name
    _replace_wsusutil(lab, f"mv -n '{vanishing}' '{kept}'; exec \"$REAL\" \"$@\"")

    exported = lab.export("--new", expect=2)  # nothing that a scan sees has changed
    failed = exported.document["approvals"]["failed"]
    assert all("could not be found" in line["reason"] for line in failed)
    assert {"carried as in the bundle before" in line["reason"] for line in failed} == {True, False}
    reasons = {line["file"]: line["reason"] for line in exported.document["missing"]}
    assert reasons.pop(vanishing.name) == "vanished"
    assert reasons == {}
    lab.import_(exported.document["sequence"], expect=0)
    assert lab.state("disconnected")["approvals"] == before

    kept.rename(vanishing)
    lab.configure("staging", "server", wsusutil=[str(lab.folder / "staging" / "wsusutil")])
    for fault in ("group-hidden", "update-hidden"):
        lab.fault("staging", fault, on=False)
    cured = lab.export(expect=0)
    assert cured.document["sequence"] == 3
    lab.import_(3, expect=0)
    equal_servers(lab)


def test_a_file_that_cannot_be_placed_is_named_and_the_rest_is_imported(small_lab: Lab) -> None:
    lab = small_lab
    _keep_plain_approvals(lab)
    lab.export(expect=0)
    name = _needed_file(lab).name
    obstacle = lab.content("disconnected", name)
    obstacle.mkdir(parents=True)  # a rename onto it fails, as one onto a locked file does

    for words in (("import", lab.bundle(1)), ("audit",)):
        result = lab.run("disconnected", *words, expect=2)
        missing = {line["file"]: line["reason"] for line in result.document["missing"]}
        assert missing == {name: "not-placed"}, words
        parked = {line["update_id"] for line in result.document["approvals"]["parked"]}
        assert {line["update_id"] for line in result.document["missing"]} == parked, words
    assert len(lab.bytes_of("disconnected")) == len(lab.bytes_of("staging")) - 1

    obstacle.rmdir()
    lab.import_(1, expect=0)
    equal_servers(lab)
