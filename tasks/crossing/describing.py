"""What a bundle brings, and what an import would change: for the report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.approvals.model import approved_revisions
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.manifest import read_entries
from tasks.crossing.deciding import read_decisions_file
from tasks.crossing.draft import Draft
from tasks.crossing.importing import ImportPlan
from tasks.crossing.workplace import Workplace
from tasks.metadata.brought import describe_brought
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice
from tasks.metadata.index import INDEX
from tasks.reports.sections import (
    MOST_ROWS,
    brought_section,
    deletes_section,
    kept_section,
    plan_section,
    shown_actions,
)


def read_titles(index_path: Path, update_ids: Iterable[str]) -> dict[str, str]:
    """Titles of updates as the package has them; foreign text."""
    with PackageIndex(index_path) as index:
        found = ((each, index.latest(each)) for each in sorted(set(update_ids)))
        return {each: record.title for each, record in found if record is not None}


def describe_bundle(place: Workplace, draft: Draft) -> None:
    """Note counts, and the approved updates of which the bundle carries files."""
    manifest = draft.folder / MANIFEST
    holdings = place.holdings(read_entries(manifest))
    files, size_bytes = holdings.carried()
    place.note(files=files, bytes=size_bytes)
    wanted = approved_revisions(read_decisions_file(draft.folder / APPROVALS))
    everything = ContentChoice(languages=None, express=True)
    with PackageIndex(draft.folder / INDEX) as index:
        brought = describe_brought(
            index,
            wanted,
            everything,
            lambda digest: holdings.carried_bytes(digest) is not None,
        )
        place.sections.append(brought_section(brought))


def describe_plan(place: Workplace, plan: ImportPlan) -> None:
    """Show a plan before anybody is asked to confirm it."""
    named = {each.update_id for each in shown_actions(plan.approvals)}
    named |= {each.update_id for each in plan.approvals.kept[:MOST_ROWS]}
    titles = read_titles(plan.sources.index, named)
    asked = plan.digest if plan.reasons else None
    place.sections.append(plan_section(plan.approvals, titles, digest=asked))
    if plan.approvals.kept:
        place.sections.append(kept_section(plan.approvals.kept, titles))
    if plan.deletes.files or plan.deletes.kept:
        place.sections.append(deletes_section(plan.deletes))
