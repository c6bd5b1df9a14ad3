"""Rules on SoftwareDistribution.log and the event log: what they show since the last success."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from tasks.checks.error_reference import entry_of
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.log_signs import LogSign
from tasks.checks.rules.rule import STAGING, SYNCHRONISATION, Rule, rule

# Entries about content, which a success of the catalogue's synchronisation does not end.
_CONTENT = frozenset(
    {
        "content-refused",
        "licence-terms-missing",
        "bits-range",
        "access-denied",
        "disk-full",
        "content-not-found",
        "content-download",
    }
)
# What these entries say is judged by other rules, or is no fault of a synchronisation.
_JUDGED_ELSEWHERE = frozenset({"tls-protocols", "service-start", "synchronisation-stale"})


@rule("SoftwareDistribution.log since the last success", sides=STAGING, explains=SYNCHRONISATION)
def log_signs(facts: Facts) -> Iterable[Finding]:
    """Entries of the log that name a cause or a symptom, since the last synchronisation worked."""
    log = known(facts.log, "SoftwareDistribution.log")
    return _findings(log.signs, since=last_success(facts))


@rule("Application event log since the last success", sides=STAGING, explains=SYNCHRONISATION)
def event_signs(facts: Facts) -> Iterable[Finding]:
    """The same of the event log, which numbers its messages."""
    events = known(facts.events, "the Application event log")
    return _findings(events.signs, since=last_success(facts))


def last_success(facts: Facts) -> datetime | None:
    """Time at which the newest synchronisation of the history that succeeded ended.

    Raises:
        NotKnownError: The history is not known.
    """
    history = known(facts.synchronisation, "the history of synchronisations")
    success = history.newest_success
    return success.ended if success else None


def _findings(signs: Iterable[LogSign], *, since: datetime | None) -> Iterator[Finding]:
    """One finding for each kind of sign, with its newest evidence, in the reference's order."""
    newest: dict[str, LogSign] = {}
    for sign in signs:
        if sign.kind in _JUDGED_ELSEWHERE | _CONTENT or _is_quiet(sign):
            continue
        if since is None or sign.time is None or sign.time > since:
            newest[sign.kind] = sign
    for entry_id, sign in newest.items():
        yield finding_of(entry_id, evidence=sign.evidence)


def _is_quiet(sign: LogSign) -> bool:
    return entry_of(sign.kind).severity.name == "NOTE"


RULES: tuple[Rule, ...] = (log_signs, event_signs)
