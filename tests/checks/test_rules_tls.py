"""Rules on TLS: present, absent, unknown."""

from __future__ import annotations

import re

import pytest

from tasks.checks.rules import tls
from tasks.names import Side
from tests.checks.facts import facts, ids, is_unknown, the_finding, without
from tests.checks.quoted_lines import in_log

START = "EventId=501,Type=Information,Category=Service,Message=Update Services Service Started"
GOOD = (
    "SCHANNEL Protocol 'TLS 1.0' disabled",
    "SCHANNEL Protocol 'TLS 1.1' disabled",
    "SCHANNEL Protocols subkey for 'TLS 1.2' not found. Protocol is enabled",
)
R2 = {"windows_version": "6.3.9600"}
OLD_SUITES = "TLS_RSA_WITH_3DES_EDE_CBC_SHA, TLS_RSA_WITH_RC4_128_SHA"


def test_lines_that_are_absent_mean_a_missing_update_on_server_2012_and_2012_r2() -> None:
    for version, update in (("6.2.9200", "KB4022721"), ("6.3.9600", "KB4022720")):
        old = facts(log=in_log(START), machine={"windows_version": version})
        finding = the_finding(old, tls.protocols)
        assert (finding.id, finding.severity) == ("tls-protocols", "failure")
        assert update in finding.next_step
        assert "Security-Only" in finding.next_step
    assert ids(facts(log=in_log(START, *GOOD), machine=R2), tls.protocols) == []


def test_lines_of_an_earlier_start_do_not_count() -> None:
    assert ids(facts(log=in_log(START, *GOOD, START), machine=R2), tls.protocols) == [
        "tls-protocols"
    ]


def test_the_order_in_the_log_tells_two_starts_of_one_millisecond_apart() -> None:
    log = re.sub(r"03:50:\d\d", "03:50:00", in_log(START, *GOOD, START))
    assert ids(facts(log=log, machine=R2), tls.protocols) == ["tls-protocols"]


def test_on_a_newer_windows_absent_lines_mean_nothing() -> None:
    assert ids(facts(log=in_log(START)), tls.protocols) == []
    assert ids(facts(Side.DISCONNECTED, log=in_log(START), machine=R2), tls.protocols) == []


def test_tls_1_2_that_is_switched_off_is_found_on_every_windows() -> None:
    off = facts(log=in_log(START, "SCHANNEL Protocol 'TLS 1.2' disabled"))
    assert "switched off" in the_finding(off, tls.protocols).next_step


def test_without_log_version_or_start_nothing_is_said_of_the_protocols() -> None:
    assert is_unknown(without(facts(), "log"), tls.protocols)
    assert is_unknown(without(facts(log=in_log(START)), "machine.windows_version"), tls.protocols)
    assert is_unknown(facts(log=in_log("nothing"), machine=R2), tls.protocols)


@pytest.mark.parametrize(
    "policy",
    ["not set", "", "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384_P256"],
)
def test_a_policy_with_modern_suites_is_in_order(policy: str) -> None:
    assert ids(facts(tls={"cipher_suite_policy": policy}), tls.cipher_policy) == []


def test_a_policy_without_modern_suites_is_the_cause_of_no_common_algorithm() -> None:
    log = in_log("Win32Exception: they do not possess a common algorithm")
    old = facts(tls={"cipher_suite_policy": OLD_SUITES}, log=log)
    finding = the_finding(old, tls.cipher_policy)
    assert "3DES" in finding.evidence
    assert "no-common-algorithm" in tls.cipher_policy.explains


def test_any_policy_is_in_doubt_while_the_log_knows_no_common_algorithm() -> None:
    modern = {"cipher_suite_policy": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"}
    log = in_log("Win32Exception: they do not possess a common algorithm")
    assert ids(facts(tls=modern, log=log), tls.cipher_policy) == ["cipher-policy"]


@pytest.mark.parametrize(
    ("strong", "default", "version", "is_found"),
    [
        (1, "not set", "6.3.9600", False),
        ("not set", 1, "6.3.9600", False),
        ("not set", "not set", "6.3.9600", True),
        ("not set", "not set", "10.0.14393", False),
        (0, "not set", "10.0.14393", True),
    ],
)
def test_strong_cryptography_of_the_framework(
    strong: object, default: object, version: str, is_found: bool
) -> None:
    values = {"strong_crypto": strong, "system_default_tls_versions": default}
    server = facts(tls=values, machine={"windows_version": version})
    assert ids(server, tls.strong_cryptography) == (["strong-cryptography"] if is_found else [])


def test_without_the_registry_nothing_is_said() -> None:
    nothing = without(facts(), "tls")
    assert is_unknown(nothing, tls.cipher_policy)
    assert is_unknown(nothing, tls.strong_cryptography)
    assert is_unknown(without(facts(), "tls.strong_crypto"), tls.strong_cryptography)
