"""Runs of both sides, without a server."""

from tests.support.runs import disconnected, staging

__all__ = ["disconnected", "staging"]
