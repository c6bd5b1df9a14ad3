"""Searches for updates and approvals.

Categories, classifications, detectoids and bundled children never appear in a search.
``get_update`` gives a child by its id, but no category. A search gives the newest revision of each
update; an older one can be read by its number only.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deploy.lab.generate import taxonomy
from deploy.lab.rules import content_agent
from deploy.lab.rules.scope import (
    APPROVED_NOW,
    DECLINED_NOW,
    STALE,
    STALE_NOW,
    Scope,
    approval_conditions,
    conditions,
)
from deploy.lab.rules.server import RuleError, Server

# Values of UpdateRelationship.
_BUNDLED_BY, _BUNDLES, _REQUIRED_BY, _REQUIRES, _SUPERSEDED_BY, _SUPERSEDES, _REVISIONS = range(
    1, 8
)

VISIBLE = "r.kind IN ('software', 'driver') AND r.hidden = 0 AND r.is_latest = 1"
_SUPERSEDED = (
    "EXISTS (SELECT 1 FROM relation s JOIN revision n ON n.update_id = s.update_id"
    " AND n.revision = s.revision WHERE s.other_id = r.update_id AND s.kind = 'supersedes'"
    " AND n.is_latest = 1)"
)
_SELECT = f"""
SELECT r.*, {APPROVED_NOW} AS approved, {STALE_NOW} AS stale, {DECLINED_NOW} AS declined,
 {_SUPERSEDED} AS superseded,
 EXISTS (SELECT 1 FROM relation s WHERE s.update_id = r.update_id AND s.revision = r.revision
  AND s.kind = 'supersedes') AS supersedes,
 EXISTS (SELECT 1 FROM revision e WHERE e.update_id = r.update_id AND e.revision < r.revision)
  AS has_earlier,
 EXISTS (SELECT 1 FROM license l WHERE l.id = r.license_id) AS accepted,
 (SELECT c.title FROM revision c WHERE c.update_id = r.classification_id) AS classification,
 p.title AS product, f.title AS family
FROM revision r LEFT JOIN revision p ON p.update_id = r.product_id AND p.is_latest = 1
 LEFT JOIN revision f ON f.update_id = json_extract(p.details, '$.parent')
  AND f.is_latest = 1
"""

_SELECT_APPROVALS = """
SELECT a.*, CASE WHEN a.action != 'NotApproved' AND EXISTS (SELECT 1 FROM update_state u
 WHERE u.update_id = a.update_id AND u.revision = a.revision AND u.state != 'Ready')
 THEN 'Pending' ELSE 'Active' END AS state FROM approval a
