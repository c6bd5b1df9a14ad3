"""The site's own safety copy: its end with 0, and nothing else, lets an import go on."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from tasks.errors import ConnectionLostError
from tasks.hosts.host import JobStatus
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.importing.safety_copy import make_safety_copy
from tasks.refusals import BackupFailedError
from tests.support.memory_host import MemoryHost


def copy(folder: Path, *command: str, limit_hours: float = 1) -> None:
    host = LocalHost()
    jobs = host.path(str(folder / "copies" / "alpha"))
    make_safety_copy(host, command, folder=jobs, run_id="import-1", limit_hours=limit_hours)


def test_a_copy_that_succeeded_says_nothing(tmp_path: Path) -> None:
    copy(tmp_path, sys.executable, "-c", "print('done')")


def test_a_copy_that_failed_is_told_with_its_own_last_words(tmp_path: Path) -> None:
    program = "import sys; print('no room', file=sys.stderr); print('on D:', file=sys.stderr)"
    with pytest.raises(BackupFailedError, match="exit code 3: no room on D:") as caught:
        copy(tmp_path, sys.executable, "-c", f"{program}; sys.exit(3)")
    assert caught.value.exit_code == 4


def test_a_copy_that_does_not_end_or_cannot_begin_is_a_failed_one(tmp_path: Path) -> None:
    with pytest.raises(BackupFailedError, match="did not end within"):
        copy(tmp_path / "1", sys.executable, "-c", "import time; time.sleep(3)",
             limit_hours=0.2 / 3_600)  # fmt: skip
    with pytest.raises(BackupFailedError, match="/no/such/program"):
        copy(tmp_path / "2", "/no/such/program")


# --- a connection that breaks while the copy works ------------------------------------------------


class Server(MemoryHost):
    """A server on which a copy works until it is told to end, and whose connection can break."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.is_cut = False
        super().__init__(start_detached=lambda command: self.started.append(command[0]))
        self.make_folder(self.path("/work"))

    def poll_detached(self, job: HostPath) -> JobStatus:
        if self.is_cut:
            raise ConnectionLostError(address="wsus", reason="cut")
        return super().poll_detached(job)

    @property
    def jobs(self) -> HostPath:
        return self.path("/work").joined("copies", "alpha")

    def copy(self, run_id: str) -> None:
        make_safety_copy(self, ["backup"], folder=self.jobs, run_id=run_id, limit_hours=1)

    def cut_the_first_try(self) -> None:
        self.is_cut = True
        with pytest.raises(ConnectionLostError):
            self.copy("import-1")
        self.is_cut = False


def test_a_lost_connection_is_no_failed_copy_and_the_retry_waits_for_the_same_one() -> None:
    server = Server()
    server.cut_the_first_try()
    threading.Timer(0.2, server.finish_job, [server.jobs.joined("import-1"), 0]).start()
    server.copy("import-1")
    assert server.started == ["backup"]
    server.copy("import-1")  # it had ended when the retry came
    assert server.started == ["backup"]


def test_the_next_run_waits_for_a_copy_that_still_works_and_judges_it() -> None:
    server = Server()
    server.cut_the_first_try()
    threading.Timer(0.2, server.finish_job, [server.jobs.joined("import-1"), 7]).start()
    with pytest.raises(BackupFailedError, match="exit code 7"):
        server.copy("import-2")
    assert server.started == ["backup"]


def test_the_next_run_makes_its_own_copy_when_the_earlier_one_has_ended() -> None:
    server = Server()
    server.cut_the_first_try()
    server.finish_job(server.jobs.joined("import-1"), 0)
    threading.Timer(0.2, server.finish_job, [server.jobs.joined("import-2"), 0]).start()
    server.copy("import-2")
    assert server.started == ["backup", "backup"]
    assert [entry.name for entry in server.list_folder(server.jobs)] == ["import-2"]
