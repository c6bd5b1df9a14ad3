"""A site that already holds content: its inventory is the first receipt, so no file comes twice."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.labs import Lab, equal_servers


def content_of_staging(lab: Lab) -> set[str]:
    """The content files; WSUS keeps a file of its own beside them."""
    return {name for name in lab.bytes_of("staging") if len(Path(name).stem) == 40}


def adopt_share(lab: Lab) -> set[str]:
    """Have the disconnected server hold two thirds of staging's content from before; the names."""
    names = sorted(content_of_staging(lab))
    taken = {name for number, name in enumerate(names) if number % 3}
    for name in taken:
        target = lab.content_dir("disconnected") / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(lab.content_dir("staging") / name, target)
    return {Path(name).name for name in taken}


def test_what_a_site_holds_is_adopted_and_the_first_bundle_carries_only_the_rest(
    small_lab: Lab,
) -> None:
    lab = small_lab
    there = adopt_share(lab)
    before = lab.snapshot("disconnected")

    adopted = lab.run("disconnected", "audit", "--adopt", expect=0)
    assert lab.snapshot("disconnected") == before
    assert adopted.document["files"] == len(there)
    assert "`wsus-airgap accept RECEIPT`" in adopted.stderr

    lab.accept(adopted.document["receipt"], expect=0)
    exported = lab.export()
    assert exported.document["files"] == len(content_of_staging(lab)) - len(there)
    assert exported.document["base"] is None
    # Nothing changed, so it is the same bundle that answers.
    assert lab.export().document["bundle"] == exported.document["bundle"]

    imported = lab.import_(1)
    assert imported.document["placed"] == exported.document["files"]
    equal_servers(lab, apart_from=imported)
    lab.accept(imported.document["receipt"], expect=0)
    assert lab.export("--new").document["files"] == 0

    # From the first import on, receipts say what is here.
    refused = lab.run("disconnected", "audit", "--adopt", expect=64)
    assert "was imported here" in refused.error["message"]


def test_an_inventory_that_came_after_the_first_export_still_spares_the_second(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.export()
    there = adopt_share(lab)
    name = sorted(there)[0]
    rotten = lab.content("disconnected", name)
    rotten.write_bytes(b"x" * rotten.stat().st_size)

    adopted = lab.run("disconnected", "audit", "--adopt", expect=2)
    assert adopted.document["files"] == len(there) - 1
    assert any(name in notice for notice in adopted.document["notices"])

    lab.accept(adopted.document["receipt"], expect=0)
    exported = lab.export()
    assert exported.document["sequence"] == 2
    assert exported.document["files"] == len(content_of_staging(lab)) - len(there) + 1
    imported = lab.import_(2)
    equal_servers(lab, apart_from=imported)

    changed = Path(adopted.document["receipt"])
    changed.write_bytes(changed.read_bytes().replace(b'"volume":null', b'"volume":1   ', 1))
    assert lab.accept(str(changed), expect=3).error["kind"] == "tamper"