"""


class UpdateRow(NamedTuple):
    """One revision as ``IUpdate`` shows it; enumeration values by name, times as text."""

    update_id: str
    revision: int
    type: int
    source: int
    title: str
    description: str
    legacy_name: str
    classification: str | None
    classification_id: str | None
    products: list[str]
    families: list[str]
    companies: list[str]
    articles: list[str]
    bulletins: list[str]
    urls: list[str]
    languages: list[str]
    severity: str
    publication: str
    created: str
    arrived: str
    state: str
    reboot: str
    uninstallable: bool
    approved: bool
    declined: bool
    stale: bool
    is_latest: bool
    has_earlier: bool
    superseded: bool
    supersedes: bool
    infrastructure: bool
    has_license: bool
    license_required: bool


class ApprovalRow(NamedTuple):
    """One approval as ``IUpdateApproval`` shows it; ``deadline`` is None without a deadline.

    Attributes:
        state: A name of ``UpdateApprovalState``: ``Pending`` until the update's files exist.
    """

    id: str
    update_id: str
    revision: int
    group_id: str
    action: str
    deadline: str | None
    optional: bool
    created: str
    administrator: str
    state: str


def get_update(server: Server, update_id: str, revision: int) -> UpdateRow:
    """``GetUpdate``; revision 0 is the newest.

    Raises:
        RuleError: There is no such update (``WsusObjectNotFoundException``).
    """
    row = server.connection.execute(
        f"{_SELECT} WHERE r.update_id = ? AND r.kind IN ('software', 'driver')"
        " AND (r.revision = ? OR (? = 0 AND r.is_latest = 1))",
        (update_id, revision, revision),
    ).fetchone()
    if row is None or update_id in _hidden(server):
        raise RuleError(
            "WsusObjectNotFoundException",
            f"The update {update_id}, revision {revision}, could not be found on this server.",
        )
    return _update_row(server, row)


def all_updates(server: Server) -> Iterator[UpdateRow]:
    """``GetUpdates()``: all updates, slowly on a large catalogue."""
    per_thousand = 5.0 if server.setting("slow_calls") else 0.25
    time.sleep(per_thousand * count_updates(server) / 1000)
    return search_updates(server, Scope())


def search_updates(server: Server, scope: Scope) -> Iterator[UpdateRow]:
    """``GetUpdates(scope)``, in order of arrival."""
    condition, values = conditions(scope)
    rows = server.connection.execute(
        f"{_SELECT} WHERE {VISIBLE} AND {condition} ORDER BY r.arrived, r.update_id", values
    )
    hidden = _hidden(server)
    return (_update_row(server, row) for row in rows if row["update_id"] not in hidden)


def _hidden(server: Server) -> tuple[str | None, ...]:
    """The updates that faults hide from the API."""
    return server.fault("update-hidden"), server.fault("update-lost")


def search_text(server: Server, text: str) -> Iterator[UpdateRow]:
    """``SearchUpdates(text)``."""
    return search_updates(server, Scope(includes=text))


def count_updates(server: Server, scope: Scope | None = None) -> int:
    """``GetUpdateCount``."""
    condition, values = conditions(scope or Scope())
    query = f"SELECT count(*) FROM revision r WHERE {VISIBLE} AND {condition}"
    count = int(server.connection.execute(query, values).fetchone()[0])
    if (lost := server.fault("update-lost")) is None:
        return count
    query += " AND r.update_id = ?"
    return count - int(server.connection.execute(query, [*values, lost]).fetchone()[0])


def is_present(server: Server, update_id: str) -> bool:
    """``IsPrerequisitePresent``: True if the server has an update, of any kind."""
    query = "SELECT 1 FROM revision WHERE update_id = ? LIMIT 1"
    return server.connection.execute(query, (update_id,)).fetchone() is not None


def related_updates(
    server: Server, update_id: str, revision: int, relationship: int
) -> list[UpdateRow]:
    """``GetRelatedUpdates`` without detectoids and categories."""
    mine = "SELECT other_id, other_revision FROM relation WHERE update_id = ? AND revision = ?"
    theirs = "SELECT update_id, revision FROM relation WHERE other_id = ?"
    kind = {
        _BUNDLED_BY: "bundles", _BUNDLES: "bundles", _REQUIRED_BY: "requires",
        _REQUIRES: "requires", _SUPERSEDED_BY: "supersedes", _SUPERSEDES: "supersedes",
    }.get(relationship)  # fmt: skip
    if relationship == _REVISIONS:
        query = "SELECT update_id, revision FROM revision WHERE update_id = ?"
        values: list[str | int] = [update_id]
    elif relationship in (_BUNDLES, _REQUIRES, _SUPERSEDES):
        query, values = f"{mine} AND kind = '{kind}'", [update_id, revision]
    elif kind is not None:
        query, values = f"{theirs} AND kind = '{kind}'", [update_id]
        if relationship == _BUNDLED_BY:
            query, values = f"{query} AND other_revision = ?", [update_id, revision]
    else:
        raise RuleError(
            "ArgumentOutOfRangeException", f"{relationship} is no relationship between updates."
        )
    updates: list[UpdateRow] = []
    for other_id, other_revision in server.connection.execute(query, values).fetchall():
        try:
            updates.append(get_update(server, other_id, other_revision or 0))
        except RuleError:
            continue
    return updates


def search_approvals(server: Server, scope: Scope) -> Iterator[ApprovalRow]:
    """``GetUpdateApprovals(scope)``: the approvals of the updates that the scope finds.

    Approvals of older revisions are included unless the scope excludes stale ones.
    """
    condition, values = conditions(scope)
    narrower, more = approval_conditions(scope)
    revisions = "" if scope.states & STALE else " AND a.revision = r.revision"
    optional = " AND NOT a.optional" if scope.exclude_optional else ""
    rows = server.connection.execute(
        f"{_SELECT_APPROVALS} JOIN revision r ON r.update_id = a.update_id"
        f" WHERE {VISIBLE} AND {condition}{narrower}{revisions}{optional}"
        " ORDER BY a.created, a.update_id, a.group_id",
        [*values, *more],
    )
    return (_approval_row(row) for row in rows)


def update_approvals(
    server: Server,
    update_id: str,
    revision: int | None,
    *,
    group_id: str | None = None,
    action: str | None = None,
) -> list[ApprovalRow]:
    """``IUpdate.GetUpdateApprovals``: the approvals of a revision; of all if it is None."""
    rows = server.connection.execute(
        f"{_SELECT_APPROVALS} WHERE update_id = ? AND (? IS NULL OR revision = ?)"
        " AND (? IS NULL OR group_id = ?) AND (? IS NULL OR action = ?)"
        " ORDER BY created, group_id, id",
        (update_id, revision, revision, group_id, group_id, action, action),
    )
    return [_approval_row(row) for row in rows]


def get_approval(server: Server, approval_id: str) -> ApprovalRow:
    """``GetUpdateApproval``.

    Raises:
        RuleError: There is none (``WsusObjectNotFoundException``).
    """
    query = f"{_SELECT_APPROVALS} WHERE id = ?"
    row = server.connection.execute(query, (approval_id,)).fetchone()
    if row is None:
        raise RuleError("WsusObjectNotFoundException", "The approval could not be found.")
    return _approval_row(row)


def _approval_row(row: sqlite3.Row) -> ApprovalRow:
    """An approval from its row in the table."""
    values: dict[str, Any] = {name: row[name] for name in ApprovalRow._fields}
    return ApprovalRow(**values | {"optional": bool(row["optional"])})


def shown_languages(languages: list[str]) -> list[str]:
    """The languages of an update or item as the API shows them: ``all`` if it has none."""
    return languages or ["all"]


def _update_row(server: Server, row: sqlite3.Row) -> UpdateRow:
    details: Mapping[str, Any] = json.loads(row["details"])
    article = row["kb"]
    return UpdateRow(
        update_id=row["update_id"],
        revision=row["revision"],
        type=2 if row["kind"] == "driver" else 1,
        source=int(details.get("source", 0)),
        title=row["title"],
        description=row["description"],
        legacy_name=f"KB{article}" if article else "",
        classification=row["classification"],
        classification_id=row["classification_id"],
        products=[row["product"]] if row["product"] else [],
        families=[row["family"]] if row["family"] else [],
        companies=["Microsoft"],
        articles=[article] if article else [],
        bulletins=list(details.get("bulletins", [])),
        urls=[f"https://support.microsoft.com/help/{article}"] if article else [],
        languages=shown_languages(json.loads(row["languages"])),
        severity=row["severity"],
        publication=row["publication"],
        created=row["created"],
        arrived=row["arrived"],
        state=content_agent.state_of(server, row["update_id"], row["revision"]),
        reboot=str(details.get("reboot", "CanRequestReboot")),
        uninstallable=bool(details.get("uninstallable", True)),
        approved=bool(row["approved"]),
        declined=bool(row["declined"]),
        stale=bool(row["stale"]),
        is_latest=bool(row["is_latest"]),
        has_earlier=bool(row["has_earlier"]),
        superseded=bool(row["superseded"]),
        supersedes=bool(row["supersedes"]),
        infrastructure=row["product_id"] == taxonomy.INFRASTRUCTURE,
        has_license=row["license_id"] is not None,
        license_required=row["license_id"] is not None and not row["accepted"],
    )
