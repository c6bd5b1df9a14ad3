"""What version 0.1.0 left behind is opened, finished and gone on with by this version.

``tests/data/v0.1.0`` was made by its ``make_labs.py.txt`` on the code of 0.1.0. The
machine that made it is gone, so the locks of its killed runs are taken over, as after a move.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.content.hash_cache import HashCache
from tasks.content.names import ContentName
from tasks.content.scan import ContentFile
from tasks.hosts.local import LocalHost
from tests.support.labs import equal_servers
from tests.support.older_labs import continue_lab, unpack_lab

_TAKE_OVER = ("--take-over", "the machine that ran it is gone")


def test_an_export_that_was_killed_is_finished_under_its_number_without_wsusutil(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    lab = continue_lab("export-killed", tmp_path / "lab", api_url=shared_api)
    status = lab.run("staging", "status", expect=0).document
    assert (status["sequence"], status["base"]) == (1, 1)
    assert "alpha-2, reserved" in status["details"]["Newest bundle"]
    lab.run("disconnected", "verify", lab.bundle(1), expect=0)

    # It would fail if it was run: what the killed run fetched is believed.
    lab.fault("staging", "exit-code")
    exported = lab.export(*_TAKE_OVER, expect=2).document
    lab.fault("staging", "exit-code", on=False)
    assert (exported["sequence"], exported["base"]) == (2, 1)
    assert exported["bundle"] == str(lab.bundle(2))

    imported = lab.import_(2, expect=2)
    equal_servers(lab, apart_from=imported)
    assert lab.accept(imported.document["receipt"], expect=0).document["sequence"] == 2

    lab.advance()
    exported = lab.export().document
    assert (exported["sequence"], exported["base"]) == (3, 2)
    equal_servers(lab, apart_from=lab.import_(3, expect=2))


def test_an_import_that_was_killed_is_finished_by_what_its_wsusutil_did(
    tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    lab = continue_lab("import-killed", tmp_path / "lab", api_url=shared_api)
    status = lab.run("disconnected", "status", expect=0).document
    assert status["sequence"] == 2
    assert status["details"]["Newest import"] == "bundle 2, begun, unfinished"
    assert status["approvals"]["parked"] or status["approvals"]["held"]
    lab.run("disconnected", "verify", lab.bundle(2), expect=0)

    lab.fault("disconnected", "exit-code")
    imported = lab.import_(2, *_TAKE_OVER, expect=2)
    lab.fault("disconnected", "exit-code", on=False)
    assert imported.document["sequence"] == 2
    equal_servers(lab, apart_from=imported)

    (old_receipt,) = (lab.folder / "return").glob("alpha-1*")
    assert lab.accept(str(old_receipt), expect=0).document["sequence"] == 1
    assert lab.accept(imported.document["receipt"], expect=0).document["sequence"] == 2
    assert lab.export().document["base"] == 2


def test_digests_that_it_remembered_are_still_found(tmp_path: Path) -> None:
    state = unpack_lab("export-killed", tmp_path / "lab").folder / "staging" / "state"
    with closing(sqlite3.connect(state / "hashes.sqlite")) as connection:
        rows = connection.execute(
            "SELECT path, size_bytes, mtime_ns, file_id, sha1, blake3 FROM hashed"
        ).fetchall()
    assert rows
    with HashCache(state / "hashes.sqlite") as hashes:
        for path, size_bytes, mtime_ns, file_id, sha1, blake3 in rows:
            name = ContentName.parse(Path(path).name)
            assert name is not None
            file = ContentFile(name, LocalHost().path(path), size_bytes, mtime_ns, file_id)
            digests = hashes.lookup(file)
            assert digests is not None
            assert (digests.sha1.raw, digests.blake3.raw) == (sha1, blake3)
