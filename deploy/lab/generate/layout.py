"""The folders of a new lab: two servers, their executables and site files, keys and media."""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from deploy.lab.generate import content_bytes, real_catalogue, taxonomy
from deploy.lab.generate.catalogue import FILES_ON_DISK, Catalogue, Entry
from deploy.lab.generate.launchers import write_launchers
from deploy.lab.pair import SIDES, LabError
from deploy.lab.rules import configuration, distribution_log, machine
from deploy.lab.rules.server import as_text
from deploy.lab.store import content_paths, database, decisions, groups, revision_store
from deploy.lab.store.records import File, Revision

LANGUAGES = ("en", "de")
SITE = "alpha"
DEFAULT_RULE_NAMES = {
    "en": "Default Automatic Approval Rule",
    "de": "Automatische Standardgenehmigungsregel",
}
# In a smaller lab the updates that were approved once are still approved, so that enough are.
_FEW = 20
_COMMIT_EVERY = 500


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a lab.

    Attributes:
        updates: Visible updates.
        content_bytes: Bytes in staging's WsusContent.
        is_real: True for the catalogue with the statistics of a real one, which sets ``updates``.
    """

    updates: int
    content_bytes: int
    is_real: bool = False

    @property
    def files(self) -> float:
        """About how many files lie in staging's WsusContent."""
        return real_catalogue.FILES_ON_DISK if self.is_real else self.updates * FILES_ON_DISK


def create(folder: Path, size: Size, seed: int, language: str) -> None:
    """Lay out a lab; see ``deploy.lab.create``."""
    _refuse(folder, size, language)
    try:
        _lay_out(folder.resolve(), size, seed, language)
    except OSError as error:
        raise LabError(f"{folder} cannot be written: {error}") from error


def _lay_out(folder: Path, size: Size, seed: int, language: str) -> None:
    for name in ("media", "return", "keys"):
        (folder / name).mkdir(parents=True)
    _write_keys(folder / "keys")
    for side in SIDES:
        side_folder = folder / side
        for name in ("WsusContent", "state", "server"):
            (side_folder / name).mkdir(parents=True)
        (side_folder / "WsusContent" / content_paths.CHECK_FILE).touch()
        write_launchers(side_folder)
        (side_folder / "site.toml").write_text(site_file(folder, side), encoding="utf-8")
        connection = database.create(side_folder / "server")
        try:
            # Fast and unsafe until the lab is complete: an unfinished lab is useless anyway.
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA cache_size = -100000")
            _Filler(connection, side_folder / "WsusContent", size, seed).fill(side, language)
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()


def _refuse(folder: Path, size: Size, language: str) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} is not an empty folder")
    if size.updates < 1 or size.content_bytes < 1:
        raise LabError("a lab has at least one update and one byte")
    if language not in LANGUAGES:
        raise LabError(f"the lab speaks {' and '.join(LANGUAGES)}, not {language!r}")


