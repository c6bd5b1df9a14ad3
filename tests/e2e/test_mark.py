"""The mark on the server against the state folder."""

from __future__ import annotations

import shutil

from tests.support.labs import Lab


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
