"""Rules on the endpoint of Microsoft Update: present, absent, unknown."""

from __future__ import annotations

import pytest

from tasks.checks.rules import endpoint
from tasks.names import Side
from tests.checks.facts import FAILED, LINES, facts, ids, is_unknown, judged, the_finding, without
from tests.checks.quoted_lines import in_log

FE2 = "https://fe2.update.microsoft.com/v6"
FAULT = in_log(
    "SoapException: Fault occurred",
    "USS ThrowException: Actor = https://fe2.update.microsoft.com/v6/ServerSyncWebService/"
    "ServerSyncWebService.asmx, ErrorCode=InternalServerError",
)


@pytest.mark.parametrize(
    ("url", "finding", "severity"),
    [
        (FE2, "endpoint-decommissioned", "failure"),
        ("HTTPS://SWS1.update.microsoft.com", "endpoint-old", "warning"),
    ],
)
def test_an_old_endpoint_in_the_configuration_is_named(
    url: str, finding: str, severity: str
) -> None:
    old = the_finding(facts(configuration={"mu_url": url}), endpoint.endpoint)
    assert (old.id, old.severity) == (finding, severity)
    assert url in old.evidence
    assert "4002" in old.next_step


def test_a_failed_synchronisation_stands_under_the_endpoint() -> None:
    failure = {**FAILED, "error": "UssCommunicationError", "error_text": "SoapException"}
    failed = {"runs": [failure, *LINES["synchronisation"]["runs"]]}
    first, *others = judged(facts(log=FAULT, synchronisation=failed)).findings
    assert first.id == "endpoint-decommissioned"
    assert others
    assert all(finding.consequence_of for finding in others)


def test_the_stack_trace_names_it_whatever_the_configuration_says() -> None:
    old = the_finding(facts(log=FAULT), endpoint.endpoint)
    assert old.id == "endpoint-decommissioned"
    assert "fe2.update.microsoft.com" in old.evidence


def test_a_downstream_server_does_not_use_its_endpoint() -> None:
    downstream = {"sync_from_microsoft_update": False, "mu_url": FE2}
    assert ids(facts(configuration=downstream), endpoint.endpoint) == []
    assert ids(facts(Side.DISCONNECTED, configuration={"mu_url": FE2}), endpoint.endpoint) == []


def test_without_the_configuration_nothing_is_said() -> None:
    assert is_unknown(without(facts(), "configuration"), endpoint.endpoint)
    assert ids(without(facts(), "log"), endpoint.endpoint) == []
