"""What a mirror deleted is given back from the trash; each file is proved, or named."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.labs import Lab


def test_what_a_mirror_deleted_comes_back_whole_and_what_has_rotted_is_named(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.cross()
    gone = sorted(name for name in lab.bytes_of("staging") if len(Path(name).stem) == 40)[:4]
    with lab.server("staging") as server:  # nobody needs these files any more
        server.connection.execute("DELETE FROM approval")
        server.connection.execute(
            "INSERT OR IGNORE INTO decline SELECT DISTINCT update_id FROM revision"
        )
    for name in gone:
        (lab.content_dir("staging") / name).unlink()
    before = lab.bytes_of("disconnected")
    lab.export("--mode", "mirror")
    planned = lab.import_(2, expect=4)
    done = lab.import_(2, "--confirm", planned.document["plan_digest"]).document
    deleted = before.keys() - lab.bytes_of("disconnected").keys()
    assert set(gone) <= deleted
    told = done["details"]["deleted"]
    assert (told["files"], told["confirmed"]) == (len(deleted), planned.document["plan_digest"])
    assert told["trash"] in Path(done["report"]).read_text(encoding="utf-8")

    lab.run("disconnected", "restore-deleted", "alpha-9", expect=64)
    (trash,) = lab.folder.rglob("trash/alpha/alpha-2")
    rotten = trash / sorted(deleted)[0]
    rotten.write_bytes(b"x" * rotten.stat().st_size)
    given_back = lab.run("disconnected", "restore-deleted", "2", expect=2)
    assert given_back.document["placed"] == len(deleted) - 1
    (failed,) = given_back.document["details"]["failed"]
    assert failed["file"] == rotten.name
    assert rotten.name in given_back.document["notices"][0]
    after = lab.bytes_of("disconnected")
    assert {name: after.get(name) for name in deleted} == {
        name: before[name] for name in deleted if name != sorted(deleted)[0]
    } | {sorted(deleted)[0]: None}
    assert [path.name for path in trash.rglob("*") if path.is_file()] == [rotten.name]

    log = (lab.folder / "disconnected" / "state" / "custody.jsonl").read_text("utf-8")
    (line,) = [line for line in map(json.loads, log.splitlines()) if line["event"] == "restored"]
    assert line["bundle"] == "alpha-2"
    assert f"{len(deleted) - 1} files" in line["text"]
    assert str(trash) in line["text"]

    # Nothing that was given back is there to be given back again.
    again = lab.run("disconnected", "restore-deleted", str(lab.bundle(2)), expect=2)
    assert again.document["placed"] == 0
