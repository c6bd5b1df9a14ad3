"""Rules on IIS and on permissions of WsusContent: present, absent, unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.checks.rules import serving
from tasks.checks.rules.rule import Rule
from tasks.names import Side
from tests.checks.facts import NOW, facts, ids, is_unknown, the_finding, without

FAULTS: dict[str, tuple[Rule, dict[str, Any], str]] = {
    "pool-stopped": (serving.pool, {"pool_state": "Stopped"}, "pool_state"),
    "pool-memory": (
        serving.pool_memory,
        {"pool_private_memory_kb": 1_000_000},
        "pool_private_memory_kb",
    ),
    "ssl-required-wrongly": (serving.never_ssl, {"ssl_flags": {"SelfUpdate": "Ssl,Ssl128"}}, ""),
    "content-virtual-path": (serving.content_path, {"content_path": "D:\\Old"}, "content_path"),
    "content-anonymous": (serving.anonymous, {"anonymous": False}, "anonymous"),
    "mime-types": (serving.mime_types, {"mime_types": [".cab", ".exe"]}, "mime_types"),
    "content-permissions": (serving.permissions, {"content_rights": []}, "content_rights"),
}


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_found_alone_on_either_side(name: str, side: Side) -> None:
    _, change, _ = FAULTS[name]
    assert the_finding(facts(side, iis=change)).id == name


@pytest.mark.parametrize("name", FAULTS)
def test_what_iis_does_not_tell_is_not_known(name: str) -> None:
    rule, _, field = FAULTS[name]
    assert is_unknown(without(facts(), "iis"), rule)
    if field:
        assert is_unknown(without(facts(), f"iis.{field}"), rule)
    else:
        assert is_unknown(facts(iis={"ssl_flags": {}}), rule)


def test_ssl_is_required_of_the_web_services_only_once_it_is_on() -> None:
    on = {"uses_ssl": True, "bound": "CN=wsus01.example", "configured_name": "wsus01.example"}
    flags = {"ssl_flags": {"ClientWebService": "", "ServerSyncWebService": "Ssl"}}
    finding = the_finding(facts(iis=flags, certificates=on))
    assert finding.id == "ssl-not-required"
    assert finding.evidence.endswith("ClientWebService")
    assert ids(facts(iis=flags)) == []
    numbers = {"ssl_flags": {"ClientWebService": "8"}}
    assert ids(facts(iis=numbers, certificates=on)) == []


def test_the_pool_is_short_of_memory_by_its_limit_or_when_it_was_recycled_for_it() -> None:
    assert "921,600 KB" in the_finding(facts(iis={"pool_private_memory_kb": 921_600})).evidence
    for limit_kb in (0, 1_843_200, 4_000_000):
        assert ids(facts(iis={"pool_private_memory_kb": limit_kb})) == []
    recyclings = [{"event_id": 5117, "time": NOW - timedelta(days=days)} for days in (1, 2, 30)]
    finding = the_finding(facts(iis={"pool_recyclings": recyclings}))
    assert (finding.id, finding.severity) == ("pool-memory", "warning")
    assert "2 times" in finding.evidence
    assert ids(facts(iis={"pool_recyclings": recyclings[2:]})) == []
    assert is_unknown(without(facts(), "iis.pool_recyclings"), serving.pool_memory)


def test_a_right_of_users_is_enough_and_a_denial_counts() -> None:
    users = {"sid": "S-1-5-32-545", "rights": 131241, "is_allowed": True}
    denied = {"sid": "S-1-1-0", "rights": 1, "is_allowed": False}
    assert ids(facts(iis={"content_rights": [users]})) == []
    assert the_finding(facts(iis={"content_rights": [users, denied]})).id == "content-permissions"


def test_a_path_is_the_same_with_another_case_or_slash_and_a_wildcard_is_every_type() -> None:
    same = {"content_path": "d:/wsus/WSUSCONTENT/", "mime_types": [".*"]}
    assert ids(facts(iis=same)) == []
