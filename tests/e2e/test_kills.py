"""A command that is killed at any instant is run again, and ends as if nothing had happened.

``python -m tests.e2e.kill_many`` does the same many more times.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kill_many import kill_many

_TIMES = 3


@pytest.mark.timeout(600)
@pytest.mark.parametrize("command", ["export", "import"])
def test_a_killed_command_run_again_ends_as_an_undisturbed_one(
    command: str, tmp_path: Path, shared_api: str, stand_in: None
) -> None:
    trials = kill_many(command, tmp_path, shared_api, times=_TIMES, seed=11)
    assert [trial.differences for trial in trials] == [()] * _TIMES
    assert any(trial.was_killed for trial in trials)
