"""A program that packs or unpacks a workshop's bundle, so that tests can kill and measure it.

``python -m tests.support.crossing_program ROOT pack|unpack`` prints ``started`` when the work
begins and one JSON line when it is done.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tasks.bundle.documents import unpack_documents
from tasks.bundle.faults import raise_for_faults
from tasks.bundle.unpack import Intake, unpack_content
from tasks.hosts.local import LocalHost
from tests.support.bundles import Workshop

_REPOSITORY = Path(__file__).parents[2]


def start(root: Path, verb: str) -> subprocess.Popen[str]:
    """Start this program and wait until its work begins."""
    program = [sys.executable, "-m", "tests.support.crossing_program", str(root), verb]
    running = subprocess.Popen(program, cwd=_REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "started\n"
    return running


def finish(root: Path, verb: str) -> dict[str, float]:
    """Run this program to its end and give its answer."""
    with start(root, verb) as running:
        answer, _ = running.communicate(timeout=200)
    assert running.returncode == 0
    found: dict[str, float] = json.loads(answer)
    return found


def unpack(workshop: Workshop) -> None:
    bundle = workshop.open()
    documents_folder, intake = workshop.root / "documents", workshop.root / "intake"
    for folder in (documents_folder, intake):
        folder.mkdir(exist_ok=True)
    documents = unpack_documents(bundle, documents_folder)
    host = LocalHost()
    if documents.manifest is not None:
        unpack_content(bundle, documents.manifest, intake=Intake(host, host.path(str(intake))))
    raise_for_faults(bundle.header.bundle, bundle.faults)


def main() -> None:
    workshop = Workshop(Path(sys.argv[1]))
    work: dict[str, Callable[[], object]] = {
        "pack": workshop.export,
        "unpack": lambda: unpack(workshop),
    }
    process = psutil.Process()
    before = process.memory_info().rss
    print("started", flush=True)
    began, cpu = time.monotonic(), time.process_time()
    work[sys.argv[2]]()
    peak = _peak_bytes(process)
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "cpu_seconds": time.process_time() - cpu,
                "grown_bytes": peak - before,
            }
        )
    )


def _peak_bytes(process: psutil.Process) -> int:
    """The most memory that the process ever had.

    Not ``ru_maxrss``, which a child inherits from the process that started it.
    """
    status_file = Path("/proc/self/status")
    if status_file.exists():
        status = status_file.read_text(encoding="ascii")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    found = process.memory_info()
    return int(getattr(found, "peak_wset", found.rss))


if __name__ == "__main__":
    main()
