"""Approvals through the real scripts, under a PowerShell engine, on a simulated German server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import deploy.lab
from tasks.approvals.apply import ApplyOutcome, next_applied, operations, read_outcomes
from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.model import Action, Approval, ApprovalSet, GroupPath
from tasks.approvals.plan import plan_approvals
from tasks.approvals.plan_model import ApprovalPlan
from tasks.approvals.policy import ApprovalPolicy
from tests.scripts.running import FOLDER, Side, script_lines
from tests.support import needs

pytestmark = needs.pwsh

NOW = datetime(2031, 5, 1, tzinfo=UTC)
JAPANESE: GroupPath = ("All Computers", "経理部 «ß»")
RING: GroupPath = (*JAPANESE, "Größe µ")
PLAIN: GroupPath = ("All Computers", "Plain")
ACCEPT = ApprovalPolicy(licence_terms="accept")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A German lab whose disconnected server knows staging's catalogue and holds its content."""
    lab = tmp_path_factory.mktemp("engine") / "lab"
    deploy.lab.create(lab, updates=60, content_bytes=2_000_000, seed=3, language="de")
    package, log = str(lab / "media" / "p.xml.gz"), str(lab / "media" / "p.log")
    Side(lab, "staging", lab).wsusutil("export", package, log)
    Side(lab, "disconnected", lab).wsusutil("import", package, str(lab / "media" / "i.log"))
    shutil.copytree(
        lab / "staging" / "WsusContent", lab / "disconnected" / "WsusContent", dirs_exist_ok=True
    )
    return lab


@pytest.fixture
def staging(imported: Path, tmp_path: Path) -> Side:
    return Side(imported, "staging", tmp_path / "staging")


@pytest.fixture
def disconnected(imported: Path, tmp_path: Path) -> Iterator[Side]:
    """The disconnected server as it was after the import, whatever a test did to it."""
    server = imported / "disconnected" / "server"
    kept = tmp_path / "kept"
    shutil.copytree(server, kept)
    yield Side(imported, "disconnected", tmp_path / "disconnected")
    shutil.rmtree(server)
    shutil.copytree(kept, server)


def state(side: Side) -> dict[str, Any]:
    return deploy.lab.state(side.lab, side.name)


def states_of(side: Side, incoming: ApprovalSet) -> UpdateStates:
    asked = {decision.id for decision in (*incoming.approvals, *incoming.declines)}
    lines = [{"update_id": each.update_id, "revision": each.revision} for each in sorted(asked)]
    answers = side.run("read-updates", {"kind": "settings"}, *lines)
    assert [(each["update_id"], each["revision"]) for each in answers] == [
        (each.update_id, each.revision) for each in sorted(asked)
    ]
    by_id = dict(zip(sorted(asked), answers, strict=True))
    return UpdateStates(
        on_server={id_ for id_, each in by_id.items() if each["found"]},
        license_pending={
            id_
            for id_, each in by_id.items()
            if each["license_required"] and not each["license_accepted"]
        },
        expired={id_ for id_, each in by_id.items() if each["state"] == "Expired"},
    )


def plan(side: Side, incoming: ApprovalSet, last: ApprovalSet | None = None) -> ApprovalPlan:
    present = side.decisions().approval_set
    situation = Situation(last or ApprovalSet(), incoming, present, states_of(side, incoming))
    return plan_approvals(situation, ACCEPT, now=NOW)


def apply(side: Side, made: ApprovalPlan) -> ApplyOutcome:
    return read_outcomes(made, side.run("apply-approvals", *operations(made)))


def ask(side: Side, *ops: dict[str, Any]) -> list[tuple[str, str | None]]:
    numbered = [{"n": number, **op} for number, op in enumerate(ops, start=1)]
    answer = side.run("apply-approvals", {"kind": "settings"}, *numbered)
    last = {line["n"]: line for line in answer}
    return [(last[op["n"]]["result"], last[op["n"]]["error_type"]) for op in numbered]


def approvable(side: Side, count: int) -> list[tuple[str, int]]:
    """Updates that staging approves for installation and that need no terms."""
    captured = side.decisions()
    found = {
        approval.id: None
        for approval in captured.approval_set.approvals
        if approval.action is Action.INSTALL
        and captured.updates[approval.id].latest
        and not captured.updates[approval.id].license_required
        and not captured.updates[approval.id].expired
    }
    return [(each.update_id, each.revision) for each in list(found)[:count]]


