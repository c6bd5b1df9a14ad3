"""The two servers of a lab: their names, and the folder of each."""

from __future__ import annotations

import tomllib
from pathlib import Path

SIDES = ("staging", "disconnected")
PROGRAMS = ("wsusutil", "powershell")


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


def copied_from(folder: Path) -> Path | None:
    """The lab whose programs a copy's site files still name; None if they name its own.

    A site file names its server by absolute paths, so a command that is given the site file of a
    copy works on the servers of the lab that it was copied from.
    """
    own = folder.resolve()
    for side in SIDES:
        try:
            site = tomllib.loads((folder / side / "site.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # the product tells what is wrong with it
        for path in _server_paths(site):
            if path.parent.name == side and path.parent.parent.resolve() != own:
                return path.parent.parent
    return None


def _server_paths(site: dict[str, object]) -> list[Path]:
    """The absolute paths of the programs by which a site file names its server."""
    server = site.get("server")
    commands = [server.get(name) for name in PROGRAMS] if isinstance(server, dict) else []
    texts = [command[0] for command in commands if isinstance(command, list) and command]
    paths = [Path(text) for text in texts if isinstance(text, str)]
    return [path for path in paths if path.is_absolute()]
