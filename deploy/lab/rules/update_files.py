"""The files of an update and of its bundled children, and its licence terms."""

from __future__ import annotations

import json
from typing import NamedTuple

from deploy.lab.rules import approval_actions, update_search
from deploy.lab.rules.server import RuleError, Server
from deploy.lab.store import content_paths

_TYPES = {"payload": "SelfContained", "express": "Express", "license": "None"}


class FileRow(NamedTuple):
    """A file of an installable item, or an item without files (``name`` is None).

    Attributes:
        item: Number of the item.
        parent: Number of the item that bundles it; None at the top.
        type: A name of ``FileType``.
    """

    item: int
    parent: int | None
    update_id: str
    revision: int
    languages: list[str]
    name: str | None
    modified: str | None
    file_uri: str | None
    origin_uri: str | None
    size_bytes: int | None
    type: str | None
    is_license: bool
    sha1: str | None
    sha256: str | None


class LicenseRow(NamedTuple):
    """Licence terms as ``ILicenseAgreement`` shows them."""

    id: str
    text: str
    accepted: bool
    accepted_at: str | None
    accepted_by: str | None


def installable_items(
    server: Server, update_id: str, revision: int, host_url: str
) -> list[FileRow]:
    """``GetInstallableItems``: the update's own item, or the items of its children.

    A bundle without files has the items of its children; the items of their children lie below
    these.

    Args:
        server: The server.
        update_id: The update.
        revision: Its revision.
        host_url: Scheme, host and port of the server, as in ``http://wsus:8530``.
    """
    content_url = f"{host_url}/Content"
    update_search.get_update(server, update_id, revision)
    files: list[FileRow] = []
    waiting: list[tuple[int | None, str, int]] = [(None, update_id, revision)]
    number = 0
    while waiting:
        above, current, current_revision = waiting.pop(0)
        children = server.connection.execute(
            "SELECT other_id, other_revision FROM relation WHERE update_id = ? AND revision = ?"
            " AND kind = 'bundles' ORDER BY other_id",
            (current, current_revision),
        ).fetchall()
        own = _item(server, (number, above), (current, current_revision), content_url)
        is_hollow = bool(children) and own[0].name is None
        if not is_hollow:
            files += own
        below = above if number == 0 or is_hollow else number
        waiting += [(below, row["other_id"], row["other_revision"]) for row in children]
        number += 1
    return files


def size_bytes(server: Server, update_id: str, revision: int) -> int:
    """``Size``: the bytes of all files of a revision and of its bundled children."""
    rows = installable_items(server, update_id, revision, "http://localhost")
    return sum({row.sha1: row.size_bytes or 0 for row in rows}.values())


def license_agreement(server: Server, update_id: str, revision: int) -> LicenseRow:
    """``GetLicenseAgreement``.

    Raises:
        RuleError: The update has no terms (``InvalidOperationException``), or their files are not
            on disk (``WsusObjectNotFoundException``).
    """
    row = server.connection.execute(
        "SELECT license_id, license.* FROM revision LEFT JOIN license ON license.id = license_id"
        " WHERE update_id = ? AND revision = ?",
        (update_id, revision),
    ).fetchone()
    if row is None or row["license_id"] is None:
        raise RuleError("InvalidOperationException", "The update has no license agreement.")
    paths = approval_actions.license_files(server, update_id, revision)
    if not paths or not all(path.is_file() for path in paths):
        raise RuleError(
            "WsusObjectNotFoundException",
            "The Microsoft Software License Terms have not been completely downloaded.",
        )
    return LicenseRow(
        id=row["license_id"],
        text=paths[0].read_text(encoding="utf-8", errors="replace"),
        accepted=row["accepted_at"] is not None,
        accepted_at=row["accepted_at"],
        accepted_by=row["accepted_by"],
    )


def _item(
    server: Server, numbers: tuple[int, int | None], update: tuple[str, int], content_url: str
) -> list[FileRow]:
    query = "SELECT languages FROM revision WHERE update_id = ? AND revision = ?"
    row = server.connection.execute(query, update).fetchone()
    languages = update_search.shown_languages([] if row is None else json.loads(row["languages"]))
    files = server.connection.execute(
        "SELECT file.* FROM revision_file JOIN file USING (sha1)"
        " WHERE update_id = ? AND revision = ? ORDER BY file.name, sha1",
        update,
    ).fetchall()
    if not files:
        none = (None, None, None, None, None, None)
        return [
            FileRow(*numbers, *update, languages, *none, is_license=False, sha1=None, sha256=None)
        ]
    return [
        FileRow(
            *numbers,
            *update,
            languages=languages,
            name=file["name"],
            modified=file["modified"],
            file_uri=_content_url(content_url, file["sha1"], file["name"]),
            origin_uri=file["url"],
            size_bytes=file["size_bytes"],
            type=_TYPES[file["kind"]],
            is_license=file["kind"] == "license",
            sha1=file["sha1"],
            sha256=file["sha256"],
        )
        for file in files
    ]


def _content_url(base: str, sha1: str, name: str) -> str:
    return f"{base}/{sha1[-2:]}/{content_paths.content_name(sha1, name)}"
