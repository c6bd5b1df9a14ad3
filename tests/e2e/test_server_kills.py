"""A command whose Prefect server dies alone goes on, or ends in one sentence and then finishes.

``python -m tests.e2e.kill_server`` does the same at every step, and many more times.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kill_server import KILLS_TOO_MANY, REPORT_BEGUN, trial
from tests.e2e.kill_trials import Range, prepare

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def exporting(tmp_path_factory: pytest.TempPathFactory, forked_scripts: Path) -> Range:
    """A small export, and what it ends as."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        home = tmp_path_factory.mktemp("kills")
        return prepare(home, api_url=None, wanted={"export"}, forked=forked_scripts)[0]


def test_a_command_goes_on_when_its_server_is_killed_at_its_start_in_a_step_and_at_its_end(
    exporting: Range, stand_in: None
) -> None:
    made = trial(exporting, 0.0, "Pack volumes", REPORT_BEGUN)

    assert made.kills == KILLS_TOO_MANY - 1
    assert made.problems == []
    assert "started again, 3 of 3" in made.ended.stderr


def test_a_command_whose_server_is_killed_once_more_says_so_and_then_finishes(
    exporting: Range, stand_in: None
) -> None:
    made = trial(exporting, *["Check server"] * KILLS_TOO_MANY)

    assert made.kills == KILLS_TOO_MANY
    assert made.problems == []
    assert made.ended.document is not None
    assert Path(made.ended.document["report"]).is_file()
