"""Waiting: it has an end, and nobody waits long without a word."""

from __future__ import annotations

import threading
import time

import pytest

from tasks.errors import TimeLimitError
from tasks.hosts.waiting import Pace, poll, repeat_after_errors, watched
from tests.hosts.conftest import wait_for

QUICK = Pace(first_seconds=0.001, longest_seconds=0.01, report_every_seconds=0.05)


def test_what_answers_in_time_is_not_reported() -> None:
    answers = iter([None, None, "done"])
    said: list[str] = []
    assert poll(lambda: next(answers), what="it", limit_seconds=1, report=said.append) == "done"
    assert said == []


def test_what_never_answers_is_reported_again_and_again_and_given_up() -> None:
    said: list[str] = []
    began = time.monotonic()
    with pytest.raises(TimeLimitError) as caught:
        poll(
            lambda: None, what="script read-server", limit_seconds=0.4, pace=QUICK,
            detail=lambda: "7 bytes", report=said.append,
        )  # fmt: skip
    assert 0.4 <= time.monotonic() - began < 2
    assert caught.value.message == "script read-server did not end within 0.4 seconds"
    assert not caught.value.retryable
    assert 3 <= len(said) <= 8
    assert set(said) == {"still waiting for script read-server, for 0 min 00 s (7 bytes)"}


def test_no_limit_is_no_limit() -> None:
    until = time.monotonic() + 0.2
    assert poll(lambda: time.monotonic() > until or None, what="it", limit_seconds=None, pace=QUICK)


def test_only_an_error_that_passes_is_tried_again() -> None:
    tries: list[int] = []

    def action() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("busy")
        return "done"

    assert (
        repeat_after_errors(action, delays_seconds=(0, 0), passes=lambda e: isinstance(e, OSError))
        == "done"
    )
    tries.clear()
    with pytest.raises(OSError, match="busy"):
        repeat_after_errors(action, delays_seconds=(0,), passes=lambda e: isinstance(e, OSError))
    assert len(tries) == 2
    tries.clear()
    with pytest.raises(OSError, match="busy"):
        repeat_after_errors(action, delays_seconds=(0, 0), passes=lambda e: isinstance(e, KeyError))
    assert len(tries) == 1


def test_a_call_that_blocks_is_reported_meanwhile() -> None:
    said: list[str] = []
    with watched("an answer of wsus01", report_every_seconds=0.1, report=said.append) as watch:
        wait_for(lambda: len(said) >= 2, seconds=5)
    assert said[0] == "still waiting for an answer of wsus01, for 0 min 00 s"
    assert not watch.has_expired
    told = len(said)
    time.sleep(0.6)
    assert len(said) == told, "a call that ended was reported"


def test_a_call_that_blocks_for_ever_is_ended_at_its_limit() -> None:
    answer = threading.Event()
    told: list[bool] = []

    def end() -> bool:
        told.append(len(told) == 2)  # not yet, not yet, now
        if told[-1]:
            answer.set()
        return told[-1]

    with watched("an answer", limit_seconds=0.2, at_limit=end) as watch:
        assert answer.wait(5)
        wait_for(lambda: watch.has_expired)
        time.sleep(0.3)
    assert told == [False, False, True]
