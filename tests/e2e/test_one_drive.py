"""A crossing on three discs or more through one drive: at a terminal, then in Prefect's page."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.labs import ROOT, Lab, digests_below, equal_servers, make_lab
from tests.support.pages import answer, suspended
from tests.support.prefect_api import client_of, task_runs
from tests.support.serving import ended, start, up

pytestmark = pytest.mark.timeout(600)


class Terminal:
    """An import that a person runs at a terminal."""

    def __init__(self, lab: Lab, slot: Path) -> None:
        self._screen, end = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.command_line", "import", str(slot)],
            cwd=lab.folder / "disconnected",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=end,
            stdout=subprocess.DEVNULL,
            stderr=end,
        )
        os.close(end)

    def read_until(self, words: str) -> str:
        """Read what is shown until it has these words."""
        shown, give_up = "", time.monotonic() + 120
        while words not in shown:
            ready, _, _ = select.select([self._screen], [], [], 1)
            shown += os.read(self._screen, 4_096).decode() if ready else ""
            assert time.monotonic() < give_up, shown
        return shown

    def type(self, text: str) -> None:
        os.write(self._screen, f"{text}\n".encode())

    def ended(self) -> int:
        """The exit code; what is still shown is read away."""
        while self._process.poll() is None:
            if select.select([self._screen], [], [], 0.2)[0]:
                try:
                    os.read(self._screen, 4_096)
                except OSError:  # the other end is closed
                    break
        return self._process.wait(timeout=60)


@pytest.fixture
def lab(tmp_path: Path, shared_api: str, stand_in: None) -> Lab:
    made = make_lab(tmp_path / "lab", api_url=shared_api, updates=20, content_bytes=1_300_000)
    made.configure("staging", "media", volume_bytes=1_000_000, max_file_bytes=1_000_000)
    return made


def put_in(slot: Path, disc: Path) -> None:
    """Take the disc out of the drive, and put this one in."""
    shutil.rmtree(slot, ignore_errors=True)
    shutil.copytree(disc, slot / disc.name)


def test_discs_come_through_one_drive_at_a_terminal_and_then_in_the_page(
    lab: Lab, tmp_path: Path, shared_api: str
) -> None:
    bundle = Path(lab.export().document["bundle"])
    discs = sorted(bundle.iterdir())
    assert len(discs) >= 3
    sealed = digests_below(bundle)

    # A disc is lost: it alone is made again, with the bytes that were sealed.
    written = {path: path.stat().st_mtime_ns for path in bundle.rglob("content/*/*")}
    shutil.rmtree(discs[1])
    assert lab.export().document["bundle"] == str(bundle)
    assert digests_below(bundle) == sealed
    again = {path for path, time_ns in written.items() if path.stat().st_mtime_ns != time_ns}
    assert again == set(discs[1].rglob("content/*/*"))

    # At the terminal: the last disc first; then the person goes home.
    slot = tmp_path / "drive" / bundle.name
    put_in(slot, discs[-1])
    terminal = Terminal(lab, slot)
    question = terminal.read_until("what came stays")
    assert f"volumes {', '.join(map(str, range(1, len(discs))))} of {len(discs)}" in question
    put_in(slot, discs[0])
    terminal.type("")
    terminal.read_until("what came stays")
    terminal.type("q")
    assert terminal.ended() == 1

    # In the page the next day: the run waits until a disc that it lacks is in.
    rest = discs[1:-1]
    with up(lab.site_file("disconnected")), client_of(shared_api) as client:
        run = start(client, "import/alpha", bundles=[str(slot)])
        for disc in rest:
            waiting = suspended(client, run.id)
            assert waiting.state is not None
            put_in(slot, disc)
            fields = {"decision": "go-on", "name": "A. Person"}
            assert answer(client, run.id, fields) == "ACCEPT"
        done = ended(client, run.id)
    assert done.state is not None
    assert done.state.is_completed(), done.state.message
    opened = [step for step in task_runs(shared_api, run.id) if step.name == "Open bundle"]
    asked = ["Asked a person"] * len(rest)
    assert [step.state_name for step in opened] == [*asked, "Completed"]
    equal_servers(lab, apart_from=lab.import_(bundle))
    assert not list((lab.folder / "disconnected" / "state" / "volumes").iterdir())
