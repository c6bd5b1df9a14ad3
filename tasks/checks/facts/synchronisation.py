"""The history of a server's synchronisations, its schedule and its subscriptions."""

from __future__ import annotations

from pydantic import AwareDatetime

from tasks.checks.facts.topic import Topic
from tasks.names import Count


class SynchronisationRun(Topic):
    """One synchronisation of the history.

    Attributes:
        ended: None while it runs.
        result: A name of ``SynchronizationResult``: NeverRun, Succeeded, Failed, Canceled.
        error: A name of ``SynchronizationError``.
        error_text: Foreign text, in the language of the server.
    """

    started: AwareDatetime
    ended: AwareDatetime | None
    result: str
    error: str
    error_text: str


class Synchronisation(Topic):
    """The newest synchronisations, newest first, and what they are asked for.

    Attributes:
        scheduled: True if the server synchronises by itself.
        products: Number of subscribed products and families; None if it cannot be read.
        classifications: Number of subscribed classifications.
    """

    runs: tuple[SynchronisationRun, ...]
    scheduled: bool | None = None
    products: Count | None = None
    classifications: Count | None = None

    @property
    def newest(self) -> SynchronisationRun | None:
        """The newest synchronisation that has ended."""
        return next((run for run in self.runs if run.ended is not None), None)

    @property
    def newest_success(self) -> SynchronisationRun | None:
        """The newest one of the history that succeeded."""
        return next((run for run in self.runs if run.result == "Succeeded"), None)
