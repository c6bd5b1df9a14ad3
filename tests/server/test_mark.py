"""The mark on a server, which anybody who can write there may have changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.refusals import ServerUnfitError
from tasks.run.context import RunContext
from tasks.server.mark import compare_mark, highest_marked

MARK: dict[str, Any] = {
    "site": "alpha",
    "chain": "0123456789abcdef" * 2,
    "sequence": 3,
    "header_digest": "ab" * 32,
}


def _lay(run: RunContext, mark: dict[str, Any]) -> None:
    path = Path(run.folders.mark.text)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(mark), encoding="utf-8")


def test_a_mark_names_the_bundle_that_was_committed_last(staging: RunContext) -> None:
    _lay(staging, MARK)
    assert highest_marked(staging) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 2**63},
        {"sequence": 0},
        {"sequence": "x"},
        {"chain": "\x1b[2J"},
        {"site": "no\nsite"},
        {"header_digest": "ab"},
    ],
)
def test_a_mark_that_no_bundle_leaves_is_no_mark_of_ours(
    staging: RunContext, change: dict[str, Any]
) -> None:
    _lay(staging, MARK | change)
    for look in (highest_marked, compare_mark):
        with pytest.raises(ServerUnfitError, match="no mark of ours"):
            look(staging)
