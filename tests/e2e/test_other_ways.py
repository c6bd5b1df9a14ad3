"""Ways of working that a fresh lab's site file does not take: no way back, many media, German."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.lab.rules import groups
from tasks.ledger.choices import Choices
from tasks.ledger.store import Ledger
from tests.support.labs import Lab, decision, equal_servers, make_lab


def test_a_site_with_no_way_back_counts_on_what_was_sent_and_a_gap_is_said(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.configure("staging", "policy", baseline="sent")
    lab.cross()
    lab.advance()
    lost = lab.export()
    assert (lost.document["sequence"], lost.document["base"]) == (2, 1)
    # Its own seal made it the baseline, which is no reason to make another.
    assert lab.export().document["bundle"] == lost.document["bundle"]
    shutil.rmtree(lost.document["bundle"])
    third = Path(lab.export("--new").document["bundle"])

    before = lab.snapshot("disconnected")
    refused = lab.import_(third, expect=3)
    assert "based on bundle 2" in refused.error["message"]
    assert lab.snapshot("disconnected") == before

    lab.run("disconnected", "import", third, "--accept-gap", " ", expect=64)
    taken = lab.import_(third, "--accept-gap", "the courier lost it", expect=2)
    with Ledger(lab.folder / "disconnected" / "state") as ledger:
        (choice,) = Choices(ledger).all()
    assert (choice.kind, choice.sequence, choice.reason) == (
        "accept-gap",
        2,
        "the courier lost it",
    )
    notices = taken.document["notices"]
    assert any("(the courier lost it)" in notice for notice in notices)
    assert [each for each in notices if "never came" in each] == [
        "bundle 2 never came; alpha-3 counts on it"
    ]
    reasons = {each["reason"] for each in taken.document["missing"]}
    assert "lost-bundle" in reasons
    # What only the lost bundle carried is parked, not applied without its content. A new revision
    # of an approved update is the exception: WSUS approves it by itself while it is imported.
    waiting = {each["update_id"] for each in taken.document["approvals"]["parked"]}
    taken_over = {each["update_id"] for each in before["approvals"]}
    assert {each["update_id"] for each in taken.document["missing"]} <= waiting | taken_over
    assert "lost-bundle" in {
        each["reason"] for each in taken.document["missing"] if each["update_id"] in waiting
    }

    # The next bundle carries all of the shopping list: what approved updates need.
    wishes = Path(taken.document["report"]).with_name("shopping-list.json")
    brought = lab.export("--bring", str(wishes))
    assert brought.document["details"]["bring"]["carried"] > 0
    mended = lab.import_(Path(brought.document["bundle"]))
    assert "lost-bundle" not in {each["reason"] for each in mended.document["missing"]}
    # Licence terms of updates that nobody approved are on no list; a full bundle has them too.
    whole = lab.import_(Path(lab.export("--full", "--new").document["bundle"]))
    equal_servers(lab, apart_from=whole)


def test_volumes_on_several_media_are_one_bundle_and_a_missing_one_is_waited_for(
    small_lab: Lab, tmp_path: Path
) -> None:
    lab = small_lab
    lab.configure("staging", "media", volume_bytes=1_000_000, max_file_bytes=1_000_000)
    bundle = Path(lab.export().document["bundle"])
    volumes = sorted(bundle.iterdir())
    assert len(volumes) > 2
    media = []
    for volume in volumes:
        folder = tmp_path / f"medium-{volume.name}" / bundle.name
        shutil.copytree(volume, folder / volume.name)
        media.append(folder)

    before = lab.snapshot("disconnected")
    waiting = lab.run("disconnected", "import", *media[:-1], expect=1)
    assert waiting.error["kind"] == "bundle-incomplete"
    assert volumes[-1].name in waiting.error["message"]
    assert lab.snapshot("disconnected") == before

    # One medium is worn: its copy makes up for it, or the import names what is wrong.
    done = lab.run("disconnected", "import", *media)
    assert done.exit_code in {0, 2}, done.explain()
    assert done.document["placed"] == done.document["files"]
    equal_servers(lab, apart_from=done)


def test_german_servers_and_groups_of_ones_own_are_served_as_any_other(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, language="de", updates=20)
    with lab.server("disconnected") as server:
        groups.create(server, "Nur hier", None)
        before = {row.name for row in groups.all_groups(server)}
    imported = lab.cross()
    equal_servers(lab, apart_from=imported)
    with lab.server("disconnected") as server:
        assert {row.name for row in groups.all_groups(server)} == before
    # A block travels as a block.
    blocks = [a for a in lab.state("disconnected")["approvals"] if a["action"] == "NotApproved"]
    assert blocks == [a for a in lab.state("staging")["approvals"] if a["action"] == "NotApproved"]


def test_a_parked_approval_is_applied_by_audit_once_its_content_has_come(small_lab: Lab) -> None:
    lab = small_lab
    whole = lab.bytes_of("staging")
    lab.fault("staging", "file-vanishes")
    (name,) = set(whole) - set(lab.bytes_of("staging"))
    lab.export(expect=2)
    lab.fault("staging", "file-vanishes", on=False)
    imported = lab.import_(1, expect=2)
    parked = imported.document["approvals"]["parked"]
    assert parked
    assert {Path(name).name} == {each["file"] for each in imported.document["missing"]}
    # One lacking file holds up nobody else.
    assert imported.document["approvals"]["applied"]
    before = lab.state("disconnected")["approvals"]
    still = lab.run("disconnected", "audit", expect=2)
    assert still.document["approvals"]["parked"] == parked
    assert lab.state("disconnected")["approvals"] == before

    target = lab.content_dir("disconnected") / name
    target.parent.mkdir(exist_ok=True)
    shutil.copy(lab.content_dir("staging") / name, target)
    audited = lab.run("disconnected", "audit")
    applied = {decision(line) for line in audited.document["approvals"]["applied"]}
    assert applied == {decision(line) for line in parked}
    assert audited.document["approvals"]["parked"] == []
    assert audited.document["missing"] == []
    equal_servers(lab, apart_from=audited)
