"""How long work tells how far it is, without knowing who looks.

The protocol stands below every package, so that hosts, content and bundle can report to a
terminal (tqdm), to the Prefect UI (progress artifacts) or to nobody, by the same three calls.
"""

from __future__ import annotations

from typing import Literal, Protocol

Unit = Literal["bytes", "files", "updates"]


class Progress(Protocol):
    """Receives how far one step is. Calls may come from several threads."""

    def start(self, step: str, *, total: int | None, unit: Unit) -> None:
        """Begin a step; ``total`` is None when nobody knows."""

    def advance(self, amount: int) -> None:
        """Add ``amount`` of the unit. Cheap: called once per chunk or per small file."""

    def finish(self) -> None:
        """End the step."""


class Silence:
    """Progress that nobody looks at."""

    def start(self, step: str, *, total: int | None, unit: Unit) -> None:
        """Do nothing."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
