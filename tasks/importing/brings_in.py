"""The list of what a bundle brings, on the side that lets it in: compared with what came."""

from __future__ import annotations

from collections.abc import Collection

from tasks.approvals.columns import revision_set
from tasks.approvals.model import approved_revisions
from tasks.bundle.brings import read_brings, read_brings_end
from tasks.bundle.layout import APPROVALS
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.inspection.brought import describe_brought, differences, first_differences
from tasks.ledger.imports import Imports
from tasks.metadata.catalogue import PackageIndex
from tasks.refusals import TrustError
from tasks.revision import RevisionId
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import matches_binding, read_decisions_file, read_header_copy


def compare_brings(imports: Imports, report: ReportDraft, bundle: TrustedBundle) -> None:
    """Compare the list with package, decisions and manifest; name the differences, which flag.

    A list that reached its limits is compared as far as it goes. A bundle of format 1 has none.

    Raises:
        TrustError: The list breaks the format although it is sealed.
    """
    if bundle.brings is None:
        report.lines.append("what it brings is not recorded in it: it is of format 1")
        return
    end = read_brings_end(bundle.brings)
    if end.updates != end.listed:
        report.notice(
            f"the list of what {bundle.header.bundle} brings names {end.listed} of {end.updates} "
            "updates; it is not compared"
        )
        return
    in_base = _approved_in_base(imports, bundle)
    knows_base = in_base is not None and end.base == _base_of(bundle)
    with PackageIndex(bundle.index) as index:
        brought = describe_brought(
            index,
            approved_revisions(read_decisions_file(bundle.approvals)),
            lambda digest: bundle.manifest_lookup.carried_bytes(digest) is not None,
            in_base=in_base if in_base is not None and end.base is not None else (),
        )
        sentences = first_differences(
            differences(read_brings(bundle.brings), brought, knows_base=knows_base)
        )
    for sentence in sentences:
        report.notice(f"the list of what {bundle.header.bundle} brings is not true: {sentence}")


def _base_of(bundle: TrustedBundle) -> int | None:
    base = bundle.header.base
    return None if base is None else base.sequence


def _approved_in_base(imports: Imports, bundle: TrustedBundle) -> Collection[RevisionId] | None:
    """Return the revisions that the base had approved; None if its decisions are not here.

    Without a base all is new, and nothing was approved in it.
    """
    base = bundle.header.base
    if base is None:
        return ()
    record = imports.by_digest(base.digest)
    header = None if record is None else read_header_copy(record.folder)
    if record is None or header is None or header.digest != base.digest:
        return None
    path = record.folder / APPROVALS
    if not matches_binding(path, header.approvals):
        return None
    try:
        return revision_set(approved_revisions(read_decisions_file(path)))
    except TrustError:
        return None
