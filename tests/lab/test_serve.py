"""``lab serve`` with a real sshd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy
from tests.lab.lab_pair import LabPair
from tests.support import needs

pytestmark = needs.sshd

_PROGRAM = (
    "import sys; from pathlib import Path; from deploy import lab;"
    "lab.serve(Path(sys.argv[1]), ready=lambda: print('ready', flush=True))"
)


def _start(lab_pair: LabPair) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(lab_pair.folder)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(deploy.__file__).parent.parent)},
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != "ready\n":
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    return process


@pytest.fixture
def served(lab_pair: LabPair) -> Iterator[subprocess.Popen[str]]:
    process = _start(lab_pair)
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert process.stdout is not None
    process.stdout.close()


def _command(lab_pair: LabPair, side: str, *command: str) -> list[str]:
    site = lab_pair.folder / side / "site-ssh.toml"
    server = tomllib.loads(site.read_text(encoding="utf-8"))["server"]
    user, _, rest = server["address"].removeprefix("ssh://").partition("@")
    host, _, port = rest.partition(":")
    keys = lab_pair.folder / side
    return [
        "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
        "-o", f"UserKnownHostsFile={keys / server['known_hosts']}",
        "-o", "StrictHostKeyChecking=yes", "-i", str(keys / server["identity_file"]),
        "-p", port, f"{user}@{host}", *command,
    ]  # fmt: skip


def _ssh(lab_pair: LabPair, side: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(lab_pair, side, *command), capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.usefixtures("served")
def test_each_sides_own_wsusutil_runs_over_ssh(lab_pair: LabPair) -> None:
    for side in ("staging", "disconnected"):
        outcome = _ssh(lab_pair, side, str(lab_pair.folder / side / "wsusutil"), "checkhealth")
        assert outcome.returncode == 0, outcome.stderr
        assert "Done." in outcome.stdout


@pytest.mark.usefixtures("served")
def test_another_host_key_is_shown_while_the_fault_is_set(lab_pair: LabPair) -> None:
    lab_pair.fault("staging", "host-key", on=True)
    outcome = _ssh(lab_pair, "staging", "true")
    assert outcome.returncode == 255
    assert "IDENTIFICATION HAS CHANGED" in outcome.stderr
    assert _ssh(lab_pair, "disconnected", "true").returncode == 0
    lab_pair.fault("staging", "host-key", on=False)
    assert _ssh(lab_pair, "staging", "true").returncode == 0


@pytest.mark.usefixtures("served")
def test_connections_are_cut_five_times_and_then_no_more(lab_pair: LabPair) -> None:
    lab_pair.fault("staging", "connection-drops", on=True)
    long = [
        subprocess.Popen(
            _command(lab_pair, "staging", "sleep 4; echo survived"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    outcomes = [process.communicate(timeout=30)[0] for process in long]
    assert sorted(outcomes) == [""] * 5 + ["survived\n"]


def test_ports_and_keys_stay_when_a_lab_is_served_again(lab_pair: LabPair) -> None:
    seen = []
    for _ in range(2):
        process = _start(lab_pair)
        seen.append(
            [
                (lab_pair.folder / name).read_text(encoding="utf-8")
                for name in ("staging/site-ssh.toml", "keys/known_hosts", "keys/ssh_client")
            ]
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        process.communicate()
    assert seen[0] == seen[1]


@pytest.mark.skipif(sys.platform != "linux", reason="a child dies with its parent on Linux alone")
def test_no_sshd_outlives_a_server_that_was_killed(lab_pair: LabPair) -> None:
    process = _start(lab_pair)
    connection = subprocess.Popen(
        _command(lab_pair, "staging", "sleep 60"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(1)
    assert connection.poll() is None
    process.kill()
    process.communicate()
    connection.communicate(timeout=10)
    assert connection.returncode == 255