def approve(update: tuple[str, int], group: GroupPath, **changes: Any) -> dict[str, Any]:
    asked = Approval.read(
        {"update_id": update[0], "revision": update[1], "group": group, "action": "Install"}
        | changes
    )
    return {"op": "approve", **asked.as_json()}


def test_what_is_read_is_what_the_server_holds(staging: Side) -> None:
    captured = staging.decisions()
    held = state(staging)
    read = [approval.as_json() for approval in captured.approval_set.approvals]
    assert sorted(read, key=json.dumps) == sorted(held["approvals"], key=json.dumps)
    assert [each.as_json() for each in captured.approval_set.declines] == held["declines"]
    assert {each.id for each in captured.approval_set.approvals} == captured.updates.keys()
    assert all(path[0] == "All Computers" for path in captured.approval_set.groups)
    assert any(path[-1] == "Unassigned Computers" for path in captured.approval_set.groups)
    assert any(not "".join(path).isascii() for path in captured.approval_set.groups)


def test_a_server_without_approvals_is_read_too(disconnected: Side) -> None:
    captured = disconnected.decisions()
    assert captured.approval_set.approvals == ()
    assert not captured.updates


def test_a_round_trip_ends_equal_and_a_second_one_changes_nothing(
    staging: Side, disconnected: Side
) -> None:
    incoming = staging.decisions().approval_set
    first = plan(disconnected, incoming)
    outcome = apply(disconnected, first)
    assert outcome.failed == ()
    assert len(outcome.applied) == len(first.actions) > 10

    waiting = [each.as_json() for each in (*first.parked, *first.held)]
    for each in waiting:
        del each["reason"]
    expected = [each for each in state(staging)["approvals"] if each not in waiting]
    assert state(disconnected)["approvals"] == expected
    assert state(disconnected)["declines"] == state(staging)["declines"]

    last = next_applied(ApprovalSet(), incoming, first, outcome)
    second = plan(disconnected, incoming, last)
    assert second.is_empty
    assert second.held == first.held
    again = apply(replace(disconnected, folder=disconnected.folder / "again"), first)
    assert again.failed == ()
    assert again.repeated == len(first.groups) + len(first.actions)


def test_each_operation_is_done_once_and_then_there_already(
    staging: Side, disconnected: Side
) -> None:
    one, two, three = approvable(staging, 3)
    ops = [
        {"op": "group", "path": list(RING)},
        {"op": "group", "path": list(PLAIN)},
        approve(one, JAPANESE, action="NotApproved"),
        approve(one, RING, deadline="2041-05-01T03:04:05Z"),
        approve(one, PLAIN, optional=True),
        approve(two, PLAIN, action="Install"),
        {"op": "resume", "update_id": two[0], "revision": two[1]},
        {"op": "decline", "update_id": three[0], "revision": three[1]},
    ]
    assert ask(disconnected, *ops) == [("done", None)] * len(ops)
    held = {tuple(each["group"]): each for each in state(disconnected)["approvals"]}
    assert held[RING]["deadline"] == "2041-05-01T03:04:05Z"
    assert held[JAPANESE]["action"] == "NotApproved"
    assert three[0] in {each["update_id"] for each in state(disconnected)["declines"]}

    elsewhere = replace(disconnected, folder=disconnected.folder / "again")
    repeated = ask(elsewhere, *[op for op in ops if op["op"] != "resume"])
    assert repeated == [("already", None)] * (len(ops) - 1)

    back = [
        approve(one, RING, deadline="2042-06-01T00:00:00Z"),
        approve(one, PLAIN),
        approve(one, JAPANESE, action="NotApproved") | {"op": "remove"},
        {"op": "undecline", "update_id": three[0], "revision": three[1]},
    ]
    other = replace(disconnected, folder=disconnected.folder / "back")
    assert ask(other, *back) == [("done", None)] * len(back)
    after = state(disconnected)
    held = {
        tuple(each["group"]): each for each in after["approvals"] if each["update_id"] == one[0]
    }
    assert held[RING]["deadline"] == "2042-06-01T00:00:00Z"
    assert held[PLAIN]["optional"] is False
    assert JAPANESE not in held
    assert three[0] not in {each["update_id"] for each in after["declines"] + after["approvals"]}
    final = replace(disconnected, folder=disconnected.folder / "final")
    assert ask(final, *back) == [("already", None)] * len(back)


