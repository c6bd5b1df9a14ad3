"""Updates that only the disconnected server knows, and which are approved there.

They were published there, or imported there from the Microsoft Update Catalog. No bundle brings
their content, so they are left alone: their files do not count as missing, and no receipt, which
leaves the enclave, names them.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.columns import revision_set
from tasks.approvals.model import approved_revisions
from tasks.importing.approval_run import last_applied
from tasks.ledger.imports import Imports
from tasks.metadata.catalogue import PackageIndex
from tasks.quantities import count
from tasks.reports.model import Column, Section
from tasks.reports.sections import MOST_ROWS, cut_note
from tasks.revision import RevisionId
from tasks.run.report import ReportDraft


def find_local_updates(
    index: PackageIndex, imports: Imports, present: ServerDecisions
) -> Collection[RevisionId]:
    """Find the approved revisions of updates that no bundle knows.

    The package has no revision of them, and we have applied no decision about them. An update that
    was applied here and is gone from staging is none of them: its content is still our concern. Nor
    is one with a parked approval, which staging decided.
    """
    applied = last_applied(imports)
    parked = {decision.update_id for decision in imports.decisions("parked")}
    return revision_set(
        key
        for key in approved_revisions(present.approval_set)
        if key.update_id not in parked
        and not applied.approvals.rows_of(key.update_id)
        and not applied.declines.rows_of(key.update_id)
        and index.latest(key.update_id) is None
    )


def report_local_updates(
    report: ReportDraft, local: Collection[RevisionId], present: ServerDecisions
) -> None:
    """Name the updates that only this server knows, with what WSUS says of their files."""
    if not local:
        return
    report.lines.append(
        f"{count(len(local), 'approved update is', 'approved updates are')} known to this server "
        "alone and left alone"
    )
    rows = []
    for key in islice(local, MOST_ROWS):
        update = present.updates.get(key)
        is_published = update is not None and update.local
        rows.append(
            (
                f"{key.update_id} revision {key.revision}",
                "published here" if is_published else "imported here",
                "" if update is None else update.state,
            )
        )
    report.sections.append(
        Section(
            key="local-updates",
            title="Known to this server alone",
            note="No bundle brings these approved updates; their content is this site's own "
            "concern, and nothing of them is in the receipt." + cut_note(tuple(local), " "),
            columns=(
                Column(label="Update"),
                Column(label="Origin", kind="short"),
                Column(label="State in WSUS", kind="short"),
            ),
            rows=tuple(rows),
        )
    )
