"""What a bundle brings, and what an import would change: for the report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.approvals.model import approved_revisions
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.manifest import read_entries
from tasks.exporting.draft import Draft
from tasks.importing.approval_run import read_decisions_file
from tasks.importing.import_plan import ImportPlan
from tasks.metadata.bundle_contents import describe_brought
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import INDEX
from tasks.reports.sections import (
    brought_section,
    deletes_section,
    kept_section,
    plan_section,
)
from tasks.run.context import RunContext


def read_titles(index_path: Path, update_ids: Iterable[str]) -> dict[str, str]:
    """Titles of updates as the package has them; foreign text."""
    with PackageIndex(index_path) as index:
        found = ((each, index.latest(each)) for each in sorted(set(update_ids)))
        return {each: record.title for each, record in found if record is not None}


def describe_bundle(run: RunContext, draft: Draft) -> None:
    """Note counts, and the approved updates of which the bundle carries files."""
    manifest = draft.folder / MANIFEST
    holdings = run.holdings(read_entries(manifest))
    files, size_bytes = holdings.carried()
    run.report.note(files=files, bytes=size_bytes)
    wanted = approved_revisions(read_decisions_file(draft.folder / APPROVALS).approvals)
    everything = ContentChoice(languages=None, express=True)
    with PackageIndex(draft.folder / INDEX) as index:
        brought = describe_brought(
            index,
            wanted,
            everything,
            lambda digest: holdings.carried_bytes(digest) is not None,
        )
        run.report.sections.append(brought_section(brought))


def describe_plan(run: RunContext, plan: ImportPlan) -> None:
    """Show a plan before anybody is asked to confirm it."""
    named = (*plan.approvals.actions, *plan.approvals.kept)
    titles = read_titles(plan.sources.index, (each.update_id for each in named))
    asked = plan.digest if plan.reasons else None
    run.report.sections.append(plan_section(plan.approvals, titles, digest=asked))
    if plan.approvals.kept:
        run.report.sections.append(kept_section(plan.approvals.kept, titles))
    if plan.deletes.files or plan.deletes.kept:
        run.report.sections.append(deletes_section(plan.deletes))