def test_one_failure_never_ends_the_run(staging: Side, disconnected: Side) -> None:
    one, two = approvable(staging, 2)
    nobody = ("00000000-1111-4222-8333-444444444444", 200)
    results = ask(
        disconnected,
        approve(one, PLAIN),
        {"op": "group", "path": ["All Computers", "not/valid"]},
        {"op": "group", "path": list(PLAIN)},
        approve(nobody, PLAIN),
        {"op": "frobnicate"},
        approve(one, ("All Computers",), action="NotApproved"),
        {"op": "accept-license", "update_id": two[0], "revision": two[1]},
        approve(two, PLAIN),
        approve(two, PLAIN, action="Uninstall") | {"op": "remove"},
    )
    assert [result for result, _ in results] == [
        "failed",
        "failed",
        "done",
        "failed",
        "failed",
        "failed",
        "already",
        "done",
        "failed",
    ]
    assert results[3][1] == "WsusObjectNotFoundException"
    assert results[5][1] == "InvalidOperationException"
    messages = [line["error"] for line in disconnected.read("apply-approvals")[:-1]]
    assert all(messages[n] for n in (0, 1, 3, 4, 5, 8))
    assert "Plain" in messages[0]


def test_a_group_that_is_refused_is_told_of_all_that_need_it(
    staging: Side, disconnected: Side
) -> None:
    (one,) = approvable(staging, 1)
    bad = ("All Computers", "=1+1")
    ops = [
        {"op": "group", "path": list(bad)},
        {"op": "group", "path": [*bad, "Below"]},
        approve(one, bad),
        approve(one, (*bad, "Below")),
        {"op": "group", "path": list(PLAIN)},
        approve(one, PLAIN),
    ]
    assert [result for result, _ in ask(disconnected, *ops)] == ["failed"] * 4 + ["done"] * 2
    errors = [line["error"] for line in disconnected.read("apply-approvals")[:4]]
    assert all("is not valid" in error for error in errors)


def test_a_line_that_cannot_be_read_fails_alone(staging: Side, disconnected: Side) -> None:
    (one,) = approvable(staging, 1)
    lines = [
        *('{"n":1,"op":"group","path":[', '{"n":2}', "[]", "7", "null", "\x00"),
        '{"n":3,"op":"decline","update_id":"no id","revision":1}',
        json.dumps({"n": 4, "op": "group", "path": list(PLAIN)}),
        json.dumps({"n": 5, **approve(one, PLAIN)}),
    ]
    disconnected.ask("apply-approvals", [{"kind": "settings"}])
    with disconnected.request("apply-approvals").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    process = disconnected.start("apply-approvals")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    *outcomes, end = disconnected.read("apply-approvals")
    assert end == {"kind": "end"}
    results = {line["n"]: line["result"] for line in outcomes}
    assert results == {**dict.fromkeys(range(4), "failed"), 4: "done", 5: "done"}


