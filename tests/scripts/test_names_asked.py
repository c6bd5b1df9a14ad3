"""What ``read-server`` asks of the network: names and ports of the topics, behind the gap none.

Two tracers, since the lab's own commands stand before those of Windows that look up names: the lab
writes down every name that they are asked for, and strace sees every connection and every packet
of the engine and of all that it starts.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

import tasks.scripts
from deploy import lab
from deploy.lab.rules import network
from deploy.lab.rules.opened_server import open_server
from tasks.checks.facts.gathered import DISCONNECTED_TOPICS, STAGING_TOPICS
from tests.support import needs

SCRIPT = Path(tasks.scripts.__file__).parent / "read-server.ps1"
# Without an address no call leaves the machine; within it programs talk over these families.
LOCAL = ("AF_UNIX", "AF_NETLINK", "NULL")
CALLS = "connect,sendto,sendmsg,sendmmsg"

pytestmark = needs.pwsh


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked") / "lab"
    lab.create(folder, updates=5, content_bytes=5_000)
    return folder


def read(pair: Path, side: str, topics: Sequence[str], *tracer: str) -> list[str]:
    """Run the script; gives the names that the lab's server was asked for meanwhile."""
    with closing(open_server(pair / side)) as server:
        before = len(network.asked(server))
    request, answer = pair / "request.jsonl", pair / "answer.jsonl"
    asked = {"kind": "settings", "since": None, "topics": topics, "content_work_dir": None}
    request.write_text(json.dumps(asked) + "\n", encoding="utf-8")
    words = ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", str(SCRIPT)]
    files = ["-InputFile", str(request), "-OutputFile", str(answer)]
    powershell = str(pair / side / "powershell")
    subprocess.run([*tracer, powershell, *words, *files], check=True, timeout=120)
    lines = [json.loads(line) for line in answer.read_text(encoding="utf-8").splitlines()]
    assert {line["kind"] for line in lines} == {"server", *topics, "end"}
    with closing(open_server(pair / side)) as server:
        return network.asked(server)[before:]


def _foreign(trace: Path) -> Iterator[str]:
    """The calls of a trace that name an address outside the families of the machine itself."""
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if "sa_family=" in line and not any(f"sa_family={name}" in line for name in LOCAL):
            yield line


@needs.strace
def test_behind_the_gap_the_script_looks_no_name_up_and_opens_no_connection(
    pair: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.txt"
    tracer = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(trace))
    assert read(pair, "disconnected", DISCONNECTED_TOPICS, *tracer) == []
    assert trace.stat().st_size, "it saw nothing"
    assert list(_foreign(trace)) == []


def test_on_the_staging_side_it_asks_for_the_endpoint_and_for_downloads_alone(pair: Path) -> None:
    assert read(pair, "staging", STAGING_TOPICS) == [
        *("sws.update.microsoft.com", "sws.update.microsoft.com:443"),
        *("download.windowsupdate.com", "download.windowsupdate.com:80"),
    ]
