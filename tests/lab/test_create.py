from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from deploy import lab
from deploy.lab import pair
from deploy.lab.store import groups
from tests.lab.lab_pair import LabPair, count
from tests.support.labs import run_here


def test_one_seed_makes_the_same_lab_twice_and_another_seed_another(tmp_path: Path) -> None:
    states = {}
    for name, seed in (("first", 7), ("second", 7), ("third", 8)):
        lab.create(tmp_path / name, updates=40, content_bytes=1_000_000, seed=seed)
        states[name] = lab.state(tmp_path / name, "staging")
    assert states["first"] == states["second"]
    for key in ("revisions", "approvals", "files"):
        assert states["first"][key] != states["third"][key]


def test_months_follow_from_the_seed_too(tmp_path: Path) -> None:
    states = []
    for name in ("first", "second"):
        lab.create(tmp_path / name, updates=40, content_bytes=1_000_000, seed=3)
        lab.advance(tmp_path / name)
        lab.advance(tmp_path / name)
        states.append(lab.state(tmp_path / name, "staging"))
    assert states[0] == states[1]


def test_the_folder_is_laid_out_with_executables_keys_and_site_files(lab_pair: LabPair) -> None:
    for side, other in (("staging", "disconnected"), ("disconnected", "staging")):
        folder = lab_pair.folder / side
        site = tomllib.loads((folder / "site.toml").read_text(encoding="utf-8"))
        assert site["site"]["side"] == side
        assert site["trust"]["trusted_keys"] == [f"../keys/{other}.pub"]
        assert set(site) == {"site", "server", "media", "trust"}
        for program in ("wsusutil", "powershell"):
            assert os.access(folder / program, os.X_OK)
            assert site["server"][program] == [str(folder / program)]
        assert (folder / "WsusContent" / "anonymousCheckFile.txt").stat().st_size == 0
        assert (folder / "state").is_dir()
        private = lab_pair.folder / "keys" / f"{side}.key"
        assert private.stat().st_mode & 0o777 == 0o600
        key = serialization.load_pem_private_key(private.read_bytes(), None)
        public = lab_pair.folder.joinpath("keys", f"{side}.pub").read_bytes()
        assert public == key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    assert re.fullmatch(r"[0-9a-f]{64}\n", (lab_pair.folder / "keys/receipt.secret").read_text())


