"""Mishaps of a chain that have a page in the runbook: rebuilt, set back, exported from twice."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from tests.support.labs import Lab, decision, equal_servers

STAGING_REBUILT = "server-changed=rebuilt after a fire"


def test_a_staging_server_that_was_rebuilt_goes_on_in_its_chain_by_a_persons_word(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.accept(lab.cross().document["receipt"], expect=0)
    with lab.server("staging") as server:
        server.set_setting("ServerId", str(uuid.uuid4()))
    (lab.work("staging") / "marks" / "alpha.json").unlink()
    lab.advance()
    refused = lab.export(expect=4)
    assert refused.error["kind"] == "server-changed"
    assert "--accept-finding server-changed=REASON" in refused.error["next_step"]
    exported = lab.export("--accept-finding", STAGING_REBUILT)
    assert (exported.document["sequence"], exported.document["base"]) == (2, 1)

    before = lab.snapshot("disconnected")
    refused = lab.import_(2, expect=4)
    assert refused.error["kind"] == "server-changed"
    assert "--accept-finding staging-server-changed=REASON" in refused.error["next_step"]
    assert lab.snapshot("disconnected") == before
    imported = lab.import_(2, "--accept-finding", f"staging-{STAGING_REBUILT}")
    equal_servers(lab, apart_from=imported)
    # It is said once: from then on both sides know the server.
    lab.accept(imported.document["receipt"], expect=0)
    lab.export("--new")
    assert lab.import_(3).exit_code in {0, 2}


def test_a_server_that_was_restored_from_a_snapshot_gets_the_newest_bundle_again(
    small_lab: Lab, tmp_path: Path
) -> None:
    lab = small_lab
    lab.accept(lab.cross().document["receipt"], expect=0)
    folders = [lab.folder / "disconnected" / name for name in ("server", "WsusContent")]
    for folder in folders:
        shutil.copytree(folder, tmp_path / folder.name)
    before = lab.state("disconnected")
    lab.advance()
    lab.cross()
    for folder in folders:
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / folder.name, folder)

    planned = lab.import_(2, "--rebuilt", "reapply", expect=4)
    (notice,) = [each for each in planned.document["notices"] if "set back" in each]
    assert "--rebuilt reapply" in notice
    confirm = planned.document["plan_digest"]
    again = lab.import_(2, "--rebuilt", "reapply", "--confirm", confirm)
    assert again.exit_code in {0, 2}, again.explain()
    assert lab.state("disconnected")["revisions"] == lab.state("staging")["revisions"]
    waiting = again.document["approvals"]["held"] + again.document["approvals"]["parked"]
    ours, theirs = (
        {decision(line) for line in lab.state(side)["approvals"]}
        for side in ("staging", "disconnected")
    )
    assert ours - set(map(decision, waiting)) <= theirs
    # What staging has taken back since the snapshot is gone again, but for what waits.
    revived = {line["update_id"] for line in before["approvals"] if decision(line) not in ours}
    assert revived, "the month has to take something back"
    assert theirs - ours <= set(map(decision, waiting))


def test_of_two_staging_sides_that_export_for_one_site_only_one_is_followed(
    small_lab: Lab, tmp_path: Path
) -> None:
    lab = small_lab
    lab.accept(lab.cross().document["receipt"], expect=0)
    state, media = lab.folder / "staging" / "state", lab.folder / "media"
    mark = lab.work("staging") / "marks" / "alpha.json"
    shutil.copytree(state, tmp_path / "other")
    set_up = mark.read_bytes()
    lab.advance()
    followed = lab.cross()
    lab.accept(followed.document["receipt"], expect=0)

    # The other machine has its own state, its own server and its own medium.
    shutil.move(state, tmp_path / "followed")
    shutil.copytree(tmp_path / "other", state)
    shutil.move(media / "alpha-2", tmp_path / "alpha-2")
    mark.write_bytes(set_up)
    before = lab.snapshot("disconnected")
    stray = lab.export("--new")
    assert stray.document["sequence"] == 2
    refused = lab.import_(2, expect=3)
    assert refused.error["kind"] == "chain"
    assert "bear one number" in refused.error["next_step"]
    assert lab.snapshot("disconnected") == before

    # It cannot join the chain beside the other one: only that one's state folder goes on.
    refused = lab.run("staging", "site", "recover", tmp_path / "alpha-2", expect=3)
    assert "made another bundle 2" in refused.error["message"]
    shutil.rmtree(state)
    shutil.move(tmp_path / "followed", state)
    shutil.rmtree(media / "alpha-2")
    shutil.move(tmp_path / "alpha-2", media / "alpha-2")
    third = lab.export("--new")
    assert lab.import_(Path(third.document["bundle"])).exit_code in {0, 2}
