"""A command that is killed at any instant is run again, and ends as if nothing had happened.

``python -m tests.e2e.kill_many`` does the same many more times, in more commands and of more;
``python -m tests.e2e.matrix`` goes on in four ways after a kill in each step.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import matrix
from tests.e2e.kill_many import kill_many, prepared, table
from tests.e2e.kill_trials import Way

_WAYS: tuple[Way, ...] = ("work", "supervisor", "wsusutil")
_STAGES = ("export", "import")
_UPGRADED = ("Export metadata", "Load metadata")  # the steps in which a later version goes on


@pytest.mark.timeout(600)
def test_what_is_killed_and_run_again_ends_as_an_undisturbed_run(
    tmp_path: Path, shared_api: str, forked_scripts: Path, stand_in: None
) -> None:
    times = len(_WAYS) * len(_STAGES)
    records = kill_many(
        tmp_path, times=times, each=0, seed=11, api_url=shared_api, stages=_STAGES,
        shares=dict.fromkeys(_WAYS, 1), forked=forked_scripts,
    )  # fmt: skip
    assert {(record["stage"], record["way"]) for record in records} == {
        (stage, way) for stage in _STAGES for way in _WAYS
    }
    assert not any(record["differences"] for record in records), table(records)
    for where, step in zip(prepared(tmp_path, shared_api, _STAGES), _UPGRADED, strict=True):
        assert matrix.upgraded(where, step, tmp_path)["differences"] == []
