"""Engine and stand-in answer the product's scripts alike: same input, equal lines, same server."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy import lab
from deploy.lab import pair, stored_faults
from deploy.lab.generate.launchers import write_launchers
from deploy.lab.knobs import KNOBS
from deploy.lab.powershell import launcher, stand_in
from deploy.lab.rules import refused_object
from deploy.lab.rules.opened_server import open_server
from tasks.checks.facts.gathered import STAGING_TOPICS
from tests.lab.scripts import answer, powershell
from tests.support import needs

pytestmark = needs.pwsh

SCRIPTS = Path(launcher.__file__).parents[3] / "tasks" / "scripts"
# What differs from one moment to the next. Whether a program runs is among it: on Linux .NET
# works out a start time anew in each process, a little different each time.
_PASSING = {"clock", "free_bytes", "cpu_seconds", "running", "process_id", "since"}
Lines = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Twins:
    """Two copies of one lab, the first asked through the engine, the second by the stand-in."""

    first: Path
    second: Path

    def both(
        self, script: str, lines: Sequence[Mapping[str, Any]], side: str = "staging"
    ) -> tuple[Lines, Lines]:
        """The answers of both, without times, and with the same name for both folders."""
        path = SCRIPTS / f"{script}.ps1"
        answers = []
        for folder, is_stand_in in ((self.first, False), (self.second, True)):
            own = [_with(line, "LAB", str(folder)) for line in lines]
            told = answer(folder, path, own, side=side, stand_in=is_stand_in)
            answers.append([_settled(_with(line, str(folder), "LAB")) for line in told])
        return answers[0], answers[1]

    def agree(
        self, script: str, lines: Sequence[Mapping[str, Any]], side: str = "staging"
    ) -> Lines:
        """Check that both give the same answer and leave equal servers; gives the answer."""
        first, second = self.both(script, lines, side)
        assert second == first
        for name in pair.SIDES:
            assert lab.state(self.second, name) == lab.state(self.first, name)
        return first


def _with(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        return {name: _with(item, old, new) for name, item in value.items()}
    if isinstance(value, list):
        return [_with(item, old, new) for item in value]
    return value


def _settled(line: Any) -> Any:
    if isinstance(line, list):
        return [_settled(item) for item in line]
    if not isinstance(line, dict):
        return line
    return {name: _settled(item) for name, item in line.items() if name not in _PASSING}


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    first, second = tmp_path / "first", tmp_path / "second"
    lab.create(first, updates=60, content_bytes=400_000)
    shutil.copytree(first, second)
    for side in pair.SIDES:
        write_launchers(second / side)
        # Far away, so that no run of the agent falls between two questions.
        for folder in (first, second):
            _set(folder, side, "agent_seconds", 3600.0)
    return Twins(first, second)


def _set(folder: Path, side: str, name: str, value: Any) -> None:
    server = open_server(folder / side)
    server.set_setting(name, value)
    server.close()


def test_every_script_of_the_product_is_known() -> None:
    assert {path.name for path in SCRIPTS.glob("*.ps1")} == set(stand_in.SCRIPTS)


def test_a_server_reads_the_same(twins: Twins) -> None:
    for side in pair.SIDES:
        for since in (None, "2024-01-01T00:00:00Z", "2023-09-01T12:00:00.5Z"):
            asked: dict[str, Any] = {
                "kind": "settings",
                "since": since,
                "topics": [],
                "content_work_dir": None,
            }
            first, end = twins.agree("read-server", [asked], side)
            assert first["kind"] == "server"
            assert end == {"kind": "end"}


def test_every_topic_of_a_check_reads_the_same_whatever_is_wrong(twins: Twins) -> None:
    asked = {"kind": "settings", "since": None, "topics": list(STAGING_TOPICS)}
    asked["content_work_dir"] = "LAB/staging/server/work"
    for on in (True, False):
        for name in KNOBS:
            if name == "language-mode":
                continue  # no script runs then
            lab.set_fault(twins.first, "staging", name, on=on)
        _copy_again(twins)
        lines = twins.agree("read-server", [asked])
        kinds = [line["kind"] for line in lines]
        assert "unknown" not in kinds
        assert {"server", *STAGING_TOPICS, "end"} == set(kinds)


def test_what_an_api_that_does_not_answer_leaves_reads_the_same(twins: Twins) -> None:
    for name in stored_faults.DESCRIPTIONS:
        lab.set_fault(twins.first, "staging", name, on=True)
    _copy_again(twins)
    asked = {"kind": "settings", "since": None, "topics": list(STAGING_TOPICS)}
    answers = twins.both("read-server", [{**asked, "content_work_dir": None}])
    first, second = ([{**line, "reason": None} for line in lines] for lines in answers)
    assert second == first
    assert {"kind": "unknown", "topic": "server", "reason": None} in first
    lab.set_fault(twins.first, "staging", "api-silent", on=False)
    _copy_again(twins)
    twins.agree("read-server", [{**asked, "content_work_dir": None}])


def test_a_restricted_powershell_runs_no_script_and_tells_its_mode(twins: Twins) -> None:
    lab.set_fault(twins.first, "staging", "language-mode", on=True)
    words = ("-NoProfile", "-NonInteractive", "-Command")
    for choice in ("", launcher.PREFIX, launcher.STAND_IN):
        environment = {launcher.CHOICE: choice}
        mode = "$ExecutionContext.SessionState.LanguageMode"
        told = powershell(twins.first, *words, mode, environment=environment)
        assert told.stdout.split() == [b"ConstrainedLanguage"]
        script = ("-File", str(SCRIPTS / "read-server.ps1"), "-InputFile", "x", "-OutputFile", "y")
        assert powershell(twins.first, *script, environment=environment).returncode == 1


def test_decisions_read_the_same(twins: Twins) -> None:
    lab.advance(twins.first)
    _copy_again(twins)
    lines = twins.agree("read-approvals", [{"kind": "settings"}])
    kinds = {line["kind"] for line in lines}
    assert kinds == {"group", "approval", "update", "decline", "end"}
    assert twins.agree("read-approvals", [{"kind": "settings"}], "disconnected")[-1] == {
        "kind": "end"
    }


def test_what_the_api_does_not_tell_of_reads_the_same(twins: Twins) -> None:
    for folder in (twins.first, twins.second):
        for fault in ("group-hidden", "update-hidden"):
            lab.set_fault(folder, "staging", fault, True)
    lines = twins.agree("read-approvals", [{"kind": "settings"}])
    unresolved = {line["what"]: line for line in lines if line["kind"] == "unresolved"}
    assert set(unresolved) == {"approval", "update"}
    assert "could not be found" in unresolved["update"]["reason"]
    assert lines[-1] == {"kind": "end"}


def _copy_again(twins: Twins) -> None:
    """Make the second lab a copy of the first, with the same moments in its log and history."""
    shutil.rmtree(twins.second)
    shutil.copytree(twins.first, twins.second)
    for side in pair.SIDES:
        write_launchers(twins.second / side)


def _plan(decisions: Lines) -> Lines:
    """One of every kind of operation, in an order that lets most of them succeed."""
    approvals = [line for line in decisions if line["kind"] == "approval"]
    updates = {(u["update_id"], u["revision"]): u for u in decisions if u["kind"] == "update"}
    declines = [line for line in decisions if line["kind"] == "decline"]
    installs = [a for a in approvals if a["action"] == "Install" and not a["optional"]]
    new = ["All Computers", "Neu 本社", "Unten"]
    first, two, three = installs[0], installs[1], installs[2]
    bad, taken = ["All Computers", "a/b"], [*new, first["group"][-1].upper()]
    key = {name: first[name] for name in ("update_id", "revision")}
    asked = {**key, "action": "Install", "deadline": None, "optional": False}
    operations: Lines = [{"op": "group", "path": new}, {"op": "group", "path": new[:2]}]
    for refused in (bad, [*bad, "Below"], taken, [*new[:2], ""], [*new[:2], "n" * 300]):
        operations.append({"op": "group", "path": refused})
        operations.append({"op": "approve", **asked, "group": refused})
    for approval in (first, two):
        key = {name: approval[name] for name in ("update_id", "revision")}
        same = {name: approval[name] for name in ("group", "action", "deadline", "optional")}
        moved = {"group": new, "action": "Install", "deadline": "2044-02-29T23:59:58Z"}
        operations += [
            {"op": "approve", **key, **same},
            {"op": "approve", **key, **moved, "optional": False},
            {"op": "approve", **key, **moved, "group": new[:2], "optional": True},
            {"op": "approve", **key, **same, "revision": 1},
            {"op": "approve", **key, **same, "group": ["All Computers", "none"]},
            {"op": "remove", **key, "group": approval["group"], "action": "Uninstall"},
            {"op": "remove", **key, "group": approval["group"], "action": "Install"},
            {"op": "remove", **key, "group": ["All Computers"], "action": "Install"},
            {"op": "resume", **key},
        ]
    gone = {name: three[name] for name in ("update_id", "revision")}
    back = {name: declines[0][name] for name in ("update_id", "revision")}
    licensed = next(key for key, update in updates.items() if update["license_required"])
    terms = dict(zip(("update_id", "revision"), licensed, strict=True))
    operations += [
        {"op": "decline", **gone},
        {"op": "decline", **gone},
        {"op": "undecline", **back},
        {"op": "undecline", **gone},
        {"op": "undecline", **gone},
        {"op": "accept-license", **terms},
        {"op": "accept-license", **gone},
        {"op": "no-such-thing", **gone},
    ]
    return [{"n": n, **operation} for n, operation in enumerate(operations, 1)]


def test_plans_are_applied_the_same_and_again_the_same(twins: Twins) -> None:
    decisions, _ = twins.both("read-approvals", [{"kind": "settings"}])
    plan = [{"kind": "settings"}, *_plan(decisions)]
    outcomes = twins.agree("apply-approvals", plan)
    results = [line["result"] for line in outcomes if line["kind"] == "outcome"]
    assert len(results) == len(plan) - 1
    assert {"done", "already", "failed"} == set(results)
    types = {line["error_type"] for line in outcomes if line["kind"] == "outcome"}
    assert types == {
        *(None, "RuntimeException", "ArgumentException", "ArgumentOutOfRangeException"),
        *("WsusObjectAlreadyExistsException", "WsusObjectNotFoundException"),
    }
    # The output of the first run is still there, cut off in the middle of a line.
    for folder in (twins.first, twins.second):
        told = folder / "told.jsonl"
        told.write_bytes(told.read_bytes()[:-40])
    again = twins.agree("apply-approvals", plan)
    assert again[-1] == {"kind": "end"}


def test_what_the_server_refuses_reads_the_same(twins: Twins) -> None:
    for folder in (twins.first, twins.second):
        _set(folder, "staging", "IsReplicaServer", True)
    decisions, _ = twins.both("read-approvals", [{"kind": "settings"}])
    outcomes = twins.agree("apply-approvals", [{"kind": "settings"}, *_plan(decisions)])
    types = {line.get("error_type") for line in outcomes}
    assert "InvalidOperationException" in types


def test_one_object_that_the_server_refuses_is_the_same_and_stays_so(twins: Twins) -> None:
    for folder in (twins.first, twins.second):
        for fault in refused_object.DESCRIPTIONS:
            lab.set_fault(folder, "staging", fault, on=True)
    decisions, _ = twins.both("read-approvals", [{"kind": "settings"}])
    plan = [{"kind": "settings"}, *_plan(decisions)]
    outcomes = twins.agree("apply-approvals", plan)
    refused = [line["n"] for line in outcomes if refused_object.REASON in (line.get("error") or "")]
    asked = {line["n"]: line["op"] for line in plan[1:]}
    assert {asked[n] for n in refused} >= {"group", "approve", "decline"}
    again = twins.agree("apply-approvals", plan)
    assert {line["n"] for line in again[:-1] if line["result"] == "failed"} >= set(refused)


def test_single_updates_read_the_same(twins: Twins) -> None:
    decisions, _ = twins.both("read-approvals", [{"kind": "settings"}])
    listed = [line for line in decisions if line["kind"] in {"update", "decline"}]
    asked = [{"update_id": u["update_id"], "revision": u["revision"]} for u in listed]
    asked += [{**asked[0], "revision": 7}, {"update_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
                                          "revision": 1}]  # fmt: skip
    lines = twins.agree("read-updates", [{"kind": "settings"}, *asked])
    assert [line["found"] for line in lines[:-1]] == [True] * len(listed) + [False, False]


def test_files_of_updates_read_the_same(twins: Twins) -> None:
    decisions, _ = twins.both("read-approvals", [{"kind": "settings"}])
    listed = [line for line in decisions if line["kind"] == "update"]
    asked = [{"update_id": u["update_id"], "revision": u["revision"]} for u in listed]
    asked += [{**asked[0], "revision": 7}]
    lines = twins.agree("read-license-files", [{"kind": "settings"}, *asked])
    assert {line["is_license"] for line in lines[:-1]} == {True, False}


def test_a_probe_sees_the_same(twins: Twins) -> None:
    parts = ["members", "content", "log", "updates"]
    asked = [
        {"kind": "settings", "parts": parts},
        {"type": "IUpdate", "members": ["Approve", "FlyAway"]},
    ]
    first, second = twins.both("probe-server", asked)
    assert second[1:] == first[1:]  # the first line names the engine
    assert first[1]["missing"] == ["FlyAway"]
    assert {line["kind"] for line in first[2:]} == {"content", "log", "update", "end"}
    fewer, _ = twins.both("probe-server", [{"kind": "settings", "parts": ["log"]}])
    assert [line["kind"] for line in fewer] == ["engine", "log", "end"]


def test_the_service_answers_the_same_up_and_down(twins: Twins) -> None:
    status = {"kind": "settings", "action": "status", "wait_seconds": 1}
    start = {**status, "action": "start"}
    assert twins.agree("control-service", [status])[0]["status"] == "Running"
    for folder in (twins.first, twins.second):
        lab.set_fault(folder, "staging", "service-down", on=True)
    down = twins.agree("control-service", [start])[0]
    assert down["status"] == "Stopped"
    assert down["error"]
    for folder in (twins.first, twins.second):
        lab.set_fault(folder, "staging", "service-down", on=False)
    assert twins.agree("control-service", [start])[0]["status"] == "Running"


def test_a_service_that_wsusutil_has_stopped_is_left_alone_by_both(twins: Twins) -> None:
    """An import by hand hangs; both name it in the same words, and start nothing beside it."""
    programs = []
    for folder in (twins.first, twins.second):
        lab.set_fault(folder, "staging", "wsusutil-hang", on=True)
        (folder / "a package.xml.gz").write_bytes(b"none")
        words = [str(folder / name) for name in ("staging/wsusutil", "a package.xml.gz")]
        words.insert(1, "import")
        programs.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
    asked = {"kind": "settings", "wait_seconds": 1}
    try:
        limit = time.monotonic() + 30
        while {_service(folder) for folder in (twins.first, twins.second)} != {"Stopped"}:
            assert time.monotonic() < limit
            time.sleep(0.05)
        before = datetime.now(UTC)
        for action, problem in (("status", None), ("start", "wsusutil is at work")):
            (told, _) = twins.agree("control-service", [{**asked, "action": action}])
            assert (told["status"], told["error"]) == ("Stopped", problem)
            (row,) = told["wsusutil"]
            assert row["command_line"].endswith('/wsusutil import "LAB/a package.xml.gz"')
        for folder, program, stand_in in zip(
            (twins.first, twins.second), programs, (False, True), strict=True
        ):
            script = SCRIPTS / "control-service.ps1"
            lines = answer(folder, script, [{**asked, "action": "status"}], stand_in=stand_in)
            assert lines[0]["wsusutil"][0]["process_id"] == program.pid
            since = datetime.fromisoformat(lines[0]["wsusutil"][0]["since"])
            assert timedelta(0) <= before - since < timedelta(minutes=2)
        assert _service(twins.first) == _service(twins.second) == "Stopped"
    finally:
        for folder in (twins.first, twins.second):
            lab.set_fault(folder, "staging", "wsusutil-hang", on=False)
        for program in programs:
            program.wait(60)
    ended = twins.agree("control-service", [{**asked, "action": "status"}])[0]
    assert (ended["status"], ended["wsusutil"]) == ("Running", [])


def _service(folder: Path) -> str:
    with closing(open_server(folder / "staging")) as server:
        return str(server.setting("service_status"))


def test_files_are_hashed_and_placed_the_same(twins: Twins) -> None:
    for folder in (twins.first, twins.second):
        (folder / "a ü.bin").write_bytes(b"a" * 70_000)
        (folder / "b.bin").write_bytes(b"b")
        (folder / "link").symlink_to("b.bin")
    names = ("a ü.bin", "b.bin", "link", "none")
    hashed = twins.agree(
        "hash-files", [{"kind": "settings"}, *({"path": f"LAB/{name}"} for name in names)]
    )
    assert hashed[0]["sha1"] == hashlib.sha1(b"a" * 70_000).hexdigest().upper()
    assert [("error" in line) for line in hashed] == [False, False, True, True, False]
    moves = (("a ü.bin", "new.bin"), ("b.bin", "new.bin"), ("none", "x.bin"))
    placed = twins.agree(
        "place-files",
        [
            {"kind": "settings", "inherit": True},
            *({"from": f"LAB/{old}", "to": f"LAB/{new}"} for old, new in moves),
        ],
    )
    assert [("error" in line) for line in placed] == [False, False, True, False]
    for folder in (twins.first, twins.second):
        assert (folder / "new.bin").read_bytes() == b"b"


def test_volumes_and_downloads_answer_the_same(twins: Twins) -> None:
    volume = twins.agree("read-volume", [{"kind": "settings", "path": "LAB/staging"}])
    assert (volume[0]["kind"], volume[0]["file_system"]) == ("volume", "NTFS")
    assert volume[0]["real_path"] == "LAB/staging"
    for action, changed in (("pause", False), ("resume", True)):
        assert twins.agree("control-downloads", [{"kind": "settings", "action": action}]) == [
            {"kind": "downloads", "waiting_bytes": 0, "changed": changed},
            {"kind": "end"},
        ]


def test_repairs_set_the_same_and_start_the_same(twins: Twins) -> None:
    key = r"SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
    endpoint = {"where": "configuration", "key": None, "name": "MUUrl"}
    strong = {"where": "registry", "key": key, "name": "SchUseStrongCrypto"}
    old, new = "https://sws.update.microsoft.com", "https://fe2.update.microsoft.com"
    asked = {"kind": "settings", "restarts": ["iis", "WsusService", "W3SVC"]}
    for pairs in (((old, new), (1, "not set")), ((new, old), ("not set", 1))):
        lines: Lines = [
            asked,
            {**endpoint, "from": pairs[0][0], "to": pairs[0][1]},
            {**strong, "from": pairs[1][0], "to": pairs[1][1]},
        ]
        for result in ("done", "already"):
            answer_lines = twins.agree("apply-repair", lines)
            results = [line["result"] for line in answer_lines if line["kind"] == "setting"]
            assert results == [result, result]
            assert [line.get("problem", "") for line in answer_lines[2:-1]] == [None] * 3
    differing = twins.agree("apply-repair", [asked, {**endpoint, "from": "a", "to": "b"}])
    assert [line.get("value") for line in differing] == [old, None]
    started = twins.agree("start-synchronisation", [{"kind": "settings"}])
    assert started == [{"kind": "synchronisation", "started": True}, {"kind": "end"}]


def test_updates_of_the_catalog_are_imported_the_same(twins: Twins) -> None:
    (first, _), (second, _), *_ = lab.catalog(twins.first)
    unknown = "01234567-89ab-4cde-8f01-23456789abcd"
    asked = [{"kind": "settings"}, *({"update_id": key} for key in (first, unknown, second))]
    for results in (["imported", "failed", "imported"], ["already", "failed", "already"]):
        lines = twins.agree("catalog-import", asked)
        assert [line["result"] for line in lines[:-1]] == results
        assert lines[1]["error_type"] == "WsusObjectNotFoundException"
    for folder in (twins.first, twins.second):
        lab.set_fault(folder, "staging", "strong-cryptography-off", True)
    weak = twins.agree("catalog-import", [*asked[:1], {"update_id": unknown}])
    assert weak[0]["error_type"] == "InvalidOperationException"


def test_what_needs_windows_fails_on_both(twins: Twins) -> None:
    asked = twins.first / "asked.jsonl"
    asked.write_text('{"kind":"settings","path":"C:\\\\x"}\n')
    for environment in ({}, {launcher.CHOICE: launcher.STAND_IN}):
        outcome = powershell(
            twins.first,
            *("-NoProfile", "-File", str(SCRIPTS / "prepare-folder.ps1")),
            *("-InputFile", str(asked), "-OutputFile", str(twins.first / "out")),
            environment=environment,
        )
        assert outcome.returncode == 1
        assert outcome.stderr


def test_detached_programs_are_started_once_and_found_again(twins: Twins) -> None:
    # The program ends when it is told to: a slow machine takes any time for the questions.
    program = (
        'echo "$1"; echo oh >&2; n=0;'
        ' while [ ! -e "$2" ] && [ $n -lt 1200 ]; do sleep 0.1; n=$((n+1)); done; exit 5'
    )
    command = ["/bin/sh", "-c", program, "sh", 'two "words"', "LAB/release"]
    settings = {"kind": "settings", "job": "LAB/job"}
    absent = twins.agree("start-detached", [{**settings, "command": None}])[0]
    assert absent["state"] == "absent"
    started = twins.agree("start-detached", [{**settings, "command": command}])[0]
    assert started["state"] == "started"
    outcome = twins.agree("start-detached", [{**settings, "command": command}])[0]
    assert outcome["state"] == "found"
    limit = time.monotonic() + 60
    for folder in (twins.first, twins.second):
        (folder / "release").touch()
        while not (folder / "job" / "exit-code").exists():
            assert time.monotonic() < limit
            time.sleep(0.05)
        assert (folder / "job" / "stdout").read_text() == 'two "words"\n'
        assert (folder / "job" / "stderr").read_text() == "oh\n"
    ended = twins.agree("start-detached", [{**settings, "command": None}])[0]
    assert (ended["state"], ended["exit_code"]) == ("found", 5)
