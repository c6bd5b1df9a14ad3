"""Rules on certificates and time: present, absent, unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.checks.facts.gathered import Facts
from tasks.checks.rules import certificates
from tasks.names import Side
from tests.checks.facts import (
    FAILED,
    LINES,
    NOW,
    certificate,
    facts,
    ids,
    is_unknown,
    judged,
    the_finding,
    without,
)

NAME = "wsus-up.example"
HTTPS = {
    "sync_from_microsoft_update": False,
    "upstream_wsus_server_name": NAME,
    "upstream_wsus_server_port_number": 8531,
    "upstream_wsus_server_use_ssl": True,
}
STORED = LINES["certificates"]["stored"]
RIGHT = certificate("My", f"CN={NAME}", "CN=Issuing")
OWN = {"uses_ssl": True, "configured_name": "wsus01.example", "bound": "CN=wsus01.example"}


def below(shown: dict[str, Any], **topics: Any) -> Facts:
    upstream = {"opens": True, "service": "200", "self_update": "200", "certificate": shown}
    return facts(configuration=HTTPS, upstream=upstream, **topics)


FAULTS: dict[str, dict[str, Any]] = {
    "upstream-certificate-expired": {"not_after": NOW - timedelta(days=1)},
    "upstream-certificate-name": {"names": ["wsus-up.other.example"]},
    "upstream-certificate-chain": {"issuer": "CN=Nobody"},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_upstream_certificate_is_the_cause_of_a_refusal(name: str) -> None:
    trust = "The underlying connection was closed: Could not establish trust relationship"
    failed = {**FAILED, "error": "UssCommunicationError", "error_text": trust}
    shown = {**RIGHT, **FAULTS[name]}
    judgement = judged(below(shown, synchronisation={"runs": [failed]}))
    first, *others = judgement.findings
    assert first.id == name
    assert {"synchronisation-failed", "certificate-trust"} <= {other.id for other in others}
    assert all(name in other.consequence_of for other in others)


def test_a_wrong_clock_comes_before_a_certificate_that_looks_expired() -> None:
    shown = {**RIGHT, "not_after": NOW - timedelta(days=1)}
    late = below(shown, machine={"clock": NOW + timedelta(days=10)})
    first, second = judged(late).findings
    assert (first.id, second.consequence_of) == ("clock-differs", ("clock-differs",))


def test_a_good_certificate_a_wildcard_and_a_self_signed_root_are_in_order() -> None:
    for shown in (RIGHT, {**RIGHT, "names": ["*.example"]}, {**RIGHT, "issuer": "CN=Root"}):
        assert ids(below(shown)) == []
    assert ids(below({**RIGHT, "names": ["*.wsus-up.example"]})) == ["upstream-certificate-name"]


def test_without_the_certificate_or_the_stores_nothing_is_said_of_them() -> None:
    assert is_unknown(below(RIGHT | {}), certificates.upstream_certificate) is False
    rule = certificates.upstream_certificate
    assert is_unknown(without(below(RIGHT), "upstream.certificate"), rule)
    assert is_unknown(without(facts(), "certificates"), certificates.own_certificate)
    assert is_unknown(without(facts(), "certificates"), certificates.intermediates)
    assert is_unknown(without(facts(), "machine.time_source"), certificates.time_source)


OWN_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no binding": ({"bound": "none"}, "no binding"),
    "another store": ({"bound": "ff"}, "Personal store"),
    "no key": ({"stored": [{**STORED[0], "has_private_key": False}, *STORED[1:]]}, "private key"),
    "too old": (
        {"stored": [{**STORED[0], "not_after": NOW - timedelta(days=1)}, *STORED[1:]]},
        "valid until",
    ),
    "too young": (
        {"stored": [{**STORED[0], "not_before": NOW + timedelta(days=1)}, *STORED[1:]]},
        "valid from",
    ),
    "another name": ({"configured_name": "wsus02"}, "configured for wsus02"),
    "no chain": ({"stored": STORED[:1]}, "CN=Issuing"),
}


@pytest.mark.parametrize("name", OWN_FAULTS)
def test_what_is_wrong_with_the_own_certificate_is_said(name: str) -> None:
    change, word = OWN_FAULTS[name]
    wrong = facts(certificates={**OWN, **change})
    finding = the_finding(wrong, certificates.own_certificate)
    assert (finding.id, finding.severity) == ("server-certificate", "warning")
    assert word in finding.evidence
    assert ids(facts(certificates=OWN), certificates.own_certificate) == []
    assert ids(facts(certificates={**OWN, **change, "uses_ssl": False})) == []


def test_an_intermediate_among_the_roots_is_named_and_is_never_repaired() -> None:
    wrong = facts(certificates={"stored": [*STORED, certificate("Root", "CN=A", "CN=Root")]})
    finding = the_finding(wrong, certificates.intermediates)
    assert "CN=A" in finding.evidence
    assert "Intermediate Certification Authorities" in finding.next_step


def test_roots_of_microsoft_are_looked_for_behind_the_gap_only() -> None:
    change = {"stored": STORED[:3]}
    finding = the_finding(
        facts(Side.DISCONNECTED, certificates=change), certificates.microsoft_roots
    )
    assert "2010" in finding.evidence
    assert "2011" in finding.evidence
    assert ids(facts(certificates=change)) == []
    assert ids(facts(Side.DISCONNECTED)) == []


def test_a_machine_whose_clock_nothing_sets_is_a_note() -> None:
    assert the_finding(facts(machine={"time_source": "NoSync"})).severity == "note"
