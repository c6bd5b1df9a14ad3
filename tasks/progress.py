"""Progress of long work, reported without knowledge of the reader.

The protocol lies below every package, so that hosts, content and bundle report by the same three
calls to a terminal (tqdm), to Prefect's UI (progress artifacts) or to no reader at all.
"""

from __future__ import annotations

from typing import Literal, Protocol

Unit = Literal["bytes", "files", "updates"]


class Progress(Protocol):
    """Receiver of one step's progress. Calls may come from several threads."""

    def start(self, step: str, *, total: int | None, unit: Unit) -> None:
        """Begin a step; ``total`` is None if it is unknown."""

    def advance(self, amount: int) -> None:
        """Add ``amount`` of the unit; must be cheap, called once per chunk or small file."""

    def finish(self) -> None:
        """End the step."""


class Silence:
    """Progress without a reader."""

    def start(self, step: str, *, total: int | None, unit: Unit) -> None:
        """Do nothing."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
