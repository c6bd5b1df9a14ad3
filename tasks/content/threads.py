"""Threads that copy files, with our context variables."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pools:
    """Threads for large files, and one for small ones of another machine."""

    large: ThreadPoolExecutor
    small: ThreadPoolExecutor


def new_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Make a thread pool with our context variables, by which log lines reach the run's page."""
    context = copy_context()

    def copy_variables() -> None:
        for variable, value in context.items():
            variable.set(value)

    return ThreadPoolExecutor(threads, name, initializer=copy_variables)
