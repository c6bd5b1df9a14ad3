"""The same command once more: what is finished is said to be, and what has gone is put back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from deploy.lab.rules import approval_actions, content_agent
from tests.support.labs import Lab, Result, decision, equal_servers


def _said(result: Result) -> str:
    return " ".join(result.document["lines"])


def test_a_finished_import_says_so_and_puts_back_what_has_vanished_or_rotted(
    small_lab: Lab,
) -> None:
    first = small_lab.cross()
    before = small_lab.snapshot("disconnected")
    receipt = Path(first.document["receipt"]).read_bytes()

    again = small_lab.import_(1, expect=first.exit_code)
    assert "was imported on" in _said(again)
    assert "nothing had to be changed" in _said(again)
    assert again.document["placed"] == 0
    assert again.document["approvals"]["applied"] == []
    assert again.document["approvals"]["held"] == first.document["approvals"]["held"]
    assert again.document["receipt_code"] == first.document["receipt_code"]
    assert Path(again.document["receipt"]).read_bytes() == receipt
    assert small_lab.snapshot("disconnected") == before

    names = sorted(name for name in before["bytes"] if len(name) > 40)
    vanished, rotten, replaced = (small_lab.content_dir("disconnected") / n for n in names[:3])
    vanished.unlink()
    _rot(rotten)
    replaced.write_bytes(b"something else")
    mended = small_lab.import_(1, expect=first.exit_code)
    assert mended.document["placed"] == 3
    assert "files placed: 3" in _said(mended)
    assert "nothing had to be changed" not in _said(mended)
    assert small_lab.snapshot("disconnected") == before
    assert mended.document["missing"] == first.document["missing"]
    assert Path(mended.document["receipt"]).read_bytes() == receipt
    _an_own_decision_survives(small_lab, first)


def _an_own_decision_survives(lab: Lab, first: Result) -> None:
    """What the disconnected administrator took away is not brought back by the next import."""
    applied = first.document["approvals"]["applied"]
    removed = next(line for line in applied if line["action"] == "Install")
    with lab.server("disconnected") as server:
        server.connection.execute(
            "DELETE FROM approval WHERE update_id = ? AND revision = ?",
            (removed["update_id"], removed["revision"]),
        )
    before = lab.state("disconnected")["approvals"]
    assert decision(removed) not in {decision(line) for line in before}
    lab.export("--new")
    lab.import_(2)
    assert lab.state("disconnected")["approvals"] == before


def _rot(path: Path) -> None:
    """Change a byte; size and time stay."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_an_older_bundle_only_puts_content_back(small_lab: Lab) -> None:
    small_lab.cross()
    small_lab.advance()
    second = small_lab.cross()
    before = small_lab.snapshot("disconnected")

    older = small_lab.import_(1, expect=second.exit_code)
    assert "a newer bundle was imported since" in _said(older)
    assert small_lab.snapshot("disconnected") == before
    assert older.document["approvals"]["applied"] == []
    assert older.document["approvals"]["parked"] == second.document["approvals"]["parked"]
    assert older.document["missing"] == second.document["missing"]
    assert "receipt" not in older.document
    assert "no receipt to carry back" in older.stderr.strip().splitlines()[-1]

    carried = {path.name for path in small_lab.bundle(1).rglob("content/*/*")}
    name = min(name for name in before["bytes"] if Path(name).name in carried)
    (small_lab.content_dir("disconnected") / name).unlink()
    assert small_lab.import_(1, expect=second.exit_code).document["placed"] == 1
    assert small_lab.snapshot("disconnected") == before


def test_a_download_that_failed_is_taken_up_again_once_its_file_is_put_back(
    small_lab: Lab,
) -> None:
    first = small_lab.cross()
    small_lab.tune("disconnected", "agent_seconds", 0.0)
    update_id, revision, name = _an_applied_update(small_lab, first)
    small_lab.content("disconnected", name).unlink()
    with small_lab.server("disconnected") as server:
        content_agent.require(server, update_id, revision)  # as when it is approved once more
    assert _state(small_lab, update_id, revision) == "Failed"

    mended = small_lab.import_(1, expect=first.exit_code)
    assert mended.document["placed"] == 1
    assert "downloads resumed: 1" in _said(mended)
    assert _state(small_lab, update_id, revision) == "Ready"
    assert "nothing had to be changed" in _said(small_lab.import_(1))


