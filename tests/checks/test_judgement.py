"""Every rule is asked, causes stand before what follows from them, and one table stops commands."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.checks.facts.gathered import TOPICS, Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, FindingSeverity
from tasks.checks.judgement import Judgement, judge
from tasks.checks.rules import ALL
from tasks.checks.rules.rule import DISCONNECTED, Rule, rule
from tasks.checks.stopping import CURED, REQUIRED, refuse_findings, require, stopping
from tasks.names import Side
from tasks.refusals import (
    RoomError,
    SafetyError,
    ServerChangedError,
    ServerUnfitError,
    SettingsDifferError,
)
from tests.checks.facts import LINES, facts, ids, judged, without


def _finding(name: str, severity: FindingSeverity = "failure") -> Finding:
    return Finding(id=name, severity=severity, evidence="seen", meaning="It is.", next_step="Do.")


def _rule(name: str, severity: FindingSeverity = "failure", explains: tuple[str, ...] = ()) -> Rule:
    return rule(name, explains=explains)(lambda _: _finding(name, severity))


@pytest.mark.parametrize("side", list(Side))
def test_a_healthy_server_has_no_findings(side: Side) -> None:
    judgement = judged(facts(side))
    assert judgement.findings == ()
    assert {line.result for line in judgement.examined} <= {"in order", "unknown"}


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_every_fact_of_a_model_is_one_of_the_lab_too(topic: str) -> None:
    assert TOPICS[topic].model_fields.keys() == LINES[topic].keys()


@pytest.mark.parametrize("side", list(Side))
def test_a_server_of_which_nothing_is_known_has_no_findings_either(side: Side) -> None:
    nothing = without(facts(side), "server", "configuration", "synchronisation", "machine", "log",
                      "events", "own.content_folder", "own.medium")  # fmt: skip
    judgement = judged(nothing)
    assert judgement.findings == ()
    assert "unknown" in {line.result for line in judgement.examined}


def test_a_consequence_names_its_cause_and_stands_below_it() -> None:
    rules = [_rule("result"), _rule("cause", explains=("result", "absent"))]
    first, second = judge(facts(), rules).findings
    assert (first.id, first.consequence_of) == ("cause", ())
    assert (second.id, second.consequence_of) == ("result", ("cause",))


def test_what_is_less_grave_explains_nothing_graver() -> None:
    rules = [_rule("hint", "warning", explains=("result",)), _rule("result")]
    findings = judge(facts(), rules).findings
    assert [(finding.id, finding.consequence_of) for finding in findings] == [
        ("result", ()),
        ("hint", ()),
    ]


def test_two_symptoms_do_not_explain_each_other() -> None:
    both = ("one", "two")
    findings = judge(facts(), [_rule("one", explains=both), _rule("two", explains=both)]).findings
    assert [finding.consequence_of for finding in findings] == [(), ()]


def test_the_first_of_two_findings_of_one_id_counts() -> None:
    (finding,) = judge(facts(), [_rule("same", "warning"), _rule("same", "failure")]).findings
    assert finding.severity == "warning"


def test_a_rule_is_asked_on_its_sides_only() -> None:
    other = rule("there", sides=DISCONNECTED)(lambda _: _finding("there"))
    assert judge(facts(Side.STAGING), [other]) == Judgement((), ())
    assert ids(facts(Side.DISCONNECTED), other) == ["there"]


def test_a_fact_that_is_not_known_is_named_and_no_finding() -> None:
    def ask(some: Facts) -> Finding:
        known(some.machine, "the machine")
        return _finding("never")

    (line,) = judge(without(facts(), "machine"), [rule("Machine")(ask)]).examined
    assert (line.subject, line.result, line.detail) == ("Machine", "unknown", "the machine")


def test_evidence_is_redacted_whoever_makes_the_finding() -> None:
    finding = Finding(id="x", severity="note", evidence="Password=hunter2\nnext", meaning="M.",
                      next_step="N.")  # fmt: skip
    assert "hunter2" not in finding.evidence
    assert "\n" not in finding.evidence


def test_every_subject_is_said_once() -> None:
    subjects = [each.examines for each in ALL]
    assert len(set(subjects)) == len(subjects)


# --- what stops which command -----------------------------------------------------------------

REFUSED: dict[str, tuple[Side, dict[str, Any], type[SafetyError]]] = {
    "a replica": (Side.DISCONNECTED, {"server": {"is_replica": True}}, ServerUnfitError),
    "an upstream server": (
        Side.DISCONNECTED,
        {"server": {"sync_from_microsoft_update": False, "upstream_server": "corp"}},
        ServerUnfitError,
    ),
    "a synchronisation": (
        Side.STAGING,
        {"server": {"synchronization": "Stopping"}},
        ServerUnfitError,
    ),
    "content elsewhere": (
        Side.STAGING,
        {"server": {"host_binaries_on_microsoft_update": True}},
        ServerUnfitError,
    ),
    "a share": (Side.STAGING, {"server": {"content_dir": r"\\nas\WsusContent"}}, ServerUnfitError),
    "another server": (Side.STAGING, {"own": {"known_server_id": "other"}}, ServerChangedError),
    "a full disk": (
        Side.STAGING,
        {"server": {"content_volume": {"free_bytes": 1, "file_system": "NTFS"}}},
        RoomError,
    ),
    "other settings": (
        Side.DISCONNECTED,
        {
            "server": {"languages": ["fr"]},
            "own": {
                "staging": {
                    "id": "s", "version": "10", "protocol_version": "1.20",
                    "languages": ("en",), "all_languages": False, "download_express": False,
                    "download_as_needed": True, "host_binaries_on_microsoft_update": False,
                    "update_count": 1, "approved_count": 1, "declined_count": 0,
                }
            },
        },
        SettingsDifferError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_requirement_refuses_whatever_is_set_or_accepted(name: str) -> None:
    side, changes, error = REFUSED[name]
    unfit = facts(side, **changes)
    command = "export" if side is Side.STAGING else "import"
    with pytest.raises(error) as caught:
        require(command, judged(unfit), unfit)
    assert caught.value.next_step
    require("check", judged(unfit), unfit)


def test_all_reasons_for_an_unfit_server_stand_in_one_sentence() -> None:
    unfit = facts(Side.DISCONNECTED, server={"is_replica": True, "synchronization": "Running"})
    with pytest.raises(ServerUnfitError, match=r"it is a replica, which.*; a synchronisation is"):
        require("audit", judged(unfit), unfit)


def test_a_replica_and_an_upstream_server_may_be_exported_from() -> None:
    replica = facts(server={"is_replica": True, "sync_from_microsoft_update": False,
                            "upstream_server": "corp"})  # fmt: skip
    require("export", judged(replica), replica)


def _stops(*findings: Finding, stop_at: FindingSeverity, **accepted: str) -> list[str]:
    found = Judgement(findings, ())
    return [each.id for each in stopping("export", found, stop_at=stop_at, accepted=accepted)]


def test_other_findings_stop_from_the_severity_that_the_site_sets() -> None:
    findings = (_finding("a"), _finding("b", "warning"), _finding("c", "note"))
    assert _stops(*findings, stop_at="failure") == ["a"]
    assert _stops(*findings, stop_at="warning") == ["a", "b"]
    assert _stops(*findings, stop_at="note") == ["a", "b", "c"]


def test_what_is_accepted_does_not_stop_nor_does_what_follows_from_it() -> None:
    result = _finding("result").model_copy(update={"consequence_of": ("a",)})
    assert _stops(_finding("a"), result, _finding("b"), stop_at="failure", a="known") == ["b"]


def test_what_the_command_itself_cures_never_stops_it() -> None:
    for name, commands in CURED.items():
        cured = Judgement((_finding(name),), ())
        for command in commands:
            assert stopping(command, cured, stop_at="note", accepted={}) == ()


def test_only_commands_that_check_first_are_stopped() -> None:
    found = Judgement((_finding("a"),), ())
    for command in ("audit", "check", "verify", "accept"):
        assert stopping(command, found, stop_at="note", accepted={}) == ()


def test_the_refusal_names_the_first_finding_its_evidence_and_how_to_go_on() -> None:
    error = refuse_findings([_finding("a"), _finding("b")], Side.STAGING)
    assert (error.kind, error.exit_code) == ("finding", 4)
    assert "staging server found a: it is (seen); besides: b" in error.message
    assert "--accept-finding a=REASON" in error.next_step


def test_every_id_of_the_tables_is_one_that_a_rule_finds() -> None:
    from pathlib import Path

    import tasks.checks.rules

    folder = Path(tasks.checks.rules.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert [name for name in (*REQUIRED, *CURED) if f'"{name}"' not in source] == []
