"""Both machines are lost; on empty ones the backups, made in mid-run, go on with the chain."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_beside_wsusutil import hanging, wait_until, working
from tests.support.labs import SIDES, Lab, Result, equal_servers

pytestmark = pytest.mark.timeout(300)


def backup_in_mid_run(lab: Lab, side: str, file: Path, *words: str | Path) -> dict[str, Any]:
    """Back a side up while wsusutil works for its run, which then ends as ever."""
    with hanging(lab, side), lab.start(side, *words) as process:
        wait_until(lambda: working(lab, side))
        made = lab.run(side, "backup", file, expect=0)
        assert process.poll() is None
        lab.fault(side, "wsusutil-hang", on=False)
        process.communicate(timeout=120)
    assert process.returncode in {0, 2}
    return made.document


def lose_machine(lab: Lab, side: str) -> None:
    """Lose all that lies on the orchestrator; keys come from a safe."""
    shutil.rmtree(lab.folder / side / "state")
    lab.site_file(side).unlink()


def recover(lab: Lab, side: str, bundle: Path) -> Result:
    """Join the chain by the bundle that was sealed after the backup, in two calls."""
    shown = lab.run(side, "site", "recover", bundle, expect=4)
    digest = shown.document["plan_digest"]
    return lab.run(side, "site", "recover", bundle, "--confirm", digest)


def test_both_sides_go_on_from_backups_that_were_made_in_mid_run(
    small_lab: Lab, tmp_path: Path
) -> None:
    lab = small_lab
    lab.accept(lab.cross().document["receipt"], expect=0)
    lab.advance()
    backup_in_mid_run(lab, "staging", tmp_path / "staging.zip", "export")
    sealed = (lab.bundle(2) / "volume-001" / "header.json").read_bytes()
    backup_in_mid_run(lab, "disconnected", tmp_path / "disconnected.zip", "import", lab.bundle(2))
    before = lab.snapshot("disconnected")
    for side in SIDES:
        lose_machine(lab, side)
        restored = lab.run(side, "restore", tmp_path / f"{side}.zip", expect=0)
        assert "site recover" in restored.stderr

    # The import had not ended when the backup was made; it ends as it did, and changes nothing.
    imported = lab.import_(2)
    assert imported.exit_code in {0, 2}, imported.explain()
    assert lab.snapshot("disconnected") == before
    # The bundle had not been sealed; the server's mark names it, and it is not made a second time.
    assert recover(lab, "staging", lab.bundle(2)).exit_code in {0, 2}
    assert (lab.bundle(2) / "volume-001" / "header.json").read_bytes() == sealed
    assert lab.accept(imported.document["receipt"]).exit_code in {0, 2}

    lab.advance()
    exported = lab.export()
    assert (exported.document["sequence"], exported.document["base"]) == (3, 2)
    last = lab.import_(3)
    assert last.exit_code in {0, 2}, last.explain()
    equal_servers(lab, apart_from=last)