def _an_applied_update(lab: Lab, crossed: Result) -> tuple[str, int, str]:
    """An update whose approval was applied, and the name of a file that it needs."""
    names = {file["name"][:40]: file["name"] for file in lab.state("disconnected")["files"]}
    with lab.server("disconnected") as server:
        for line in crossed.document["approvals"]["applied"]:
            key = line["update_id"], line["revision"]
            needed = [
                names[sha1] for sha1 in content_agent.needed_files(server, *key) if sha1 in names
            ]
            if line["action"] == "Install" and needed:
                return (*key, needed[0])
    raise AssertionError("no update with files was approved")


def _state(lab: Lab, update_id: str, revision: int) -> str:
    with lab.server("disconnected") as server:
        content_agent.catch_up(server)
        return content_agent.state_of(server, update_id, revision)


def test_an_export_of_nothing_new_answers_with_the_bundle_that_was_made(small_lab: Lab) -> None:
    first = small_lab.export()
    made = _media(small_lab)
    again = small_lab.export()
    assert again.document["bundle"] == first.document["bundle"]
    assert again.document["sequence"] == 1
    assert again.document["files"] == first.document["files"]
    assert "nothing has changed" in _said(again)
    assert _media(small_lab) == made

    another = small_lab.export("--new")
    assert (another.document["sequence"], Path(another.document["bundle"]).name) == (2, "alpha-2")

    # A first bundle that needs nothing is taken whatever its number. One that carries everything
    # answers a plain export too, as long as the baseline stands.
    small_lab.cross()
    assert (
        small_lab.accept(str(small_lab.folder / "return" / "alpha-2.receipt.json")).exit_code == 0
    )
    full = small_lab.export("--full", "--new")
    assert (full.document["sequence"], full.document["base"]) == (3, None)
    assert small_lab.export().document["bundle"] == full.document["bundle"]

    # A bundle that does not lie there whole any more is not answered: nobody could import it.
    next((small_lab.bundle(3) / "volume-001" / "content").glob("*/*")).unlink()
    whole = small_lab.export()
    assert whole.document["sequence"] == 4

    # What was declined on staging outdates the bundle, although no update came.
    with small_lab.server("staging") as server:
        update = small_lab.state("staging")["approvals"][0]["update_id"]
        approval_actions.decline(server, update)
    changed = small_lab.export()
    assert changed.document["sequence"] == 5
    assert small_lab.export().document["sequence"] == 5

    # Another mode is another bundle.
    assert small_lab.export("--mode", "mirror").document["sequence"] == 6

    # Once a bundle was taken in no lower one is.
    small_lab.import_(5)
    before = small_lab.snapshot("disconnected")
    refused = small_lab.import_(4, expect=3)
    assert refused.error["kind"] == "chain"
    assert small_lab.snapshot("disconnected") == before


def _media(lab: Lab) -> dict[str, int]:
    folder = lab.folder / "media"
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_lost_bundle_is_made_good_by_the_next_one(small_lab: Lab) -> None:
    small_lab.accept(small_lab.cross().document["receipt"], expect=0)
    small_lab.advance()
    lost = Path(small_lab.export().document["bundle"])
    carried = small_lab.export().document["files"]
    shutil.rmtree(lost)

    again = small_lab.export()
    assert (again.document["sequence"], again.document["base"]) == (3, 1)
    assert again.document["files"] == carried
    imported = small_lab.import_(3, expect=2)
    assert "bundle 2 never came" in " ".join(imported.document["notices"])
    equal_servers(small_lab, apart_from=imported)
    small_lab.accept(imported.document["receipt"], expect=0)

    # A disconnected side whose state was lost does not have the base.
    small_lab.export("--new")
    shutil.rmtree(small_lab.folder / "disconnected" / "state")
    before = small_lab.snapshot("disconnected")
    refused = small_lab.import_(4, expect=3)
    assert refused.error["kind"] == "chain"
    assert "based on bundle 3" in refused.error["message"]
    assert small_lab.snapshot("disconnected") == before
