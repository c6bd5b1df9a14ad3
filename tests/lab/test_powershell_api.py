"""The typed API under the engine: scripts as administrators write them, and WSUS's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy import lab
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server
from tests.lab.scripts import run_admin_script
from tests.support import needs

pytestmark = needs.pwsh

DATA = Path(__file__).parent.parent / "data"
MEMBERS: dict[str, Any] = json.loads((DATA / "updateservices-members.json").read_text())["types"]
KNOWN: dict[str, Any] = json.loads((DATA / "updateservices-concrete.json").read_text())
_ANYBODY_HAS = {"Equals", "GetHashCode", "ToString", "GetType"}


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    lab.create(folder, updates=60, content_bytes=400_000)
    return folder


def staging(pair: Path) -> Server:
    return open_server(pair / "staging")


def test_no_type_has_a_member_that_wsus_lacks(pair: Path) -> None:
    lines = run_admin_script(pair, "list-members")
    assert len(lines) > 70
    for line in lines:
        full_name, above, members = line.split("|")
        _check_type(full_name, above.split(","), set(filter(None, members.split(","))))


def _check_type(full_name: str, above: list[str], members: set[str]) -> None:
    namespace, _, name = full_name.rpartition(".")
    if namespace == "Microsoft.UpdateServices.Internal.BaseApi":
        interfaces = [interface for interface in above if interface in MEMBERS]
        assert interfaces, name
        documented = set(KNOWN["concrete_classes"].get(name, ()))
        for interface in interfaces:
            documented |= set(MEMBERS[interface])
    elif name in KNOWN["enumeration_values"]:
        values = KNOWN["enumeration_values"][name]
        documented = {f"{member}={value}" for member, value in values.items()}
    else:
        assert namespace == "Microsoft.UpdateServices.Administration"
        # Of some collections hardly more than the name is known; all others are alike.
        is_bare = name.endswith("Collection") and len(MEMBERS[name]) == 1
        listed = MEMBERS["UpdateCollection" if is_bare else name]
        documented = {member.replace("[]", "Item") for member in listed}
    assert members <= documented | _ANYBODY_HAS, (name, members - documented)


def test_everything_declared_by_an_interface_can_be_read(pair: Path) -> None:
    assert run_admin_script(pair, "read-everything") == [
        "read",
        "Microsoft.UpdateServices.Administration",
    ]


def test_collections_enumerate_count_and_index_with_many_one_and_none(pair: Path) -> None:
    expected = ["1", "0", "one", "Install", "1", "60", "True", "True", "False"]
    assert run_admin_script(pair, "use-collections") == expected


def test_an_approval_with_a_deadline_comes_back_to_the_second(pair: Path) -> None:
    expected = ["2044-02-29T23:59:58", "True", "True", "True", "True", "True", "False", "NotNeeded"]
    assert run_admin_script(pair, "approve-with-deadline") == expected


def test_the_content_agent_alone_makes_an_approved_update_ready(pair: Path) -> None:
    with_agent = staging(pair)
    with_agent.set_setting("agent_seconds", 1.5)
    with_agent.close()
    assert run_admin_script(pair, "wait-until-ready") == [
        "Pending",
        "NotReady",
        "Ready",
        "Active",
        "0",
    ]


def test_what_wsus_does_not_allow_is_refused_with_its_own_type_of_error(pair: Path) -> None:
    assert run_admin_script(pair, "try-what-is-refused") == [
        "InvalidOperationException",
        "allowed",
        "InvalidOperationException",
        "InvalidOperationException",
        "ArgumentOutOfRangeException",
        "ArgumentNullException",
        "WsusObjectNotFoundException",
        "ArgumentException",
        "ArgumentOutOfRangeException",
        "ArgumentOutOfRangeException",
        "WsusObjectAlreadyExistsException",
        "InvalidOperationException",
        "ArgumentNullException",
        "WsusInvalidServerException",
        "caught by type",
    ]


def test_licence_terms_come_first_and_need_their_file(pair: Path) -> None:
    assert run_admin_script(pair, "accept-license") == [
        "InvalidOperationException",
        "WsusObjectNotFoundException",
        "WsusObjectNotFoundException",
        "False",
        "False",
        "True",
        "InvalidOperationException",
        "allowed",
        "InvalidOperationException",
        "WsusObjectNotFoundException",
    ]


def test_revisions_do_not_meet_in_a_group_and_refreshing_moves_them(pair: Path) -> None:
    assert run_admin_script(pair, "approve-two-revisions") == [
        "False True",
        "InvalidOperationException",
        "InvalidOperationException",
        "allowed",
        "allowed",
        "True False 2",
        "DescriptiveProperties None",
        "True",
        "True",
        "IOException",
    ]


def test_declining_takes_approvals_and_children_and_an_approval_brings_it_back(pair: Path) -> None:
    assert run_admin_script(pair, "decline-bundle") == [
        "True True 0 NotNeeded",
        "False False False",
        "True",
        "InvalidOperationException",
    ]


def test_a_replica_decides_nothing_itself(pair: Path) -> None:
    server = staging(pair)
    server.set_setting("IsReplicaServer", value=True)
    server.close()
    invalid = "InvalidOperationException"
    assert run_admin_script(pair, "act-on-replica") == [
        "True",
        invalid,
        invalid,
        "allowed",
        invalid,
    ]


def test_only_updates_are_found_and_children_by_their_id(pair: Path) -> None:
    server = staging(pair)
    visible = (
        "SELECT count(*) FROM revision"
        " WHERE kind IN ('software', 'driver') AND is_latest AND NOT hidden"
    )
    (visible_count,) = server.connection.execute(visible).fetchone()
    child = server.connection.execute("SELECT update_id FROM revision WHERE hidden").fetchone()[0]
    category = "SELECT update_id FROM revision WHERE kind = 'product'"
    product = server.connection.execute(category).fetchone()[0]
    server.close()
    number = str(visible_count)
    expected = [number, number, number, "0", child, "WsusObjectNotFoundException", "Product"]
    assert run_admin_script(pair, "find-hidden", "-Child", child, "-Product", product) == expected


def test_scopes_select_as_their_fields_say(pair: Path) -> None:
    assert run_admin_script(pair, "search-scopes") == [
        *["True"] * 14,
        *("0", "0", "True", "0", "True", "0", "0", "0"),
    ]


def test_declining_superseded_updates_as_the_well_known_script_does(pair: Path) -> None:
    assert run_admin_script(pair, "decline-superseded") == ["True 0 True"]


def test_approving_per_group_with_a_deadline_as_poshwsus_does(pair: Path) -> None:
    assert run_admin_script(pair, "approve-for-group") == ["True True"]


def test_a_bundle_answers_with_the_files_of_its_children(pair: Path) -> None:
    expected = ["True False", "20 32 True", "True download.windowsupdate.com", "True", "all all"]
    assert run_admin_script(pair, "list-files") == expected


def test_what_reports_ask_for_is_there_and_nobody_reports(pair: Path) -> None:
    assert run_admin_script(pair, "report") == [
        "True",
        "True",
        "0 0",
        "0 True",
        "0 0",
        "WsusObjectNotFoundException",
        "0",
        "8 SynchronizationCompletion SynchronizationCompletedSuccess SynchronizationManualStart",
        "A manual synchronization was started.",
        "True True",
        "ArgumentException",
        "NullReferenceException",
        "0",
        "0",
    ]


def test_settings_are_changed_by_saving_alone(pair: Path) -> None:
    assert run_admin_script(pair, "change-settings") == [
        "False",
        "True en Client Ready",
        "True svc True StatusOnly 3.00:00:00",
        "True",
        "4",
        "10 Drivers 15",
        "1 Succeeded True NotProcessing",
        "25 False 0 True True",
        "False",
        "mail.example wsus@example.com admins@example.com Weekly 07:00:00 True",
    ]


def test_the_settings_of_synchronisation_and_proxy_can_be_read_and_saved(pair: Path) -> None:
    before = (
        "True|False|https://sws.update.microsoft.com|4002||8530|False|False||80|True|False|False"
        "||443|False|False|False"
    )
    after = (
        "False|True|https://fe2.update.microsoft.com|4000|wsus0|8531|True|True|proxy|3128|False"
        "|True|True|proxy-ssl|8443|True|True|True"
    )
    assert run_admin_script(pair, "change-network-settings") == [
        before,
        before,
        after,
        "https://sws.update.microsoft.com 4002 Int64",
    ]


def test_approval_rules_are_made_saved_applied_and_deleted(pair: Path) -> None:
    assert run_admin_script(pair, "use-rules") == [
        "False Critical Updates, Security Updates All Computers",
        "Definitions True Definition Updates True",
        "True 0 0",
        "1",
    ]


def test_built_in_groups_speak_german_on_a_german_server(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    lab.create(folder, updates=12, content_bytes=100_000, language="de")
    assert run_admin_script(folder, "use-groups") == [
        "Alle Computer",
        "Nicht zugewiesene Computer",
        "Büro 本社 🎉",
        "Büro 本社 🎉",
        "Alle Computer",
        "1",
        "WsusObjectNotFoundException",
    ]


def test_times_carry_no_kind_and_are_utc_in_any_zone(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    server = staging(pair)
    row = server.connection.execute(
        "SELECT deadline FROM approval WHERE deadline IS NOT NULL ORDER BY created, update_id"
    ).fetchone()
    server.close()
    assert run_admin_script(pair, "read-deadline") == [f"{row['deadline']} Unspecified"]


def facts(pair: Path) -> dict[str, Any]:
    return lab.state(pair, "staging")


def test_what_a_script_approves_is_what_the_lab_says_it_holds(pair: Path) -> None:
    before = facts(pair)["approvals"]
    (update_id,) = run_admin_script(pair, "approve-for-all")
    added = [approval for approval in facts(pair)["approvals"] if approval not in before]
    assert [(a["update_id"], a["group"], a["action"]) for a in added] == [
        (update_id, ["All Computers"], "Install")
    ]
