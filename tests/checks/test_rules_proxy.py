"""Rules on the proxy: present, absent, unknown."""

from __future__ import annotations

from tasks.checks.rules import proxy
from tests.checks.facts import facts, ids, is_unknown, judged, the_finding, without
from tests.checks.quoted_lines import in_log

PROXY = {"use_proxy": True, "proxy_name": "proxy.example"}
SEPARATE = {**PROXY, "use_separate_proxy_for_ssl": True, "ssl_proxy_name": "tls-proxy.example"}
NOT_RESOLVED = in_log(
    "WebException: The remote name could not be resolved: 'tls-proxy.example'", level="Error"
)


def test_a_proxy_without_a_name_is_incomplete() -> None:
    assert ids(facts(configuration={"use_proxy": True}), proxy.incomplete) == ["proxy-settings"]
    assert ids(facts(configuration=PROXY)) == []


def test_a_separate_proxy_for_https_that_the_log_blames_is_the_cause() -> None:
    first, *others = judged(facts(configuration=SEPARATE, log=NOT_RESOLVED)).findings
    assert first.id == "proxy-separate"
    assert "ConfigureSSLproxy" in first.next_step
    assert [finding.consequence_of for finding in others] == [("proxy-separate",)] * len(others)


def test_a_separate_proxy_that_works_is_in_order() -> None:
    assert ids(facts(configuration=SEPARATE)) == []
    without_name = {**SEPARATE, "ssl_proxy_name": ""}
    assert ids(facts(configuration=without_name), proxy.separate) == ["proxy-separate"]


def test_a_password_in_clear_text_is_a_note() -> None:
    clear = {**PROXY, "allow_proxy_credentials_over_non_ssl": True}
    assert the_finding(facts(configuration=clear)).severity == "note"
    assert ids(facts(configuration={"allow_proxy_credentials_over_non_ssl": True})) == []


def test_the_proxy_of_winhttp_is_never_evidence() -> None:
    other = facts(configuration=PROXY, winhttp={"text": "Proxy Server(s) : other.example:80"})
    assert ids(other) == []


def test_without_the_configuration_nothing_is_said() -> None:
    for rule in proxy.RULES:
        assert is_unknown(without(facts(), "configuration"), rule)
