"""A command that is killed at any instant is run again, and ends as if nothing had happened.

``python -m tests.e2e.kill_many`` does the same many more times, and in more commands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.kill_many import kill_many, table

_TIMES = 5


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "ways", [("command", "tree"), ("supervisor", "wsusutil", "script")], ids=["whole", "single"]
)
def test_what_is_killed_and_run_again_ends_as_an_undisturbed_run(
    tmp_path: Path, shared_api: str, stand_in: None, ways: tuple[str, ...]
) -> None:
    records = kill_many(
        tmp_path, times=_TIMES, seed=11, api_url=shared_api, stages=("export", "import"), ways=ways
    )
    assert len({record["number"] for record in records}) == _TIMES
    assert not any(record["differences"] for record in records), table(records)
