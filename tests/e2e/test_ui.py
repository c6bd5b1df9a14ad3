"""What a person sees in the browser after ``demo --ui``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support import needs
from tests.support.browser import Page, browser
from tests.support.forked_powershell import use_forks
from tests.support.labs import ROOT, SIDES, STAND_IN, Lab

pytestmark = [needs.chromium, pytest.mark.timeout(600)]

_EXPORT_STEPS = (
    "Read request", "Lock server and media", "Check server", "Capture approvals", "Scan content",
    "Open draft", "Export metadata", "Plan bundle", "Pack volumes", "Seal bundle",
    "Predict missing content", "Describe bundle",
)  # fmt: skip
_IMPORT_STEPS = (
    "Open bundle", "Lock server", "Check server", "Scan content", "Unpack bundle", "Plan import",
    "Place content", "Load metadata", "Apply approvals", "Audit content", "Write receipt",
)  # fmt: skip

# A dozen bars, some of them narrow.
_STEP_PIXELS = 2_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo; its lab is ``lab``."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ui_url(home: Path, forked_scripts: Path) -> Iterator[str]:
    """The address that ``demo --ui`` prints last; the server stays until it is interrupted."""
    command = [sys.executable, "-m", "flows.command_line", "demo", str(home / "lab"), "--ui"]
    with (
        (home / "stderr").open("w") as errors,
        subprocess.Popen(
            command,
            env={**os.environ, **STAND_IN, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as child,
    ):
        assert child.stdout is not None
        said = []
        for line in child.stdout:
            said.append(line)
            if line.startswith("PowerShell"):  # the lab is there, and Prefect's server begins
                for side in SIDES:
                    use_forks(home / "lab" / side, forked_scripts)
            found = re.search(r"http://127\.0\.0\.1:\d+/enter\S*", line)
            if found is not None:
                yield found[0]
                break
        else:
            raise AssertionError("".join(said) + (home / "stderr").read_text())
        child.send_signal(signal.SIGINT)
        child.wait(60)


@pytest.fixture
def page(ui_url: str, tmp_path: Path) -> Iterator[Page]:
    """A browser that has followed the address."""
    with browser(tmp_path / "profile") as opened:
        opened.open(ui_url)
        opened.wait_for("alpha-2 import")
        yield opened


def test_the_runs_are_listed_by_site_and_bundle(page: Page) -> None:
    text = page.wait_for("alpha-1 export", "alpha-1 import", "alpha-2 export", "alpha-2 import")
    assert "alpha-2 accept" in text
    assert "Flagged" in text
    assert "flagged" in text
    assert "Crashed" not in text.partition("Newest to oldest")[2]


@pytest.mark.parametrize(
    ("run", "steps", "said"),
    [
        ("alpha-2 export", _EXPORT_STEPS, "sealed alpha-2, header digest"),
        ("alpha-2 import", _IMPORT_STEPS, "alpha-2 is sealed by"),
    ],
)
def test_a_run_shows_its_steps_their_timeline_and_what_they_said(
    page: Page, run: str, steps: tuple[str, ...], said: str
) -> None:
    page.click(run)
    page.wait_for(run, "Artifacts", said, *steps)  # the log names each step
    page.click("Task Runs")
    page.wait_for("Completed", *steps[-4:])
    assert step_pixels(page) > _STEP_PIXELS


def test_a_flagged_run_says_first_what_needs_a_person(page: Page) -> None:
    page.click("alpha-2 import")
    page.wait_for("Artifacts")
    page.click("Artifacts")
    text = page.wait_for("alpha-import-attention", "alpha-import-waiting", "alpha-import-plan")
    keys = re.findall(r"alpha-import-[a-z-]+", text)
    assert keys[0] == "alpha-import-attention"
    page.click("alpha-import-waiting")
    page.wait_for("Missing content", "never")


def test_a_check_can_be_read_by_somebody_who_has_never_seen_the_log_of_wsus(
    page: Page, home: Path, ui_url: str
) -> None:
    lab = Lab(home / "lab")
    lab.fault("staging", "proxy-basic")
    lab.fault("staging", "database-busy")
    url, _, secret = ui_url.partition("/enter#")
    lab.configure("staging", "prefect", api_url=f"{url}/api")
    (home / "secret").write_text(unquote(secret), encoding="utf-8")
    variables = {**STAND_IN, "WSUS_AIRGAP_PREFECT_AUTH_FILE": str(home / "secret")}
    process = lab.start("staging", "check", variables=variables)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stdout + stderr
    page.open(f"{url}/runs")
    page.wait_for("alpha check")
    page.click("alpha check")
    page.wait_for("Artifacts")
    page.click("Artifacts")
    page.wait_for("alpha-check-findings")
    page.click("alpha-check-findings")
    text = page.wait_for("Findings", "Next step", "clear text")
    read = text.partition("causes stand before")[2]
    # The finding, its evidence, the next step; the cause, what follows from it, the note.
    order = (
        *("The database of WSUS (SUSDB)", "LocalDBTooBusy: ", "See that the database service"),
        *("Follows from database-synchronisation", "Begin with the cause above"),
        *("in clear text", "AllowProxyCredentialsOverNonSsl = True", "a trusted internal network"),
    )
    places = [read.index(words) for words in order]
    assert places == sorted(places), read


def step_pixels(page: Page) -> int:
    """How many pixels of the timeline have the green of finished steps, once it is drawn.

    The strip at the bottom is the run's own state.
    """
    give_up = time.monotonic() + 30
    while True:
        found = page.count_pixels("canvas", "g > 120 && r < 80 && b < 110 && y < 0.9")
        if found > _STEP_PIXELS or time.monotonic() > give_up:
            return found
        time.sleep(0.5)