def test_a_new_revision_takes_the_place_of_the_old_one(imported: Path, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    deploy.lab.create(lab, updates=40, content_bytes=1_000_000, seed=5)
    side = Side(lab, "staging", tmp_path / "work")
    script_lines(
        "$c = $s.GetConfiguration(); $c.AutoRefreshUpdateApprovals = $false; $c.Save()", side=side
    )
    deploy.lab.advance(lab)
    stale = [each for each in side.decisions().updates.values() if not each.latest]
    assert stale
    old = stale[0]
    (answer,) = side.run(
        "read-updates", {"kind": "settings"}, {"update_id": old.update_id, "revision": old.revision}
    )
    newest = answer["latest_revision"]
    assert newest > old.revision
    approval = next(a for a in side.decisions().approval_set.approvals if a.id == old.id)
    moved = replace(approval, revision=newest)
    assert ask(side, {"op": "approve", **moved.as_json()}) == [("done", None)]
    after = [a for a in side.decisions().approval_set.approvals if a.key == approval.key]
    assert after == [moved]


def test_a_run_killed_anywhere_is_finished_by_the_next_one(
    staging: Side, disconnected: Side
) -> None:
    incoming = staging.decisions().approval_set
    made = plan(disconnected, incoming)
    disconnected.ask("apply-approvals", operations(made))
    answer = disconnected.answer("apply-approvals")
    for wanted in (1, 6, 12):
        process = disconnected.start("apply-approvals")
        while process.poll() is None:
            if answer.exists() and answer.read_bytes().count(b"\n") >= wanted:
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.005)
        process.communicate(timeout=60)
    with answer.open("ab") as file:
        file.write(b'{"kind":"outcome","n":1,"res')
    outcome = apply(disconnected, made)
    assert outcome.failed == ()
    assert len(outcome.applied) == len(made.actions)
    assert plan(disconnected, incoming).is_empty
    lines = answer.read_bytes().splitlines()
    assert sum(1 for line in lines if b'"end"' in line) == 1


def test_a_finished_run_repeated_in_its_folder_says_the_same_and_mends_what_was_undone(
    staging: Side, disconnected: Side
) -> None:
    one, two = approvable(staging, 2)
    ops = [{"op": "group", "path": list(PLAIN)}, approve(one, PLAIN), approve(two, PLAIN)]
    assert ask(disconnected, *ops) == [("done", None)] * 3
    first = disconnected.answer("apply-approvals").read_bytes()
    assert ask(disconnected, *ops) == [("done", None)] * 3
    assert disconnected.answer("apply-approvals").read_bytes() == first

    script_lines(
        "$u = New-Object ($a + 'UpdateScope')\n"
        "foreach ($x in $s.GetUpdateApprovals($u)) { $x.Delete() }\n",
        side=disconnected,
    )
    assert state(disconnected)["approvals"] == []
    assert ask(disconnected, *ops) == [("done", None)] * 3
    assert len(state(disconnected)["approvals"]) == 2


def test_licence_terms_are_accepted_before_an_approval_and_hold_it_otherwise(
    staging: Side, disconnected: Side
) -> None:
    captured = staging.decisions()
    licensed = [each for each in captured.updates.values() if each.license_required]
    if not licensed:
        pytest.skip("this seed approves nothing with licence terms")
    update = (licensed[0].update_id, licensed[0].revision)
    group = {"op": "group", "path": list(PLAIN)}
    assert ask(disconnected, group, approve(update, PLAIN))[1] == (
        "failed",
        "InvalidOperationException",
    )
    accept = {"op": "accept-license", "update_id": update[0], "revision": update[1]}
    other = replace(disconnected, folder=disconnected.folder / "accepted")
    assert ask(other, accept, approve(update, PLAIN)) == [("done", None)] * 2
    (update_now,) = disconnected.decisions().updates.values()
    assert update_now.license_accepted


def test_unknown_revisions_and_updates_are_told_apart(staging: Side) -> None:
    (known,) = approvable(staging, 1)
    answers = staging.run(
        "read-updates",
        {"kind": "settings"},
        {"update_id": known[0], "revision": known[1]},
        {"update_id": known[0], "revision": 999},
        {"update_id": "00000000-1111-4222-8333-444444444444", "revision": 1},
    )
    assert [each["found"] for each in answers] == [True, False, False]
    assert [each["latest_revision"] for each in answers] == [known[1], known[1], None]
    assert answers[0]["declined"] is False
    assert answers[1]["state"] is None


def test_large_answers_are_cut_into_windows_and_nothing_is_lost_or_doubled(
    staging: Side, tmp_path: Path
) -> None:
    whole = staging.run("read-approvals")
    text = (FOLDER / "read-approvals.ps1").read_text("ascii")
    cut = tmp_path / "read-approvals.ps1"
    cut.write_text(text.replace("$LargestAnswer = 2000", "$LargestAnswer = 2"), "ascii")
    assert cut.read_text("ascii") != text
    windowed = replace(staging, scripts=tmp_path).run("read-approvals")
    assert len(windowed) == len(whole)
    assert sorted(map(json.dumps, windowed)) == sorted(map(json.dumps, whole))
