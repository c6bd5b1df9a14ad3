"""A side's state in one file, written while runs go on, and brought back on an empty machine."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from flows.command_line import run
from tasks.errors import UsageError
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.refusals import SafetyError
from tasks.site.reading import read_site
from tasks.upkeep.backup import RECORD, write_backup
from tasks.upkeep.restore import restore_backup
from tests.support.bundles import NOW
from tests.support.runs import open_test_run, reserved, write_site_file


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The site file of a staging side that has made a bundle."""
    folder = tmp_path / "old"
    folder.mkdir()
    site = write_site_file(folder, side="staging")
    with open_test_run(site) as opened:
        state = opened.site.state_dir
        documents = state / "bundles" / "alpha-1"
        documents.mkdir(parents=True)
        (documents / "header.payload.json").write_text("{}", encoding="utf-8")
        opened.exports.mint_chain()
        record = reserved(1, opened.site.media.path)
        opened.exports.reserve(record.model_copy(update={"folder": documents}))
        page = state / "reports" / "run-1" / "report.html"
        Runs(opened.ledger).write(RunRecord(id="run-1", command="export", started=NOW, report=page))
        (state / "prefect").mkdir()
        (state / "prefect" / "prefect.db").write_bytes(b"not ours")
        (state / "receipts").mkdir()
        (state / "receipts" / "alpha-1.partial").write_bytes(b"half of it")
        (state / "link").symlink_to(folder / "keys")
    return site


def back_up(site: Path, name: str = "backup.zip") -> Path:
    target = site.parent.parent / name
    write_backup(read_site(site), target, now=NOW)
    return target


def members(backup: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(backup) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_state_and_site_file_and_no_secret(site: Path) -> None:
    state = read_site(site).state_dir
    shutil.copy(site.parent / "keys" / "signing.key", state / "signing.key")
    text = site.read_text(encoding="utf-8").replace(
        'signing_key = "keys/signing.key"',
        'signing_key = "state/signing.key"\npassphrase_file = "state/passphrase"',
    )
    site.write_text(text, encoding="utf-8")
    (state / "passphrase").write_text("of the signing key", encoding="utf-8")
    (state / "content.sqlite").write_bytes(b"a cache, written at this moment")
    (state / "volumes" / "ab").mkdir(parents=True)
    (state / "volumes" / "ab" / "content").write_bytes(b"as large as a bundle")

    backup = back_up(site)

    assert backup.stat().st_mode & 0o777 == 0o600
    held = members(backup)
    assert set(held) == {
        "backup.json",
        "site.toml",
        "state/ledger.sqlite",
        "state/bundles/alpha-1/header.payload.json",
    }
    secrets = [
        (site.parent / "keys" / name).read_bytes() for name in ("signing.key", "receipt.secret")
    ]
    assert not any(secret.strip() in content for secret in secrets for content in held.values())


def test_it_is_brought_back_on_an_empty_machine_in_another_folder(
    site: Path, tmp_path: Path
) -> None:
    backup = back_up(site)
    new = tmp_path / "new"
    new.mkdir()
    with Ledger(read_site(site).state_dir) as before:
        chain, machine = before.chain, before.machine
    shutil.rmtree(site.parent)

    restored = restore_backup(backup, new / "site.toml", now=NOW)

    assert restored.wrote_site_file
    state = new / "state"
    with Ledger(state) as ledger:
        assert ledger.chain == chain
        assert ledger.machine != machine, "a lock of the old machine would count as ours"
        (row,) = ledger.connection.execute("SELECT folder FROM export").fetchall()
        assert row["folder"] == str(state / "bundles" / "alpha-1")
        (record,) = Runs(ledger).all()
        assert (record.outcome, record.ended) == ("crashed", NOW)
        assert record.report == state / "reports" / "run-1" / "report.html"
    assert (state / "bundles" / "alpha-1" / "header.payload.json").read_text("utf-8") == "{}"
    assert state.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in new.iterdir()} == {"site.toml", "state"}


