"""Rules on the upstream server and on probes of names and ports: present, absent, unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.checks.domains import DOMAINS, not_named_in
from tasks.checks.facts.gathered import Facts
from tasks.checks.rules import network, upstream
from tasks.names import Side
from tests.checks.facts import FAILED, facts, ids, is_unknown, judged, the_finding, without

PLAIN = {
    "sync_from_microsoft_update": False,
    "upstream_wsus_server_name": "wsus-up.example",
    "upstream_wsus_server_port_number": 8530,
}
ANSWERS = {"opens": True, "service": "200", "self_update": "200"}
CLOSED = {**FAILED, "error": "UssCommunicationError", "error_text": "The underlying connection was "
          "closed: An unexpected error occurred on a receive."}  # fmt: skip


def below(*, answers: dict[str, Any] | None = None, failed: bool = False, **change: Any) -> Facts:
    return facts(
        configuration={**PLAIN, **change},
        upstream={**ANSWERS, **(answers or {})},
        synchronisation={"runs": [CLOSED]} if failed else {},
    )


@pytest.mark.parametrize(
    "change",
    [
        {"upstream_wsus_server_port_number": 8531},
        {"upstream_wsus_server_port_number": 443},
        {"upstream_wsus_server_use_ssl": True},
    ],
)
def test_port_and_ssl_that_do_not_agree_are_the_cause_only_of_a_failure(
    change: dict[str, Any],
) -> None:
    first, *others = judged(below(failed=True, **change)).findings
    assert first.id == "upstream-port"
    assert all("upstream-port" in other.consequence_of for other in others)
    assert ids(below(**change), upstream.port_and_ssl) == []
    assert (
        ids(below(failed=True, upstream_wsus_server_port_number=9000), upstream.port_and_ssl) == []
    )


def test_an_upstream_server_that_requires_ssl_is_told_by_its_answer() -> None:
    odd = below(failed=True, answers={"service": "403"}, upstream_wsus_server_port_number=9000)
    assert "403" in judged(odd, upstream.port_and_ssl).findings[0].evidence


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"opens": False}, "upstream-port-closed"),
        ({"service": "503"}, "upstream-service"),
        ({"self_update": "403"}, "upstream-self-update"),
    ],
)
def test_probes_of_the_upstream_server_are_warnings(answers: dict[str, Any], expected: str) -> None:
    finding = the_finding(below(answers=answers))
    assert (finding.id, finding.severity) == (expected, "warning")
    assert ids(facts(upstream={**ANSWERS, **answers})) == []  # it has no upstream server


def test_content_from_microsoft_is_named_only_where_its_downloads_fail() -> None:
    direct = below(get_content_from_mu=True)
    assert ids(direct) == []
    server = direct.server and direct.server.model_copy(update={"failed_downloads": 2})
    first, *others = judged(direct.model_copy(update={"server": server})).findings
    assert first.id == "content-source"
    assert all("content-source" in other.consequence_of for other in others)
    assert is_unknown(without(direct, "configuration.get_content_from_mu"), upstream.content_source)


def test_a_replica_is_a_note_that_says_what_is_not_replicated() -> None:
    finding = the_finding(below(answers={}, is_replica_server=True))
    assert (finding.id, finding.severity) == ("replica-mode", "note")
    assert "wsus-up.example" in finding.evidence
    assert "in its group" in finding.next_step
    assert ids(below()) == []
    assert is_unknown(without(facts(), "configuration"), upstream.replica_mode)


def test_a_short_name_is_named_where_its_certificate_cannot_be_read() -> None:
    short: dict[str, Any] = {
        "upstream_wsus_server_use_ssl": True,
        "upstream_wsus_server_port_number": 8531,
        "upstream_wsus_server_name": "WSUS-UP",
    }
    assert ids(below(**short)) == ["upstream-short-name"]
    assert ids(below(**{**short, "upstream_wsus_server_use_ssl": False})) == []


def test_what_the_server_does_not_tell_of_its_upstream_is_not_known() -> None:
    for rule, field in (
        (upstream.port_open, "opens"),
        (upstream.service_answers, "service"),
        (upstream.self_update, "self_update"),
    ):
        assert is_unknown(without(below(), f"upstream.{field}"), rule)
    assert is_unknown(without(below(), "synchronisation"), upstream.port_and_ssl)


def probe(**change: Any) -> dict[str, Any]:
    right = {"name": "sws.update.microsoft.com", "port": 443, "is_proxy": False}
    return {"probes": [{**right, "resolves": True, "opens": True, **change}]}


def test_a_direct_probe_is_a_warning_and_says_nothing_behind_a_proxy() -> None:
    unresolved, closed = probe(resolves=False, opens=None), probe(opens=False)
    assert the_finding(facts(network=unresolved)).id == "name-resolution"
    finding = the_finding(facts(network=closed))
    assert (finding.id, finding.severity) == ("connection-timeout", "warning")
    behind = {"use_proxy": True, "proxy_name": "proxy.example"}
    assert ids(facts(network=closed, configuration=behind)) == []
    assert ids(facts(Side.DISCONNECTED, network=closed)) == []


def test_a_proxy_that_cannot_be_reached_is_a_warning() -> None:
    behind = {"use_proxy": True, "proxy_name": "proxy.example"}
    dead = probe(name="proxy.example", port=8080, is_proxy=True, opens=False)
    assert the_finding(facts(network=dead, configuration=behind)).id == "proxy-unreachable"


def test_where_windows_has_no_such_command_nothing_is_found() -> None:
    assert ids(facts(network=probe(resolves=None, opens=None))) == []
    assert is_unknown(without(facts(), "network"), network.direct)
    assert is_unknown(without(facts(), "network"), network.proxy)


def test_a_firewall_export_is_compared_with_the_documented_domains() -> None:
    assert not_named_in("") == DOMAINS
    assert not_named_in("\n".join(DOMAINS)) == ()
    wildcards = "*.microsoft.com, *.windowsupdate.com, *.windows.com"
    assert not_named_in(wildcards) == ()
    assert "http://go.microsoft.com" in not_named_in("*.update.microsoft.com")
