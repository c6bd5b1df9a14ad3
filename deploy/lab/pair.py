"""The two servers of a lab: their names, and the folder of each."""

from __future__ import annotations

from pathlib import Path

SIDES = ("staging", "disconnected")


class LabError(Exception):
    """A lab command that cannot be carried out.

    Attributes:
        next_step: The advice to the person.
    """

    def __init__(self, reason: str, next_step: str = "") -> None:
        super().__init__(reason)
        self.next_step = next_step or "Correct the command; `wsus-airgap lab --help` shows it."


def server_folder(folder: Path, side: str) -> Path:
    """The folder ``DIR/<side>`` of a server.

    Raises:
        LabError: There is no such side, or no lab in ``folder``.
    """
    if side not in SIDES:
        raise LabError(f"{side!r} is no side of a lab; the sides are staging and disconnected")
    if not (folder / side / "server").is_dir():
        raise LabError(f"{folder} is no lab: make one with `lab create {folder}`")
    return folder / side