def test_runs_go_on_while_it_is_written(site: Path) -> None:
    state, stop = read_site(site).state_dir, threading.Event()
    counts: list[int] = []

    def write_on() -> None:
        with Ledger(state) as ledger:
            while not stop.is_set():
                with ledger.transaction():
                    for half in ("a", "b"):  # always both or none
                        number = f"{len(counts)}-{half}"
                        Runs(ledger).write(RunRecord(id=number, command="check", started=NOW))
                (state / "reports" / f"{len(counts)}.partial").touch()
                counts.append(1)

    (state / "reports").mkdir(exist_ok=True)
    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        backups = [back_up(site, f"{number}.zip") for number in range(3)]
    finally:
        stop.set()
        writer.join()

    for number, backup in enumerate(backups):
        copy = site.parent.parent / f"{number}.sqlite"
        copy.write_bytes(members(backup)["state/ledger.sqlite"])
        with closing(sqlite3.connect(copy)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (runs,) = database.execute("SELECT count(*) FROM run WHERE id LIKE '%-a'").fetchone()
            (both,) = database.execute("SELECT count(*) FROM run WHERE id LIKE '%-b'").fetchone()
        assert runs == both


def test_a_state_that_is_there_is_never_overwritten(site: Path) -> None:
    backup = back_up(site)

    with pytest.raises(SafetyError, match="holds a state already"):
        restore_backup(backup, site, now=NOW)
    with pytest.raises(UsageError, match="never overwrites"):
        back_up(site)
    with pytest.raises(UsageError, match="lies in the state folder"):
        write_backup(read_site(site), read_site(site).state_dir / "b.zip", now=NOW)


def rewrite(backup: Path, name: str, content: bytes, rename: str | None = None) -> None:
    """Give a file of a backup other bytes, or another name."""
    held = members(backup)
    held.pop(name)
    held[rename or name] = content
    with zipfile.ZipFile(backup, "w") as archive:
        for member, data in held.items():
            archive.writestr(member, data)


@pytest.mark.parametrize("name", ["../evil", "state/../../evil", "/evil", "state\\evil", "C:evil"])
def test_a_name_that_leads_out_of_the_state_folder_is_refused(
    site: Path, tmp_path: Path, name: str
) -> None:
    backup = back_up(site)
    record = json.loads(members(backup)[RECORD])
    record["files"][name] = "0" * 64
    rewrite(backup, RECORD, json.dumps(record).encode())

    with pytest.raises(UsageError, match="is no whole backup"):
        restore_backup(backup, tmp_path / "new" / "site.toml", now=NOW)

    assert not (tmp_path / "new").exists()


def test_a_damaged_backup_leaves_nothing(site: Path, tmp_path: Path) -> None:
    backup = back_up(site)
    rewrite(backup, "state/bundles/alpha-1/header.payload.json", b"{ }")
    new = tmp_path / "new"
    new.mkdir()

    with pytest.raises(UsageError, match="is damaged"):
        restore_backup(backup, new / "site.toml", now=NOW)
    other = back_up(site, "other.zip")
    rewrite(other, "site.toml", site.read_bytes() + b"# changed")
    with pytest.raises(UsageError, match=r"site\.toml is damaged"):
        restore_backup(other, new / "site.toml", now=NOW)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(backup.read_bytes()[:-200])
    with pytest.raises(UsageError, match="is no whole backup"):
        restore_backup(cut, new / "site.toml", now=NOW)

    assert list(new.iterdir()) == []


def test_a_backup_of_another_side_is_refused(site: Path, tmp_path: Path) -> None:
    backup = back_up(site)
    other = tmp_path / "other"
    other.mkdir()
    other_site = write_site_file(other, side="disconnected")

    with pytest.raises(UsageError, match="the backup is of site alpha, staging side"):
        restore_backup(backup, other_site, now=NOW)


def test_the_commands_say_what_is_not_in_it(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "saved.zip"

    assert run(["backup", str(backup), "--site", str(site)]) == 0
    assert "private keys and secrets are NOT in it" in capsys.readouterr().err
    site.parent.rename(tmp_path / "away")
    site.parent.mkdir()
    assert run(["restore", str(backup), "--site", str(site)]) == 0
    assert f"wsus-airgap site check --site {site}" in capsys.readouterr().err
    assert run(["restore", str(tmp_path / "none.zip"), "--site", str(site)]) == 64
