"""States of approved updates by WSUS's own account, beside the result of an audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tasks.approvals.capture import ServerDecisions
from tasks.metadata.audit import MissingFile
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.reports.model import Column, Fact, Section
from tasks.reports.sections import MOST_ROWS
from tasks.revision import RevisionId

# MS-WSUSAR 2.2.5.11: every file of an update in this state, and of what it bundles, is there.
_READY = "Ready"


def states_section(
    index: PackageIndex,
    facts: ServerFacts,
    decisions: ServerDecisions,
    missing: Iterable[MissingFile],
) -> Section | None:
    """Make the report's section on the states of WSUS; None if nothing is missing or disagrees.

    An update disagrees if WSUS calls it ready and a file of it is missing, or if WSUS calls it
    anything else and all of its files are in place. WSUS looks at content only when its agent runs,
    so that the second kind may pass by itself.
    """
    incomplete = {RevisionId(file.update_id, file.revision) for file in missing}
    states = Counter(update.state for update in decisions.updates.values())
    differing = sorted(
        key
        for key, update in decisions.updates.items()
        if (key in incomplete) == (update.state == _READY)
    )
    if not incomplete and not differing:
        return None
    shown = differing[:MOST_ROWS]
    records = {key: index.latest(key.update_id) for key in shown}
    titles = {key: record.title for key, record in records.items() if record is not None}
    results = {True: "files are missing", False: "all files are in place"}
    return Section(
        key="wsus-states",
        title="What WSUS says of the content",
        note="The updates of which WSUS says something else than the files in WsusContent show.",
        facts=(
            *(
                Fact(label=f"updates that WSUS calls {state}", value=count, kind="count")
                for state, count in sorted(states.items())
            ),
            Fact(
                label="updates that WSUS failed to download",
                value=facts.failed_downloads,
                kind="count",
            ),
            Fact(label="updates that disagree", value=len(differing), kind="count"),
        ),
        columns=(Column(label="Update"), Column(label="WSUS says"), Column(label="found")),
        rows=tuple(
            (
                titles.get(key) or key.update_id,
                decisions.updates[key].state,
                results[key in incomplete],
            )
            for key in shown
        ),
    )
