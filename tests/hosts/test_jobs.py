"""What a job folder and a probe say, whoever wrote them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tasks.hosts.host import JobStatus
from tasks.hosts.jobs import SUPERVISOR, poll, read_probe
from tests.support.memory_host import MemoryHost

# Python takes each of these for digits; no supervisor writes them.
NO_NUMBERS = ["²", "٣", "1_0", "9" * 5_000, "", "-", "0x1"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_plain_number_is_no_exit_code(text: str) -> None:
    host = MemoryHost()
    job = host.path("/job")
    host.make_folder(job)
    host.write(job.joined("started"), [b"1 2 3\n"])
    host.write(job.joined("exit-code"), [text.encode()])
    assert poll(host, job, lambda: JobStatus("lost")).state == "lost"


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_plain_number_is_no_processor_time(text: str) -> None:
    assert read_probe(f"alive {text} 100") == JobStatus("running")
    assert read_probe(f"alive 100 {text}") == JobStatus("running")
    assert read_probe("alive 250 100") == JobStatus("running", cpu_seconds=2.5)


@pytest.mark.skipif(os.name == "nt", reason="start-detached starts jobs on Windows")
def test_a_job_goes_on_when_the_connection_breaks_before_it_said_that_it_started(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # whoever writes gets SIGPIPE
    program = ["sh", "-c", "trap '' TERM; yes | head -1"]
    command = ["sh", "-c", SUPERVISOR, "wsus-airgap-job", str(tmp_path), *program]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL):
        os.close(writing)
        give_up = time.monotonic() + 10
        while not (tmp_path / "exit-code").exists() and time.monotonic() < give_up:
            time.sleep(0.01)
    assert (tmp_path / "exit-code").read_text() == "0\n"
    assert (tmp_path / "stdout").read_text() == "y\n"
