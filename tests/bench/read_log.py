"""Read a log of 1 GB back from its end by ``read-server``, and judge it; the fault at three places.

The figures are the script's seconds, and MiB above what script and judge need for a short log. The
goals: 30 seconds, an answer of 1 MiB at most, 64 MiB each above their own start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tasks.scripts
from deploy import lab
from deploy.lab.rules import distribution_log
from deploy.lab.rules.opened_server import open_server
from tests.bench.frame import Goal, Options, Result, main, require
from tests.support.commands import MIB
from tests.support.labs import ROOT

_BYTES = 1_000_000_000
_SHORT_BYTES = 1_000_000
_MOST_SECONDS = 30
_MOST_GROWTH = 64 * MIB
_LINES = "".join(
    f"2031-04-30 0{number % 10}:00:00.000 UTC\tInfo\tWsusService.{number}\tThreadEntry\t"
    f"ThreadHelper.ThreadStart of worker {number} for the state machine\r\n"
    for number in range(500)
).encode()
_FAULT = (
    b"2031-04-30 09:00:00.000 UTC\tError\tWsusService.7\tCatalogSyncAgentCore.ExecuteSyncProtocol\t"
    b"WebException: The remote server returned an error: (407) Proxy Authentication Required.\r\n"
)
_MEASURED = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[1:])
print(json.dumps([ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
# In a process of its own: what reading the answer and asking every rule needs.
_JUDGED = """
import json, sys
from datetime import UTC, datetime
from tasks.checks.facts.gathered import Facts, topics_of
from tasks.checks.facts.own import Own
from tasks.checks.judgement import judge
from tasks.checks.rules import ALL
from tasks.names import Side
from tests.support.memory import peak_mib
before = peak_mib()
with open(sys.argv[1], encoding="utf-8") as stream:
    lines = [line for line in map(json.loads, stream) if line["kind"] not in ("server", "end")]
own = Own(max_quiet_days=45)
facts = Facts(side=Side.STAGING, now=datetime.now(UTC), own=own, **topics_of(lines))
ids = [finding.id for finding in judge(facts, ALL).findings]
print(json.dumps([ids, peak_mib() - before]))
"""


@dataclass(frozen=True, slots=True)
class _Reading:
    seconds: float
    peak_bytes: int
    answer_bytes: int
    ids: list[str]
    judge_mib: float


def bench(options: Options) -> Iterator[Result]:
    """Read a short log once, then a long one with the fault at its start, middle and end."""
    folder = options.folder / "lab"
    lab.create(folder, updates=5, content_bytes=5_000)
    with closing(open_server(folder / "staging")) as server:
        server.connection.execute("DELETE FROM synchronization")  # no success to look back to
        log = distribution_log.folder(server.server_folder) / distribution_log.NAME
        # What WSUS would have written at its last start is far behind.
        size = max(_SHORT_BYTES, options.files(_BYTES))
    _write(log, _SHORT_BYTES, "end")
    short = _read(folder, options.folder)
    for where in ("start", "middle", "end"):
        _write(log, size, where)
        long = _read(folder, options.folder)
        growth = long.peak_bytes - short.peak_bytes
        require("proxy-authentication" in long.ids, f"{where}: found {long.ids}")
        require(long.answer_bytes <= MIB, f"{where}: an answer of {long.answer_bytes} bytes")
        require(long.seconds <= _MOST_SECONDS, f"{where}: {long.seconds:.1f} seconds")
        require(growth <= _MOST_GROWTH, f"{where}: the script needs {growth // MIB} MiB more")
        require(long.judge_mib <= 64, f"{where}: the judge needs {long.judge_mib:.0f} MiB")
        ratio = long.seconds / short.seconds
        yield Result(
            Goal("read_log", f"{size // 10**6} MB, fault at the {where}", "1 MB", None),
            ratio, ratio, 0,
            f"{long.seconds:.1f} s, {growth / MIB:+.0f} MiB, judge {long.judge_mib:.0f} MiB",
            f"{short.seconds:.1f} s",
        )  # fmt: skip
    log.unlink()


def _write(log: Path, size_bytes: int, where: str) -> None:
    """Write a log of one size with the fault at one place of it."""
    at = {"start": 0, "middle": size_bytes // 2, "end": size_bytes - 1}[where]
    written, is_written = 0, False
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        while written < size_bytes:
            if not is_written and written + len(_LINES) > at:
                stream.write(_FAULT)
                is_written = True
            written += stream.write(_LINES)


def _read(folder: Path, work: Path) -> _Reading:
    """Run the script as the product does, then the rules on its answer."""
    request, answer = work / "request.jsonl", work / "answer.jsonl"
    asked = {"kind": "settings", "since": None, "content_work_dir": None}
    topics = ["configuration", "synchronisation", "log"]
    request.write_text(json.dumps({**asked, "topics": topics}) + "\n", encoding="utf-8")
    script = Path(tasks.scripts.__file__).parent / "read-server.ps1"
    command = [str(folder / "staging" / "powershell"), "-NoProfile", "-NonInteractive", "-File"]
    files = ["-InputFile", str(request), "-OutputFile", str(answer)]
    began = time.monotonic()
    exit_code, peak = _run(_MEASURED, *command, str(script), *files)
    seconds = time.monotonic() - began
    require(exit_code == 0, f"the script ended with {exit_code}")
    ids, judge_mib = _run(_JUDGED, str(answer))
    scale = 1 if sys.platform == "darwin" else 1_024
    return _Reading(seconds, peak * scale, answer.stat().st_size, ids, judge_mib)


def _run(program: str, *words: str) -> list[Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *words]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer: list[Any] = json.loads(ended.stdout)
    return answer


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.05))
