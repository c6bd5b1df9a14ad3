"""Updates of the Microsoft Update Catalog, imported into the staging server by their ids."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.checks.finding import Finding
from tasks.checks.judgement import judge
from tasks.checks.rules.tls import strong_cryptography
from tasks.errors import BatchFailedError, UsageError
from tasks.reports.check_sections import findings_section
from tasks.reports.model import Cell, Column, Section
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.server import queries
from tasks.server.examination import gather

_TOPICS = ("machine", "tls")


class ImportedUpdate(BaseModel):
    """One line of the script's answer.

    Attributes:
        result: ``already``: the server had it before, and nothing was asked of the Catalog.
        error: Foreign text, in the server's language; None unless it failed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    update_id: str
    result: Literal["imported", "already", "failed"]
    revision: int | None
    title: str | None
    error_type: str | None
    error: str | None


def read_ids(words: Iterable[str]) -> tuple[str, ...]:
    """Read update ids as a person copies them from the Catalog; one named twice counts once.

    Raises:
        UsageError: One is no GUID, or there is none.
    """
    ids: dict[str, None] = {}
    for word in words:
        try:
            ids[str(uuid.UUID(word.strip()))] = None
        except ValueError:
            raise UsageError(
                reason=f"{word} is no update id, which looks like "
                "0a1b2c3d-1234-5678-9abc-def012345678",
                remedy="Copy the UpdateID from the update's details in the Microsoft Update "
                "Catalog; KB numbers name several updates.",
            ) from None
    if not ids:
        raise UsageError(
            reason="no update id was named",
            remedy="Name one or more UpdateIDs of the Microsoft Update Catalog.",
        )
    return tuple(ids)


def check_catalog_path(run: RunContext) -> Finding | None:
    """Look at the TLS of the .NET Framework, which the import uses, before anything is tried.

    Raises:
        ServiceDownError, WsusutilRunningError: As ``queries.read_running_topics``.
    """
    facts = gather(run, queries.read_running_topics(run, topics=_TOPICS))
    finding = judge(facts, [strong_cryptography]).finding("strong-cryptography")
    if finding is not None:
        run.report.note(findings=(finding,))
        run.report.sections.append(findings_section([finding]))
        run.report.flagged_findings = (finding,)
    return finding


def import_updates(
    run: RunContext, ids: Sequence[str], *, weakness: Finding | None
) -> tuple[ImportedUpdate, ...]:
    """Import updates one after the other; one that fails is named, and the others are imported.

    Args:
        run: The run.
        ids: Update ids.
        weakness: What the look at TLS found.

    Raises:
        BatchFailedError: Nothing was imported, and nothing had been before.
    """
    items = ({"update_id": update_id} for update_id in ids)
    with queries.answer_errors("catalog-import"):
        updates = tuple(
            ImportedUpdate.model_validate(line)
            for line in queries.run_query(
                run, "catalog-import", items=items, timeout_seconds=queries.BATCH_SECONDS
            )
        )
    _report(run.report, updates)
    failed = [update for update in updates if update.result == "failed"]
    if failed and len(failed) == len(updates):
        remedy = (
            "See that the ids are those of the Catalog's details, and that the server reaches it."
        )
        if weakness is not None:
            remedy = f"{weakness.meaning} {weakness.next_step}"
        raise BatchFailedError(
            what="import from the Microsoft Update Catalog",
            failed=len(failed),
            total=len(updates),
            first=f"{failed[0].update_id} ({failed[0].error})",
            remedy=remedy,
        )
    for update in failed:
        run.report.notice(f"{update.update_id} was not imported: {update.error}")
    return updates


def _report(report: ReportDraft, updates: Sequence[ImportedUpdate]) -> None:
    """Put every id with its result into the report."""
    for result in ("imported", "already", "failed"):
        ids = [update.update_id for update in updates if update.result == result]
        report.details[result] = [*ids]
    report.changes["updates imported"] += len([u for u in updates if u.result == "imported"])
    rows: list[tuple[Cell, ...]] = [
        (update.update_id, update.title or "", update.result, update.error or "")
        for update in updates
    ]
    columns = ("Update", "Title", "Result", "Reason")
    report.sections.append(
        Section(
            key="catalog-import",
            title="From the Microsoft Update Catalog",
            note="The next export carries what was imported, with its content once it is approved "
            "and downloaded.",
            columns=tuple(Column(label=label) for label in columns),
            rows=tuple(rows),
        )
    )
    report.lines += [
        f"{update.result}: {update.update_id} {update.title or update.error or ''}".rstrip()
        for update in updates
    ]
