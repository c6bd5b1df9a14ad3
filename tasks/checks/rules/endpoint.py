"""Rules on the endpoint of Microsoft Update that the server synchronises with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import NotKnownError, known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.rules.log import signs_since_success
from tasks.checks.rules.rule import CONNECTION, STAGING, SYNCHRONISATION, Rule, rule

ENDPOINT = "https://sws.update.microsoft.com"
REDIRECTOR_CHANGE_NUMBER = 4002
"""Both are those that Microsoft documents for Windows Server 2012 and later."""

_ENTRIES = {
    "fe2.update.microsoft.com": "endpoint-decommissioned",
    "sws1.update.microsoft.com": "endpoint-old",
}


# Microsoft Learn, WSUS synchronization fails with SoapException: resets, time-outs and names that
# are not resolved follow from an endpoint that is gone.
@rule(
    "Endpoint of Microsoft Update: current",
    sides=STAGING,
    explains=(*SYNCHRONISATION, *CONNECTION),
)
def endpoint(facts: Facts) -> Iterable[Finding]:
    """An old endpoint in MUUrl, or in the stack trace of the log whatever MUUrl says."""
    configuration = known(facts.configuration, "the configuration of WSUS")
    findings: dict[str, Finding] = {}
    if configuration.sync_from_microsoft_update and configuration.mu_url:
        host = (urlsplit(configuration.mu_url).hostname or "").casefold()
        if host in _ENTRIES:
            entry = _ENTRIES[host]
            findings[entry] = finding_of(entry, evidence=f"MUUrl = {configuration.mu_url}")
    for entry, evidence in _in_log(facts):
        findings.setdefault(entry, finding_of(entry, evidence=evidence))
    return tuple(findings.values())


def _in_log(facts: Facts) -> Iterator[tuple[str, str]]:
    try:
        signs = tuple(signs_since_success(facts))
    except NotKnownError:
        return  # MUUrl is known, and other rules say that the log is not
    for sign in signs:
        if sign.endpoint in _ENTRIES:
            yield _ENTRIES[sign.endpoint], sign.evidence


RULES: tuple[Rule, ...] = (endpoint,)