def test_sizes_are_as_asked_with_a_long_tail(tmp_path: Path) -> None:
    lab.create(tmp_path / "lab")
    sizes = sorted(file["size_bytes"] for file in lab.state(tmp_path / "lab", "staging")["files"])
    assert 18e6 < sum(sizes) < 30e6
    assert sizes[-1] > 20 * sizes[len(sizes) // 2]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(pair.LabError, match="not an empty folder"):
        lab.create(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(pair.LabError, match="cannot be written"):
        lab.create(tmp_path / "file" / "lab", updates=1, content_bytes=1)


@pytest.mark.parametrize("wrong", [{"updates": 0}, {"content_bytes": 0}, {"language": "fr"}])
def test_sizes_and_languages_that_make_no_sense_are_refused(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(pair.LabError):
        lab.create(tmp_path / "lab", **wrong)  # type: ignore[arg-type]


def test_a_fresh_lab_is_as_the_contract_says(lab_pair: LabPair) -> None:
    state = lab_pair.state("staging")
    with lab_pair.server("staging") as server:
        visible = count(
            server,
            "SELECT count(DISTINCT update_id) FROM revision"
            " WHERE kind IN ('software', 'driver') AND NOT hidden",
        )
        plain = count(
            server,
            "SELECT count(DISTINCT r.update_id) FROM revision r JOIN approval a"
            " USING (update_id, revision) JOIN update_state s USING (update_id, revision)"
            " WHERE r.license_id IS NULL AND s.state = 'Ready' AND a.action = 'Install'"
            " AND NOT EXISTS (SELECT 1 FROM relation WHERE kind = 'supersedes'"
            " AND other_id = r.update_id)",
        )
        at_rest = count(server, "SELECT count(*) FROM agent_job") == 0
        states = {r[0] for r in server.connection.execute("SELECT state FROM update_state")}
    approved = {approval["update_id"] for approval in state["approvals"]}
    everywhere = [a for a in state["approvals"] if a["group"] == ["All Computers"]]
    assert visible == 60
    assert 15 <= len(approved) <= 25
    assert plain >= 5
    assert len(everywhere) == 1
    assert at_rest
    assert states == {"Ready"}
    assert 1.6 * visible <= len(state["files"]) <= 2.4 * visible
    assert {a["action"] for a in state["approvals"]} == {"Install", "Uninstall", "NotApproved"}
    assert any(a["optional"] for a in state["approvals"])
    deadlines = [a["deadline"] for a in state["approvals"] if a["deadline"]]
    assert deadlines
    assert all(re.fullmatch(r"204\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", text) for text in deadlines)
    assert state["declines"]


def test_a_fresh_disconnected_server_is_empty_with_the_same_groups(lab_pair: LabPair) -> None:
    assert lab_pair.state("disconnected") == {
        "revisions": [], "declines": [], "approvals": [], "files": [],
    }  # fmt: skip
    trees = []
    for side in pair.SIDES:
        with lab_pair.server(side) as server:
            query = "SELECT g.name, p.name FROM target_group g LEFT JOIN target_group p ON"
            query += " p.id = g.parent_id ORDER BY 1, 2"
            trees.append([tuple(row) for row in server.connection.execute(query)])
            assert count(server, "SELECT count(*) FROM approval_rule WHERE enabled") == 0
    assert trees[0] == trees[1]
    assert any(not name.isascii() for name, _ in trees[0])


def test_content_files_are_named_by_their_own_bytes(lab_pair: LabPair) -> None:
    for file in lab_pair.state("staging")["files"]:
        content = lab_pair.content("staging", file["name"]).read_bytes()
        assert hashlib.sha1(content).hexdigest().upper() == file["name"][:40]
        assert len(content) == file["size_bytes"]


def test_the_catalogue_has_what_catalogues_have(lab_pair: LabPair) -> None:
    questions = {
        "bundles": "SELECT count(*) FROM relation WHERE kind = 'bundles'",
        "supersedence": "SELECT count(*) FROM relation WHERE kind = 'supersedes'",
        "several revisions": "SELECT count(*) FROM revision WHERE NOT is_latest",
        "expired": "SELECT count(*) FROM revision WHERE publication = 'Expired'",
        "drivers": "SELECT count(*) FROM revision WHERE kind = 'driver'",
        "detectoids": "SELECT count(*) FROM revision WHERE kind = 'detectoid'",
        "products": "SELECT count(*) FROM revision WHERE kind = 'product'",
        "licence terms": "SELECT count(*) FROM file WHERE kind = 'license' AND language = 'de'",
        "express": "SELECT count(*) FROM file WHERE kind = 'express'",
        "a key": "SELECT count(*) FROM file WHERE decryption_key IS NOT NULL",
        "children by language": "SELECT count(*) FROM revision WHERE languages = '[\"ja\"]'",
        "no files": "SELECT count(*) FROM revision r WHERE kind = 'software' AND NOT EXISTS"
        " (SELECT 1 FROM relation b WHERE b.update_id = r.update_id AND b.kind = 'bundles')"
        " AND NOT EXISTS (SELECT 1 FROM revision_file f WHERE f.update_id = r.update_id)",
        "one article for two": "SELECT count(*) FROM revision a JOIN revision b USING (kb)"
        " WHERE a.update_id < b.update_id AND NOT a.hidden AND NOT b.hidden",
        "unaccepted terms": "SELECT count(*) FROM revision WHERE license_id IS NOT NULL"
        " AND license_id NOT IN (SELECT id FROM license)",
        "accepted terms": "SELECT count(*) FROM license",
    }
    with lab_pair.server("staging") as server:
        missing = [name for name, query in questions.items() if not count(server, query)]
        titles = "".join(row[0] for row in server.connection.execute("SELECT title FROM revision"))
    assert missing == []
    for piece in ("累積", "تحديث", '"', "$(", "`", "'", "🎉", "\n", "«", "\\", "&", "<"):
        assert piece in titles


@pytest.mark.parametrize("updates", [5, 10, 20])
def test_small_labs_have_approved_updates_too(tmp_path: Path, updates: int) -> None:
    lab.create(tmp_path / "lab", updates=updates, content_bytes=200_000)
    state = lab.state(tmp_path / "lab", "staging")
    assert len({a["update_id"] for a in state["approvals"]}) >= min(5, updates // 2)


def test_two_thousand_updates_take_seconds(tmp_path: Path) -> None:
    began = time.process_time()
    lab.create(tmp_path / "lab", updates=2_000, content_bytes=4_000_000)
    assert time.process_time() - began < 20
    state = lab.state(tmp_path / "lab", "staging")
    assert 3_400 <= len(state["files"]) <= 4_600


def test_a_german_lab_calls_its_groups_in_german_and_state_does_not(tmp_path: Path) -> None:
    lab.create(tmp_path / "lab", updates=20, content_bytes=200_000, language="de")
    lab_pair = LabPair(tmp_path / "lab")
    with lab_pair.server("staging") as server:
        names = {row[0] for row in server.connection.execute("SELECT name FROM target_group")}
    assert {"Alle Computer", "Nicht zugewiesene Computer"} <= names
    assert all(a["group"][0] == "All Computers" for a in lab_pair.state("staging")["approvals"])
    told = lab_pair.wsusutil("staging", "checkhealth")
    assert told.returncode == 0
    assert told.stdout.startswith("Fertig.")


def test_no_two_groups_of_a_lab_bear_one_name() -> None:
    for seed in range(50):
        names = [path[-1].casefold() for path in groups.plant(seed).paths]
        assert len(set(names)) == len(names)
        assert groups.plant(seed).is_nested


def test_the_programs_of_a_copied_lab_are_its_own_and_its_site_files_are_said_to_be_not(
    lab_pair: LabPair, tmp_path: Path
) -> None:
    copy = LabPair(tmp_path / "a copy")
    shutil.copytree(lab_pair.folder, copy.folder)
    before = lab_pair.state("disconnected")

    copy.wsusutil("staging", "export", tmp_path / "package.xml.gz", tmp_path / "export.log")
    imported = copy.wsusutil("disconnected", "import", tmp_path / "package.xml.gz")
    assert imported.returncode == 0, imported.stdout
    assert copy.state("disconnected")["revisions"] == copy.state("staging")["revisions"]
    assert lab_pair.state("disconnected") == before

    for pair_of_servers, is_warned in ((lab_pair, False), (copy, True)):
        told = run_here("lab", "state", str(pair_of_servers.folder), "staging", "--json", expect=0)
        assert told.document == pair_of_servers.state("staging")
        warning = f"{copy.folder} was copied or moved from {lab_pair.folder}"
        assert (warning in told.stderr) == is_warned

    for side in pair.SIDES:
        path = copy.folder / side / "site.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(str(lab_pair.folder), str(copy.folder)), encoding="utf-8")
    assert pair.copied_from(copy.folder) is None
