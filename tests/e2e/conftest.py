"""Fixtures of the tests that run whole commands."""

from __future__ import annotations

from tests.support.labs import shared_api, small_lab, stand_in

__all__ = ["shared_api", "small_lab", "stand_in"]
