"""Two months of crossings, whole: both servers are compared by the lab's own state and bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.labs import Lab, Result, digests_below, equal_servers


def test_after_two_crossings_the_disconnected_server_holds_what_staging_does(
    small_lab: Lab,
) -> None:
    first = small_lab.cross()
    equal_servers(small_lab, apart_from=first)
    content = [name for name in small_lab.bytes_of("staging") if len(name) > 40]
    assert first.document["placed"] == first.document["files"] == len(content)
    assert small_lab.accept(first.document["receipt"], expect=0).document["sequence"] == 1

    small_lab.advance()
    before = small_lab.bytes_of("disconnected")
    exported = small_lab.export()
    media = digests_below(small_lab.folder / "media")
    second = small_lab.import_(Path(exported.document["bundle"]), expect=2)
    # Read only: not even the package is written over.
    assert digests_below(small_lab.folder / "media") == media

    equal_servers(small_lab, apart_from=second)
    kept = [path.parent.name[:7] for path in small_lab.folder.glob("*/state/*/alpha-*/*.xml.gz")]
    assert kept == ["alpha-2"] * 2  # one on each side: each is as large as the catalogue
    new = set(small_lab.bytes_of("disconnected")) - set(before)
    assert second.document["placed"] == second.document["files"] == len(new) > 0
    assert exported.document["base"] == 1
    assert second.document["sequence"] == 2

    # The file that Microsoft never served is predicted before the trip, and named after it.
    predicted = {(each["update_id"], each["file"]) for each in exported.document["missing"]}
    named = {(each["update_id"], each["file"]) for each in second.document["missing"]}
    assert predicted == named
    assert len(named) == 1
    assert second.document["missing"][0]["reason"] == "never-downloaded"
    parked = {each["update_id"] for each in second.document["approvals"]["parked"]}
    assert {each["update_id"] for each in second.document["missing"]} <= parked

    # Nothing of what the bundle names is missing there, so the typed code moves the baseline.
    accepted = small_lab.accept(second.document["receipt_code"], expect=0)
    assert accepted.document["sequence"] == 2


def test_a_receipt_advances_the_baseline_so_that_only_news_travels(small_lab: Lab) -> None:
    first = small_lab.cross()
    again = small_lab.export("--new")
    assert again.document["base"] is None
    assert again.document["files"] == first.document["files"]

    accepted = small_lab.accept(first.document["receipt_code"], expect=0)
    assert accepted.document["bundle"] == str(small_lab.bundle(1))
    empty = small_lab.export()
    assert (empty.document["sequence"], empty.document["base"]) == (3, 1)
    assert (empty.document["files"], empty.document["bytes"]) == (0, 0)


def _to_delete(result: Result) -> set[str]:
    sections = {each["key"]: each for each in result.document["sections"]}
    return {row[0] for row in sections["deletes"]["rows"]}


def test_a_mirror_deletes_only_after_a_person_confirmed_the_plan(small_lab: Lab) -> None:
    first = small_lab.cross()
    small_lab.accept(first.document["receipt"], expect=0)
    small_lab.advance()
    exported = small_lab.export("--mode", "mirror")
    gone = set(small_lab.bytes_of("disconnected")) - set(small_lab.bytes_of("staging"))
    assert gone
    # A file of an update that only this server has, which has none of the package's revisions yet.
    own = small_lab.content("disconnected", f"{hashlib.sha1(b'own').hexdigest().upper()}.msi")
    with small_lab.server("disconnected") as server:
        server.connection.execute(
            """INSERT INTO revision SELECT 'feedbeef' || substr(update_id, 9), 1, kind, 'Our own',
            description, kb, severity, publication, created, arrived, 1, 0, 1, NULL,
            classification_id, product_id, languages, details
            FROM revision WHERE kind = 'software' AND NOT hidden LIMIT 1"""
        )
        own.parent.mkdir(exist_ok=True)
        own.write_bytes(b"own")
        assert own.name not in _to_delete(small_lab.import_(2, expect=4))
        server.connection.execute("DELETE FROM revision WHERE title = 'Our own'")
    own.unlink()
    before = small_lab.snapshot("disconnected")

    refused = small_lab.import_(2, expect=4)
    assert small_lab.snapshot("disconnected") == before
    assert refused.error["kind"] == "plan-unconfirmed"
    digest = refused.document["plan_digest"]
    # What is to be confirmed can be read before: every file, and the digest of the whole plan.
    assert _to_delete(refused) == {Path(name).name for name in gone}
    assert digest in Path(refused.document["report"]).read_text(encoding="utf-8")
    assert digest in refused.stderr.strip().splitlines()[-1]
    wrong = small_lab.import_(2, "--confirm", "0" * 64, expect=4)
    assert wrong.document["plan_digest"] == digest
    assert "another plan's" in wrong.error["message"]
    assert small_lab.snapshot("disconnected") == before

    imported = small_lab.import_(Path(exported.document["bundle"]), "--confirm", digest, expect=2)
    assert small_lab.bytes_of("disconnected") == small_lab.bytes_of("staging")
    equal_servers(small_lab, apart_from=imported)
    trash = small_lab.work("disconnected") / "trash" / "alpha" / "alpha-2"
    kept = {str(path.relative_to(trash)) for path in trash.rglob("*") if path.is_file()}
    assert kept == gone
