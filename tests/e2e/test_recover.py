"""A side that has lost its state joins its chain again, by a bundle, the mark, and a person."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.labs import Lab, Result, equal_servers


def lose_state(lab: Lab, side: str) -> None:
    """Lose what this side remembers; reports and Prefect's database are of no matter."""
    for path in (lab.folder / side / "state").glob("*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def recover(lab: Lab, side: str, *words: str | Path) -> Result:
    """Recover in two calls, as a person does."""
    shown = lab.run(side, "site", "recover", *words, expect=4)
    assert shown.error["kind"] == "plan-unconfirmed"
    confirm = shown.document["plan_digest"]
    return lab.run(side, "site", "recover", *words, "--confirm", confirm)


def test_a_disconnected_side_that_lost_its_state_goes_on_from_the_bundle_its_server_is_marked_by(
    small_lab: Lab,
) -> None:
    lab = small_lab
    first = lab.cross()
    lab.accept(first.document["receipt"], expect=0)
    lose_state(lab, "disconnected")
    lab.advance()
    second = lab.export()
    before = lab.snapshot("disconnected")
    refused = lab.import_(2, expect=3)
    assert "site recover" in refused.error["next_step"]
    assert lab.run("disconnected", "site", "recover", expect=64).error["kind"] == "usage"
    wrong = lab.run("disconnected", "site", "recover", lab.bundle(2), expect=3)
    assert "the server's mark, of bundle 1," in wrong.error["message"]

    assert recover(lab, "disconnected", lab.bundle(1)).exit_code == 0
    again = lab.run("disconnected", "site", "recover", lab.bundle(1), expect=0)
    assert "nothing is lost" in str(again.document["lines"])
    assert lab.snapshot("disconnected") == before
    lab.run("disconnected", "history", "--verify", expect=0)
    restored = lab.import_(1)
    assert restored.exit_code in {0, 2}, restored.explain()
    imported = lab.import_(2)
    assert imported.document["sequence"] == second.document["sequence"]
    equal_servers(lab, apart_from=imported)


def test_a_staging_side_that_lost_its_state_makes_bundles_of_the_old_chain_again(
    small_lab: Lab,
) -> None:
    lab = small_lab
    first = lab.cross()
    lose_state(lab, "staging")
    stray = lab.export(expect=2)  # of a chain of its own
    assert lab.import_(Path(stray.document["bundle"]), expect=3).error["kind"] == "chain"

    assert recover(lab, "staging", lab.bundle(1)).exit_code in {0, 2}
    lab.run("staging", "history", "--verify", expect=0)
    lab.accept(first.document["receipt"], expect=0)
    lab.advance()
    third = lab.export()
    assert (third.document["sequence"], third.document["base"]) == (3, 1)
    imported = lab.import_(3)
    assert "never came" not in str(imported.document["notices"])
    equal_servers(lab, apart_from=imported)
