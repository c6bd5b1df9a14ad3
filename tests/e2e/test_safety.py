"""Refusals for safety: exit code 4, nothing changed, and the remedy said."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labs import Lab, Result, make_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        folder = tmp_path_factory.mktemp("safety")
        made = make_lab(folder / "lab", api_url=shared_api, updates=40, content_bytes=1_000_000)
        made.cross()
        made.advance()
        made.export()
        yield made


def _refused(lab: Lab, kind: str) -> Result:
    before = lab.snapshot("disconnected")
    result = lab.import_(2, expect=4)
    assert result.document["outcome"] == "refused"
    assert result.error["kind"] == kind, result.explain()
    assert lab.snapshot("disconnected") == before
    return result


@pytest.mark.parametrize(
    ("knob", "value", "kind", "words"),
    [
        ("EnabledUpdateLanguages", ["en"], "settings", ("languages", "de, en, ja")),
        ("AllUpdateLanguagesEnabled", True, "settings", ("languages", "all")),
        ("DownloadExpressPackages", True, "settings", ("express",)),
        ("protocol_version", "1.8", "settings", ("protocol version", "1.8")),
        ("IsReplicaServer", True, "server-unfit", ("replica",)),
    ],
)
def test_a_server_that_does_not_fit_is_refused_with_the_remedy(
    lab: Lab, *, knob: str, value: object, kind: str, words: tuple[str, ...]
) -> None:
    with lab.server("disconnected") as server:
        true = server.setting(knob)
    lab.tune("disconnected", knob, value)
    try:
        refused = _refused(lab, kind)
    finally:
        lab.tune("disconnected", knob, true)
    for word in words:
        assert word in refused.error["message"]
    assert len(refused.error["next_step"]) > 20


@pytest.mark.parametrize("side", ["staging", "disconnected"])
def test_a_server_id_that_changed_stops_everything(lab: Lab, side: str) -> None:
    with lab.server(side) as server:
        true = server.setting("ServerId")
        server.set_setting("ServerId", str(uuid.uuid4()))
    try:
        if side == "disconnected":
            refused = _refused(lab, "server-changed")
        else:
            media = set((lab.folder / "media").iterdir())
            refused = lab.export("--new", expect=4)
            assert refused.error["kind"] == "server-changed"
            assert set((lab.folder / "media").iterdir()) == media
        assert true in refused.error["message"]
    finally:
        with lab.server(side) as server:
            server.set_setting("ServerId", true)


def test_a_server_that_lost_what_was_applied_stops_the_import(lab: Lab) -> None:
    with lab.server("disconnected") as server:
        server.connection.execute("CREATE TABLE kept AS SELECT * FROM approval")
        server.connection.execute("DELETE FROM approval")
    try:
        _refused(lab, "server-changed")
        audited = lab.run("disconnected", "audit", expect=4)
        assert audited.error["kind"] == "server-changed"
    finally:
        with lab.server("disconnected") as server:
            server.connection.execute("INSERT INTO approval SELECT * FROM kept")
            server.connection.execute("DROP TABLE kept")


def test_a_lock_is_held_by_a_live_process_and_taken_over_from_a_dead_one(lab: Lab) -> None:
    locks = lab.work("staging") / "locks" / "alpha.lock", lab.folder / "media" / ".alpha.lock"
    lab.fault("staging", "wsusutil-hang")
    try:
        with lab.start("staging", "export", "--new") as process:
            limit = time.monotonic() + 120
            while not all(lock.exists() for lock in locks):
                assert process.poll() is None
                assert time.monotonic() < limit
                time.sleep(0.1)
            refused = lab.export("--new", expect=4)
            assert refused.error["kind"] == "lock"
            assert "--take-over" in refused.error["next_step"]
            status = lab.run("staging", "status", expect=0)
            assert f"(process {process.pid} of this machine)" in str(status.document["details"])
            assert "export has not ended" in str(status.document["lines"])
            process.kill()
            process.communicate()
        status = lab.run("staging", "status", expect=0)
        assert "which is gone" in str(status.document["details"])
        assert "export has not ended" in str(status.document["lines"])
        assert all(lock.exists() for lock in locks)
    finally:
        lab.fault("staging", "wsusutil-hang", on=False)
    lab.export()
    assert not any(lock.exists() for lock in locks)


def test_a_lock_of_an_unknown_owner_is_only_taken_over_by_a_person(lab: Lab) -> None:
    lock = lab.work("disconnected") / "locks" / "alpha.lock"
    lock.write_text("nobody can read this")
    _refused(lab, "lock")
    assert lock.read_text() == "nobody can read this"
    verified = lab.run("disconnected", "verify", lab.bundle(2), expect=0)
    assert verified.document["outcome"] == "done"
    lab.import_(2, "--take-over", " ", expect=64)
    taken = lab.import_(2, "--take-over", "the machine that held it was scrapped")
    assert taken.exit_code in {0, 2}, taken.explain()
    said = " ".join(taken.document["lines"])
    assert "taken over from an owner we cannot read: the machine that held it was scrapped" in said
    assert not lock.exists()


def test_nothing_is_left_open_on_the_servers(lab: Lab) -> None:
    for side in ("staging", "disconnected"):
        for name in ("locks", "intake"):
            assert not [p for p in (lab.work(side) / name).rglob("*") if p.is_file()]
    assert not Path(lab.folder / "media" / ".alpha.lock").exists()
