"""The server's own statistics, and the clean-up wizard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from deploy.lab.generate import taxonomy
from deploy.lab.rules import approval_actions, groups, update_search
from deploy.lab.rules.scope import ANY, DECLINED, LATEST_APPROVED, NOT_APPROVED, STALE, Scope
from deploy.lab.rules.server import Server, as_text
from deploy.lab.store import content_paths

# The wizard declines a superseded update after this many days without an approval, if an update
# that supersedes it is approved.
_SUPERSEDED_DAYS = 30
_REPLACED_BY_APPROVED = (
    "SELECT 1 FROM relation s JOIN approval a ON a.update_id = s.update_id"
    " AND a.revision = s.revision WHERE s.other_id = ? AND s.kind = 'supersedes'"
    " AND a.action = 'Install'"
)
# Updates that lack files or licence terms; a declined update needs neither.
_SERVER_ERRORS = (
    "SELECT count(*) FROM (SELECT update_id FROM update_state WHERE state = 'Failed' UNION"
    " SELECT update_id FROM content_state JOIN file USING (sha1) JOIN revision_file USING (sha1)"
    " WHERE state = 'Failed' AND kind = 'license') WHERE update_id NOT IN decline"
)
_SECURITY = ("Critical Updates", "Security Updates")


class StatusRow(NamedTuple):
    """``UpdateServerStatus`` without the counts of computers."""

    updates: int
    approved: int
    not_approved: int
    declined: int
    expired: int
    needing_files: int
    server_errors: int
    stale: int
    security_not_approved: int
    infrastructure_not_approved: int
    groups: int


class CleanupRow(NamedTuple):
    """``CleanupResults``; no update of a lab is old enough to be obsolete or compressed."""

    superseded: int
    expired: int
    obsolete: int
    compressed: int
    freed_bytes: int


def status(server: Server) -> StatusRow:
    """``GetStatus``; a declined update counts as nothing but declined."""

    def count(states: int = ANY, **more: object) -> int:
        return update_search.count_updates(server, Scope(states=states, **more))  # type: ignore[arg-type]

    def number(query: str) -> int:
        return int(server.connection.execute(query).fetchone()[0])

    security = [taxonomy.CLASSIFICATIONS[name] for name in _SECURITY]
    visible = f"SELECT count(*) FROM revision r WHERE {update_search.VISIBLE} AND "
    undeclined = "NOT EXISTS (SELECT 1 FROM decline d WHERE d.update_id = r.update_id)"
    return StatusRow(
        updates=count(),
        approved=count(LATEST_APPROVED),
        not_approved=count(NOT_APPROVED),
        declined=count(DECLINED),
        expired=number(f"{visible} r.publication = 'Expired' AND {undeclined}"),
        needing_files=number("SELECT count(*) FROM update_state WHERE state = 'NotReady'"),
        server_errors=number(_SERVER_ERRORS),
        stale=count(STALE),
        security_not_approved=count(NOT_APPROVED, classifications=security),
        infrastructure_not_approved=count(NOT_APPROVED, infrastructure=True),
        groups=len(groups.all_groups(server)) - 2,
    )


def clean_up(
    server: Server, *, superseded: bool = False, expired: bool = False, files: bool = False
) -> CleanupRow:
    """``PerformCleanup``, in the order of WSUS's wizard."""
    groups.refuse_on_replica(server)
    before = as_text(datetime.now(UTC) - timedelta(days=_SUPERSEDED_DAYS))
    done = {"superseded": 0, "expired": 0}
    for row in list(update_search.search_updates(server, Scope(states=NOT_APPROVED))):
        is_old = superseded and row.superseded and row.arrived < before
        if is_old and _is_replaced(server, row.update_id):
            kind = "superseded"
        elif expired and row.publication == "Expired":
            kind = "expired"
        else:
            continue
        approval_actions.decline(server, row.update_id)
        done[kind] += 1
    freed = _remove_unneeded_files(server) if files else 0
    return CleanupRow(done["superseded"], done["expired"], 0, 0, freed)


def _is_replaced(server: Server, update_id: str) -> bool:
    return server.connection.execute(_REPLACED_BY_APPROVED, (update_id,)).fetchone() is not None


def _remove_unneeded_files(server: Server) -> int:
    """Delete content that neither an approved update nor licence terms need."""
    freed = 0
    for folder in sorted(server.content_dir.iterdir()):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if content_paths.CONTENT_NAME.fullmatch(path.name) and _is_unneeded(server, path.stem):
                freed += path.stat().st_size
                path.unlink()
    return freed


def _is_unneeded(server: Server, stem: str) -> bool:
    row = server.connection.execute(
        "SELECT 1 FROM file LEFT JOIN content_state USING (sha1)"
        " WHERE sha1 = ? AND content_state.state IS NULL",
        (stem.upper(),),
    ).fetchone()
    return row is not None
