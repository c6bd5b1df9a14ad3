"""What a job folder and a probe say, whoever wrote them."""

from __future__ import annotations

import pytest

from tasks.hosts.host import JobStatus
from tasks.hosts.jobs import poll, read_probe
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
