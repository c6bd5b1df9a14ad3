"""Files, volumes, the service and detached programs through the real scripts."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import deploy.lab
from tasks.metadata.server import ServerFacts
from tests.scripts.running import Side, script_lines
from tests.support import needs

pytestmark = needs.pwsh
SETTINGS: dict[str, Any] = {"kind": "settings"}
NAME = "日本 «ß» 'q' $x `n & <é>.bin"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("host") / "lab"
    deploy.lab.create(folder, updates=20, content_bytes=500_000, language="de")
    return folder


@pytest.fixture
def side(lab: Path, tmp_path: Path) -> Side:
    return Side(lab, "staging", tmp_path / "run")


def settings(**values: Any) -> dict[str, Any]:
    return SETTINGS | values


def test_a_server_says_what_it_is(side: Side) -> None:
    (line,) = side.run(
        "read-server", settings(since="2000-01-01T00:00:00Z", topics=[], content_work_dir=None)
    )
    facts = ServerFacts.model_validate(line)
    assert line["kind"] == "server"
    assert facts.languages == tuple(sorted(facts.languages))
    assert facts.update_count == facts.arrived_since == 20
    assert facts.approved_count > 0
    assert facts.service_status == "Running"
    assert facts.last_sync_result == "Succeeded"
    assert facts.content_volume is not None
    assert facts.content_volume.free_bytes > 0
    assert Path(facts.content_dir) == side.lab / "staging" / "WsusContent"


def test_what_is_set_on_a_server_is_what_is_read(lab: Path, side: Side, tmp_path: Path) -> None:
    other = Side(lab, "disconnected", tmp_path / "other")
    script_lines(
        "$c = $s.GetConfiguration(); $c.IsReplicaServer = $true\n"
        "$c.SyncFromMicrosoftUpdate = $false\n"
        "$c.UpstreamWsusServerName = 'obén'; $c.DownloadExpressPackages = $true; $c.Save()\n",
        side=other,
    )
    (line,) = other.run("read-server", settings(since=None, topics=[], content_work_dir=None))
    facts = ServerFacts.model_validate(line)
    assert (facts.is_replica, facts.upstream_server, facts.download_express) == (
        True,
        "obén",
        True,
    )
    assert facts.arrived_since is None


def test_files_are_hashed_where_they_lie(side: Side, tmp_path: Path) -> None:
    plain, empty, link = tmp_path / NAME, tmp_path / "empty", tmp_path / "link"
    plain.write_bytes(b"content" * 500_000)
    empty.touch()
    link.symlink_to(plain)
    missing = tmp_path / "missing"
    paths = [str(each) for each in (plain, missing, empty, link, tmp_path)]
    answers = side.run("hash-files", SETTINGS, *[{"path": path} for path in paths])
    assert [each["path"] for each in answers] == paths
    assert answers[0]["size_bytes"] == 3_500_000
    assert answers[0]["sha1"] == hashlib.sha1(plain.read_bytes()).hexdigest().upper()
    assert answers[2]["size_bytes"] == 0
    assert answers[2]["sha1"] == hashlib.sha1(b"").hexdigest().upper()
    assert [("error" in each) for each in answers] == [False, True, False, True, True]
    assert "link" in answers[3]["error"]


def test_twenty_megabytes_of_requests_are_read_line_by_line(side: Side, tmp_path: Path) -> None:
    present = tmp_path / "present"
    present.write_bytes(b"x")
    long = str(tmp_path / ("日" * 1_300))
    requests = [{"path": long}] * 5_000 + [{"path": str(present)}]
    side.ask("hash-files", [SETTINGS, *requests])
    assert side.request("hash-files").stat().st_size > 19_000_000
    process = side.start("hash-files")
    assert process.communicate(timeout=300)
    answer = side.read("hash-files")
    assert len(answer) == 5_002
    assert answer[0]["path"] == long
    assert answer[-2]["size_bytes"] == 1


def test_files_are_moved_to_their_names_and_replace_what_is_there(
    side: Side, tmp_path: Path
) -> None:
    new, old, fresh = tmp_path / "new", tmp_path / NAME, tmp_path / "fresh"
    new.write_bytes(b"new")
    old.write_bytes(b"old")
    (tmp_path / "second").write_bytes(b"2")
    moves = [
        {"from": str(new), "to": str(old)},
        {"from": str(tmp_path / "gone"), "to": str(tmp_path / "never")},
        {"from": str(tmp_path / "second"), "to": str(fresh)},
        {"from": str(fresh), "to": str(tmp_path / "no folder" / "x")},
    ]
    answers = side.run("place-files", settings(inherit=True), *moves)
    assert [each["to"] for each in answers] == [move["to"] for move in moves]
    assert [("error" in each) for each in answers] == [False, True, False, True]
    assert old.read_bytes() == b"new"
    assert fresh.read_bytes() == b"2"
    assert not new.exists()
    assert not (tmp_path / "never").exists()


def test_the_volume_of_a_folder_is_found(side: Side, lab: Path) -> None:
    (answer,) = side.run("read-volume", settings(path=str(lab / "staging" / "WsusContent")))
    assert answer["kind"] == "volume"
    assert answer["free_bytes"] > 0
    assert answer["file_system"]
    assert answer["real_path"] == str(lab / "staging" / "WsusContent")


def test_a_link_on_the_way_to_a_folder_is_followed(side: Side, lab: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(lab / "staging")
    asked = tmp_path / "link" / "WsusContent"
    (answer,) = side.run("read-volume", settings(path=str(asked)))
    assert answer["real_path"] == str((lab / "staging" / "WsusContent").resolve())


def test_the_service_is_seen_started_and_reported_when_it_stays_down(side: Side, lab: Path) -> None:
    ask = {"action": "status", "wait_seconds": 0}
    assert side.run("control-service", settings(**ask))[0]["status"] == "Running"
    deploy.lab.set_fault(lab, "staging", "service-down", True)
    (down,) = side.run("control-service", settings(action="start", wait_seconds=1))
    assert down["service"] == "WsusService"
    assert down["status"] == "Stopped"
    assert down["error"]
    deploy.lab.set_fault(lab, "staging", "service-down", False)
    (up,) = side.run("control-service", settings(action="start", wait_seconds=30))
    assert (up["status"], up["error"]) == ("Running", None)


def test_downloads_are_resumed(side: Side) -> None:
    answer = {"kind": "downloads", "waiting_bytes": 0, "changed": True}
    assert side.run("control-downloads", settings(action="resume")) == [answer]


def test_a_script_that_cannot_do_its_work_says_why_and_ends_with_one(side: Side) -> None:
    side.ask("control-service", [settings(action="explode", wait_seconds=0)])
    process = side.start("control-service")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert b"explode" in stderr
    assert not side.answer("control-service").exists()


def wait_for(side: Side, job: dict[str, Any], *, limit_seconds: float = 60) -> dict[str, Any]:
    limit = time.monotonic() + limit_seconds
    while True:
        (answer,) = side.run("start-detached", job | {"command": None})
        if not answer["running"]:
            return answer
        assert time.monotonic() < limit


def test_a_detached_program_runs_once_and_leaves_what_it_said(side: Side, tmp_path: Path) -> None:
    folder = tmp_path / "a job" / NAME.replace("<", "").replace("&", "")
    program = ["/bin/sh", "-c", 'printf "%s|" "$@"; echo bad >&2; exit 7', "sh"]
    arguments = ["a b", 'q"uote', "back\\slash\\", "", "\\\\share\\", 'x\\"y', "日本"]
    job = settings(job=str(folder), command=[*program, *arguments])
    assert side.run("start-detached", job | {"command": None})[0]["state"] == "absent"
    assert side.run("start-detached", job)[0]["state"] == "started"
    answer = wait_for(side, job)
    assert (answer["state"], answer["exit_code"]) == ("found", 7)
    assert (folder / "stdout").read_text("utf-8") == "".join(f"{each}|" for each in arguments)
    assert (folder / "stderr").read_bytes() == b"bad\n"
    assert (folder / "exit-code").read_bytes() == b"7\n"
    assert side.run("start-detached", job)[0]["state"] == "found"
    assert not list(folder.glob("request-*"))


def test_a_program_that_is_not_there_ends_with_127(side: Side, tmp_path: Path) -> None:
    job = settings(job=str(tmp_path / "job"), command=["/no/such/program"])
    side.run("start-detached", job)
    assert wait_for(side, job)["exit_code"] == 127
    assert (tmp_path / "job" / "stderr").read_bytes()


def test_a_job_whose_program_and_supervisor_were_ended_is_lost(side: Side, tmp_path: Path) -> None:
    job = settings(job=str(tmp_path / "job"), command=["/bin/sleep", "600"])
    assert side.run("start-detached", job)[0]["running"] is True
    program = tmp_path / "job" / "program"
    while not program.exists():
        time.sleep(0.05)
    supervisor = int((tmp_path / "job" / "started").read_text("ascii").split()[0])
    os.kill(supervisor, signal.SIGKILL)
    (alone,) = side.run("start-detached", job | {"command": None})
    assert alone["running"] is True
    assert alone["cpu_seconds"] is not None
    os.kill(int(program.read_text("ascii").split()[0]), signal.SIGKILL)
    lost = wait_for(side, job)
    assert (lost["state"], lost["running"], lost["exit_code"]) == ("found", False, None)
