"""Fixtures of the tests that run whole commands."""

from __future__ import annotations

from tests.support.labs import forked_scripts, small_lab, stand_in

__all__ = ["forked_scripts", "small_lab", "stand_in"]