def _write_keys(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for side in SIDES:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_secret(folder / f"{side}.key", private)
        (folder / f"{side}.pub").write_bytes(public)
    write_secret(folder / "receipt.secret", secrets.token_hex(32).encode() + b"\n")


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def site_file(folder: Path, side: str, address: str = "local", extra: str = "") -> str:
    """The text of a side's site file, with every default.

    Args:
        folder: The lab.
        side: The side.
        address: The server's address.
        extra: Further lines of the table ``[server]``.
    """
    other = SIDES[1 - SIDES.index(side)]
    side_folder = folder / side
    ending = "" if Path("/").anchor == side_folder.anchor else ".cmd"

    def text(value: object) -> str:
        return json.dumps(str(value), ensure_ascii=False)

    return (
        f'[site]\nname = "{SITE}"\nside = "{side}"\nstate_dir = "state"\n\n'
        f'[server]\naddress = {text(address)}\nplatform = "posix"\n{extra}'
        f"content_dir = {text(side_folder / 'WsusContent')}\n"
        f"wsusutil = [{text(side_folder / f'wsusutil{ending}')}]\n"
        f"powershell = [{text(side_folder / f'powershell{ending}')}]\n"
        f"work_dir = {text(side_folder / 'server' / 'work')}\n\n"
        '[media]\npath = "../media"\nreturn_path = "../return"\n\n'
        f'[trust]\nsigning_key = "../keys/{side}.key"\n'
        f'trusted_keys = ["../keys/{other}.pub"]\nreceipt_secret = "../keys/receipt.secret"\n'
    )


class _Filler:
    """The first content of a server's database, and of staging's WsusContent."""

    def __init__(
        self, connection: sqlite3.Connection, content_dir: Path, size: Size, seed: int
    ) -> None:
        self._connection = connection
        self._content_dir = content_dir
        self._server_folder = content_dir.parent / "server"
        self._size = size
        self._seed = seed
        self._mean_bytes = size.content_bytes / size.files
        self._tree = groups.plant(seed)
        # Several updates share licence terms; they are written once.
        self._shared: set[str] = set()

    def fill(self, side: str, language: str) -> None:
        is_connected = side == "staging"
        with database.transaction(self._connection):
            self._write_settings(language, is_connected=is_connected)
            group_ids = groups.write(self._connection, self._tree, language)
            write_default_rule(self._connection, language)
            for revision in taxonomy.built_in():
                revision_store.put(self._connection, revision)
            if is_connected:
                for revision in taxonomy.synchronized():
                    revision_store.put(self._connection, revision)
        write_log(self._server_folder)
        if is_connected:
            self._write_catalogue(group_ids)
            write_synchronizations(self._connection, self._server_folder, 3)

    def _write_settings(self, language: str, *, is_connected: bool) -> None:
        own = {
            "ServerId": str(uuid.uuid4()),
            "is_connected": is_connected,
            "language": language,
            "seed": self._seed,
            "mean_bytes": self._mean_bytes,
            "updates": self._size.updates,
            "month": 0,
        }
        self._connection.executemany(
            "INSERT INTO setting VALUES (?, ?)",
            [
                (name, json.dumps(value, ensure_ascii=False))
                for name, value in {**configuration.DEFAULTS, **own}.items()
            ],
        )

    def _write_catalogue(self, group_ids: dict[tuple[str, ...], str]) -> None:
        catalogue = Catalogue(self._seed, self._mean_bytes)
        if self._size.is_real:
            before, entries = (
                real_catalogue.taxonomy_of(catalogue),
                real_catalogue.entries(catalogue),
            )
        else:
            before = catalogue.detectoids(self._size.updates)
            entries = map(catalogue.entry, range(self._size.updates))
        with database.transaction(self._connection):
            for revision in before:
                revision_store.put(self._connection, revision)
        while batch := list(islice(entries, _COMMIT_EVERY)):
            with database.transaction(self._connection):
                for entry in batch:
                    self._write_entry(entry, group_ids)

    def _write_entry(self, entry: Entry, group_ids: dict[tuple[str, ...], str]) -> None:
        for revision in entry.revisions:
            revision_store.put(self._connection, revision)
        is_approved = entry.role == "approved" or (
            entry.role == "kept" and self._size.updates < _FEW
        )
        on_disk = entry.role in {"approved", "kept"}
        needed = [file for revision in entry.revisions for file in _downloaded(revision)]
        ready = [file for file in needed if is_approved or file.kind == "license"]
        for file in needed:
            if on_disk or file.kind == "license":
                self._write_file(file)
        self._connection.executemany(
            "INSERT OR IGNORE INTO content_state VALUES (?, 'Ready')",
            [(file.sha1,) for file in ready],
        )
        if is_approved:
            decisions.write_approvals(self._connection, entry, self._tree, group_ids)
            self._connection.execute(
                "INSERT INTO update_state VALUES (?, ?, 'Ready')", entry.newest.key
            )
        elif entry.role == "declined":
            self._connection.execute("INSERT INTO decline VALUES (?)", (entry.newest.update_id,))

    def _write_file(self, file: File) -> None:
        if file.recipe is None or file.sha1 in self._shared:
            return
        if file.kind == "license":
            self._shared.add(file.sha1)
        content_bytes.write(
            file.recipe, content_paths.content_path(self._content_dir, file.sha1, file.name)
        )


def _downloaded(revision: Revision) -> list[File]:
    """The files of a revision that WSUS downloads with its default settings."""
    enabled = set(configuration.DEFAULTS["EnabledUpdateLanguages"])
    if revision.languages and enabled.isdisjoint(revision.languages):
        return []
    return [
        file
        for file in revision.files
        if file.kind != "express" and (file.language is None or file.language in enabled)
    ]


def write_default_rule(connection: sqlite3.Connection, language: str) -> None:
    """Write the approval rule that every new server has; it is disabled."""
    classifications = [
        taxonomy.CLASSIFICATIONS[name] for name in ("Critical Updates", "Security Updates")
    ]
    connection.execute(
        "INSERT INTO approval_rule (name, enabled, group_ids, category_ids, classification_ids)"
        " VALUES (?, 0, ?, '[]', ?)",
        (
            DEFAULT_RULE_NAMES[language],
            json.dumps([database.ALL_COMPUTERS]),
            json.dumps(classifications),
        ),
    )


def write_log(server_folder: Path) -> None:
    """Write the start of the service, four days ago, into SoftwareDistribution.log."""
    started = datetime.now(UTC) - timedelta(days=4)
    lines = machine.DEFAULTS["machine.schannel_lines"]
    distribution_log.append_event(
        server_folder, 501, "Update Services Service Started", moment=started
    )
    distribution_log.append_schannel(server_folder, lines, moment=started)


def write_synchronizations(connection: sqlite3.Connection, server_folder: Path, count: int) -> None:
    """Write a history of daily synchronisations, the last one a minute ago, and its log."""
    present = datetime.now(UTC)
    for days in reversed(range(count)):
        ended = present - timedelta(days=days, minutes=1)
        connection.execute(
            "INSERT INTO synchronization VALUES (?, ?, ?, 'Succeeded', 'NotApplicable', '', 0)",
            (str(uuid.uuid4()), as_text(ended - timedelta(minutes=2)), as_text(ended)),
        )
        for event_id, moment in ((381, ended - timedelta(minutes=2)), (384, ended)):
            text = configuration.EVENT_TEXTS[event_id]
            distribution_log.append_event(server_folder, event_id, text, moment=moment)
