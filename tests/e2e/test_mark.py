"""The mark on the server against the state folder, on both sides."""

from __future__ import annotations

import shutil

from tests.support.labs import Lab, digests_below


def test_a_lost_state_folder_is_seen_by_the_mark_on_the_server(small_lab: Lab) -> None:
    small_lab.export(expect=0)
    small_lab.import_(1, expect=2)
    before = small_lab.snapshot("disconnected")

    shutil.rmtree(small_lab.folder / "disconnected" / "state")
    refused = small_lab.import_(1, expect=3)

    assert refused.error["kind"] == "chain"
    assert "bears the mark of bundle 1" in refused.error["message"]
    assert "Restore the state folder" in refused.error["next_step"]
    audited = small_lab.run("disconnected", "audit", expect=3)
    assert audited.error["kind"] == "chain"
    assert small_lab.snapshot("disconnected") == before


def test_a_bundle_that_fits_no_lost_state_folder_is_not_answered_by_asking_for_another(
    small_lab: Lab,
) -> None:
    imported = small_lab.cross()
    small_lab.accept(imported.document["receipt"], expect=0)
    small_lab.export("--new", expect=0)
    shutil.rmtree(small_lab.folder / "disconnected" / "state")
    refused = small_lab.import_(2, expect=3)
    assert "bears the mark of bundle 1" in refused.error["message"]
    assert "Restore the state folder" in refused.error["next_step"]


def test_a_staging_side_that_lost_its_state_takes_no_number_again(small_lab: Lab) -> None:
    small_lab.export(expect=0)
    sealed = digests_below(small_lab.bundle(1))
    mark = small_lab.work("staging") / "marks" / "alpha.json"
    # Known by the medium and the mark, by the mark alone, by the medium alone.
    for lost, number in ((), 2), ((small_lab.bundle(2),), 3), ((mark,), 4):
        shutil.rmtree(small_lab.folder / "staging" / "state")
        for path in lost:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        made = small_lab.export(expect=2)
        assert made.document["sequence"] == number
        (notice,) = made.document["notices"]
        assert f"bundle {number - 1} was made here before" in notice
    assert digests_below(small_lab.bundle(1)) == sealed
    assert small_lab.export(expect=0).document["sequence"] == number
