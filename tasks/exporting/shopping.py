"""Shopping list of the disconnected side: which of its files a bundle carries, and which not."""

from __future__ import annotations

from collections.abc import Collection

from tasks.bundle.carry import read_left_out
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentName
from tasks.exporting.draft import Draft
from tasks.metadata.audit import MissingReason
from tasks.quantities import count
from tasks.reports.sections import bring_section
from tasks.run.report import ReportDraft

_CARRIED = "carried"
_NOT_HELD = "the staging server does not hold it"
_PLANNED_BEFORE = "the bundle was planned before it was asked for; export again"
_LEFT_OUT: dict[str, str] = {
    MissingReason.VANISHED: "it vanished from the staging server while the bundle was made",
    MissingReason.READ_FAILED: "it cannot be read on the staging server",
    MissingReason.WRONG_DIGEST: "the staging server holds it with other bytes",
}


def answer_list(
    report: ReportDraft,
    draft: Draft,
    manifest: ManifestLookup,
    *,
    names: Collection[ContentName],
    content: ContentListing,
) -> None:
    """Report for each file of the list that it is carried, or the reason; the latter flags the run.

    Args:
        report: The report.
        draft: The packed bundle.
        manifest: Look-up of its manifest.
        names: The files that were asked for.
        content: Listing of the staging server's WsusContent.
    """
    left_out = read_left_out(draft.folder)

    def answer(name: ContentName) -> str:
        if manifest.carried_bytes(name.digest) is not None:
            return _CARRIED
        if manifest.has(name.digest):
            return _PLANNED_BEFORE
        if content.find(name.digest) is None:
            return _NOT_HELD
        return _LEFT_OUT.get(left_out.get(name.digest, ""), _PLANNED_BEFORE)

    answers = {name.text: answer(name) for name in names}
    lacking = [text for text, sentence in answers.items() if sentence != _CARRIED]
    report.sections.append(bring_section(answers, lacking=len(lacking)))
    report.details["bring"] = {
        "listed": len(answers),
        "carried": len(answers) - len(lacking),
        "unavailable": [{"file": text, "reason": answers[text]} for text in lacking],
    }
    if lacking:
        report.notice(
            f"{count(len(lacking), 'file')} of {count(len(answers))} on the shopping list cannot "
            f"be brought, first {lacking[0]}: {answers[lacking[0]]}"
        )
    else:
        report.lines.append(f"all {count(len(answers), 'file')} of the shopping list are carried")
