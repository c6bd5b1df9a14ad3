"""Rules on SoftwareDistribution.log and the event log: causes and symptoms that they show.

A log is history. An entry counts only as long as nothing after it shows that the trouble is over: a
synchronisation that succeeded, a service that started, downloads of which none is failed any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.synchronisation import Synchronisation
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of, is_at_least
from tasks.checks.log_signs import LogSign
from tasks.checks.rules.rule import BOTH, DISCONNECTED, STAGING, SYNCHRONISATION, Rule, rule

# Entries about files of updates; the catalogue's synchronisation says nothing about them.
CONTENT = frozenset(
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
# Entries about the server itself, whatever it is connected with.
_OF_THE_SERVER = frozenset(
    {
        *("service-failed", "database-connection", "web-service-down", "self-update"),
        *("server-certificate", "content-permissions", "content-disk-room"),
    }
)
# WSUS looks at its own health several times a day, and repeats what is still wrong.
_REPEATED = timedelta(days=2)
# A start of the service shows that these are over.
_OVER_WITH_A_START = frozenset({"service-failed", "database-connection", "web-service-down"})
# Other rules judge these from facts that are surer than the log.
_JUDGED_ELSEWHERE = frozenset({"tls-protocols", "service-start", "synchronisation-stale"})


@rule("SoftwareDistribution.log since the last success", sides=STAGING, explains=SYNCHRONISATION)
def log_signs(facts: Facts) -> Iterable[Finding]:
    """Entries of the log that name a cause or a symptom, since the last synchronisation worked."""
    log = known(facts.log, "SoftwareDistribution.log")
    return _findings(log.signs, _history(facts), log.service_start)


@rule("Application event log since the last success", sides=STAGING, explains=SYNCHRONISATION)
def event_signs(facts: Facts) -> Iterable[Finding]:
    """The same of the event log, which numbers its messages."""
    events = known(facts.events, "the Application event log")
    start = facts.log.service_start if facts.log else None
    return _findings(events.signs, _history(facts), start)


@rule("Application event log: the server's own health", sides=DISCONNECTED)
def server_events(facts: Facts) -> Iterable[Finding]:
    """Database, service, IIS and folders behind the gap; synchronisation is noise there."""
    events = known(facts.events, "the Application event log")
    start = facts.log.service_start if facts.log else None
    newest = {
        sign.kind: sign
        for sign in events.signs
        if sign.kind in _OF_THE_SERVER
        and _is_after(sign, facts.now - _REPEATED)
        and not _is_over(sign, start)
    }
    return tuple(
        finding_of(entry_id, evidence=sign.evidence, severity="warning")
        for entry_id, sign in newest.items()
    )


@rule("Reasons of failed downloads", sides=BOTH, explains=("content-download", "downloads-failed"))
def content_signs(facts: Facts) -> Iterable[Finding]:
    """Entries about content, as long as the server counts downloads that failed."""
    if not known(facts.server, "the API of WSUS").failed_downloads:
        return ()
    log = known(facts.log, "SoftwareDistribution.log")
    newest = {sign.kind: sign for sign in log.signs if sign.kind in CONTENT}
    return tuple(
        finding_of(entry_id, evidence=sign.evidence, severity="warning")
        for entry_id, sign in newest.items()
    )


def signs_since_success(facts: Facts) -> tuple[LogSign, ...]:
    """Return the signs of the log since the last success, for rules that ask why.

    Raises:
        NotKnownError: The log, or the history, is not known.
    """
    return since_last_success(known(facts.log, "SoftwareDistribution.log").signs, _history(facts))


def since_last_success(signs: Iterable[LogSign], history: Synchronisation) -> tuple[LogSign, ...]:
    """Return the signs since the newest synchronisation that succeeded, all if there is none.

    Signs whose time was cut off stand at the beginning of what was read, so they are left out if
    there was a success.
    """
    success = history.newest_success
    since = success.ended if success else None
    return tuple(sign for sign in signs if since is None or _is_after(sign, since))


def _is_after(sign: LogSign, moment: datetime) -> bool:
    return sign.time is not None and sign.time > moment


def _findings(
    signs: Iterable[LogSign], history: Synchronisation, newest_start: datetime | None
) -> Iterator[Finding]:
    """One finding for each kind of sign, with its newest evidence.

    As long as the newest synchronisation has not failed, nothing in a log is graver than a warning.
    """
    newest: dict[str, LogSign] = {}
    for sign in since_last_success(signs, history):
        if sign.kind not in _JUDGED_ELSEWHERE | CONTENT and not _is_over(sign, newest_start):
            newest[sign.kind] = sign
    has_failed = history.newest is not None and history.newest.result == "Failed"
    for entry_id, sign in newest.items():
        finding = finding_of(entry_id, evidence=sign.evidence)
        if finding.severity != "note":
            is_too_grave = not has_failed and is_at_least(finding.severity, "failure")
            yield finding.model_copy(update={"severity": "warning"}) if is_too_grave else finding


def _is_over(sign: LogSign, newest_start: datetime | None) -> bool:
    is_of_service = sign.kind in _OVER_WITH_A_START
    return is_of_service and newest_start is not None and not _is_after(sign, newest_start)


def _history(facts: Facts) -> Synchronisation:
    return known(facts.synchronisation, "the history of synchronisations")


RULES: tuple[Rule, ...] = (log_signs, event_signs, server_events, content_signs)
