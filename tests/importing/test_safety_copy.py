"""The site's own safety copy: its end with 0, and nothing else, lets an import go on."""

from __future__ import annotations

import sys

import pytest

from tasks.hosts.local import LocalHost
from tasks.importing.safety_copy import make_safety_copy
from tasks.refusals import BackupFailedError


def copy(program: str, *, limit_hours: float = 1) -> None:
    make_safety_copy(LocalHost(), [sys.executable, "-c", program], limit_hours=limit_hours)


def test_a_copy_that_succeeded_says_nothing() -> None:
    copy("print('done')")


def test_a_copy_that_failed_is_told_with_its_own_last_words() -> None:
    with pytest.raises(BackupFailedError, match="exit code 3: no room on D:") as caught:
        copy("import sys; print('no room', file=sys.stderr); print('on D:', file=sys.stderr); "
             "sys.exit(3)")  # fmt: skip
    assert caught.value.exit_code == 4


def test_a_copy_that_does_not_end_or_cannot_begin_is_a_failed_one() -> None:
    with pytest.raises(BackupFailedError, match="did not end within"):
        copy("import time; time.sleep(3)", limit_hours=0.2 / 3_600)
    with pytest.raises(BackupFailedError, match="/no/such/program"):
        make_safety_copy(LocalHost(), ["/no/such/program"], limit_hours=1)
