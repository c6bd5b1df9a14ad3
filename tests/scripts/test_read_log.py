"""``read-server`` reads a log of any size from its end and answers with little."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

import deploy.lab
from deploy.lab.powershell.stand_in.log_reader import read_logs
from deploy.lab.rules import distribution_log
from tasks.checks.facts.gathered import topics_of
from tasks.checks.facts.log import Log
from tests.scripts.running import Side
from tests.support import needs

pytestmark = needs.pwsh

ASKED = {"kind": "settings", "since": None, "topics": ["log"], "content_work_dir": None}
MOST_BYTES = 1_048_576
START = "EventId=501,Type=Information,Category=None,Message=Update Services Service Started"
PROXY = "WebException: The remote server returned an error: (407) Proxy Authentication Required."


def line(number: int, message: str, level: str = "Info") -> str:
    clock = f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    head = f"2031-05-01 {clock}.{number % 997:03d} UTC\t{level}\tWsusService.{number % 60}"
    return f"{head}\tSome.Method\t{message}\r\n"


QUIET = "".join(
    line(number, f"Item {number} has been submitted to BITS") for number in range(2_000)
)
NOISE = "".join(
    line(number, f"Client {number} sent an old cookie", "Warning") for number in range(2_000)
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("log") / "lab"
    deploy.lab.create(made, updates=5, content_bytes=5_000)
    return made


@pytest.fixture
def folder(lab: Path) -> Path:
    logs = distribution_log.folder(lab / "staging" / "server")
    for path in logs.iterdir():
        path.unlink()
    return logs


def read(lab: Path, tmp_path: Path) -> tuple[list[dict[str, Any]], Log]:
    """The script's lines and what the product reads in them; the stand-in says the same."""
    lines = Side(lab, "staging", tmp_path / "run").run("read-server", ASKED)[1:]
    assert len(json.dumps(lines)) < MOST_BYTES
    answer = read_logs(distribution_log.folder(lab / "staging" / "server"))
    assert [each["text"] for each in lines[1:]] == list(answer.pieces())
    assert lines[0]["read_bytes"] == answer.read_bytes
    log = topics_of(lines)["log"]
    assert isinstance(log, Log)
    return lines, log


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_a_fault_is_seen_wherever_it_stands_in_a_noisy_log(
    lab: Path, folder: Path, tmp_path: Path, place: str
) -> None:
    fault = line(0, PROXY, "Error") + "   at Microsoft.UpdateServices.X()\r\n"
    parts = [QUIET, NOISE, QUIET, NOISE]
    parts.insert({"start": 0, "middle": 2, "end": 4}[place], fault)
    text = line(0, START) + "".join(parts)
    (folder / "SoftwareDistribution.log").write_bytes(text.encode())
    _, log = read(lab, tmp_path)
    assert "proxy-authentication" in {sign.kind for sign in log.signs}
    assert log.size_bytes == log.read_bytes == len(text)
    assert log.service_start is not None


def test_what_stands_before_the_last_start_of_the_service_is_not_read(
    lab: Path, folder: Path, tmp_path: Path
) -> None:
    text = line(0, PROXY, "Error") + QUIET * 3 + line(1, START) + QUIET
    (folder / "SoftwareDistribution.log").write_bytes(text.encode())
    _, log = read(lab, tmp_path)
    assert log.read_bytes < len(text)
    assert {sign.kind for sign in log.signs} == {"service-start"}


def test_logs_that_were_rolled_over_are_read_as_far_as_the_start(
    lab: Path, folder: Path, tmp_path: Path
) -> None:
    older, newer = folder / "SoftwareDistribution.log.old", folder / "SoftwareDistribution.log"
    older.write_bytes((line(0, START) + line(1, PROXY, "Error")).encode())
    newer.write_bytes(QUIET.encode())
    (folder / "Change.log").write_bytes(line(9, PROXY, "Error").encode())
    os.utime(older, (1, 1))
    lines, log = read(lab, tmp_path)
    assert lines[0]["path"] == str(newer)
    assert [sign.kind for sign in log.signs] == ["service-start", "proxy-authentication"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_logs_of_other_encodings_are_read(
    lab: Path, folder: Path, tmp_path: Path, encoding: str
) -> None:
    german = "Der Remotename konnte nicht aufgelöst werden: 'sws.update.microsoft.com'"
    text = line(0, START) + QUIET + line(3, f"WebException: {german}", "Error")
    (folder / "SoftwareDistribution.log").write_bytes(text.encode(encoding))
    _, log = read(lab, tmp_path)
    (sign,) = [each for each in log.signs if each.kind == "name-resolution"]
    assert "aufgelöst" in sign.evidence


def test_an_answer_is_never_longer_than_a_mebibyte(lab: Path, folder: Path, tmp_path: Path) -> None:
    draw = random.Random(7)
    words = [f"{draw.getrandbits(40):x}".translate(str.maketrans("0123456789", "ghijklmnop"))
             for _ in range(3_000)]  # fmt: skip
    entries = [
        line(n, f"{word}Exception <&'\\ {'x' * 900}", "Error") for n, word in enumerate(words)
    ]
    (folder / "SoftwareDistribution.log").write_bytes("".join(entries).encode())
    lines, log = read(lab, tmp_path)
    assert lines[0]["is_full"]
    assert log.is_full


def test_a_server_without_a_log_says_so(lab: Path, folder: Path, tmp_path: Path) -> None:
    (line_,) = Side(lab, "staging", tmp_path / "run").run("read-server", ASKED)[1:]
    assert (line_["kind"], line_["topic"]) == ("unknown", "log")
    assert str(folder) in line_["reason"]
