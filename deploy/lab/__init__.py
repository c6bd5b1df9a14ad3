"""The lab: a pair of simulated WSUS servers, so that the whole loop runs without Windows.

The functions here are what the command line offers. Each loads what it needs when it is called,
so that the lab's ``wsusutil`` and ``powershell``, which are processes of their own, start quickly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SIDES = ("staging", "disconnected")


class LabError(Exception):
    """A lab command cannot be carried out as it was given.

    Attributes:
        next_step: What the person does now.
    """

    def __init__(self, reason: str, next_step: str = "") -> None:
        super().__init__(reason)
        self.next_step = next_step or "Correct the command; `wsus-airgap lab --help` shows it."


def create(
    folder: Path,
    *,
    updates: int = 60,
    content_bytes: int = 24_000_000,
    seed: int = 1,
    language: str = "en",
) -> None:
    """Lay out a lab in an empty or new folder.

    Args:
        folder: Where; made when missing.
        updates: Visible updates in staging's catalogue; about two content files each.
        content_bytes: About how many bytes staging's WsusContent holds.
        seed: Catalogue, bytes, dates, deadlines and group names follow from it alone.
        language: ``en`` or ``de``: what wsusutil speaks and how built-in groups are called.

    Raises:
        LabError: The folder is not empty or cannot be written, or a number makes no sense.
    """
    from deploy.lab.generate.layout import Size
    from deploy.lab.generate.layout import create as lay_out

    lay_out(folder, Size(updates, content_bytes), seed, language)


def advance(folder: Path) -> None:
    """Let a month pass on the staging server."""
    from deploy.lab.generate.month import advance as pass_month

    pass_month(folder)


def set_fault(folder: Path, side: str, name: str, on: bool) -> None:  # noqa: FBT001
    """Set or clear a fault of one side; clearing also undoes what it did."""
    from deploy.lab.fault_table import set_fault as change_fault

    change_fault(folder, side, name, on=on)


def faults() -> tuple[tuple[str, str], ...]:
    """Every fault's name, and in a line what it does."""
    from deploy.lab.fault_table import DESCRIPTIONS

    return tuple(DESCRIPTIONS.items())


def tune(folder: Path, side: str, name: str, value: Any) -> None:
    """Set a knob of a side's server, for tests.

    Args:
        folder: The lab.
        side: ``staging`` or ``disconnected``.
        name: ``agent_seconds`` (until the content agent has done what it was asked for, 1 s),
            ``wsusutil_seconds`` (how much longer wsusutil takes, 0 s), ``slow_calls``,
            ``protocol_version``, or a property of ``IUpdateServerConfiguration``.
        value: The new value, of the type that the knob has.

    Raises:
        LabError: There is no such lab, side or knob.
    """
    from deploy.lab.rules.server import open_server

    server = open_server(server_folder(folder, side))
    try:
        if type(server.setting(name)) is not type(value):
            raise LabError(f"{name} is {server.setting(name)!r}, which {value!r} is not like")
        server.set_setting(name, value)
    except KeyError:
        raise LabError(f"{name!r} is no knob of a lab's server") from None
    finally:
        server.close()


def state(folder: Path, side: str) -> dict[str, Any]:
    """What a side's server holds; the same for the same content on either side."""
    from deploy.lab.state_document import read

    return read(folder, side)


def serve(folder: Path, *, ready: Callable[[], None] | None = None) -> None:
    """Run an sshd for both sides until SIGTERM or SIGINT; ``ready`` is called once both answer."""
    from deploy.lab.sshd import serve as serve_over_ssh

    serve_over_ssh(folder, ready)


def require_sshd() -> None:
    """See that ``serve`` can work on this machine, before anything is made for it.

    Raises:
        LabError: There is no OpenSSH server; says how to install it.
    """
    from deploy.lab.sshd import find_sshd

    find_sshd()


def server_folder(folder: Path, side: str) -> Path:
    """``DIR/<side>``, once it is sure that a lab lies there."""
    if side not in SIDES:
        raise LabError(f"{side!r} is no side of a lab; the sides are staging and disconnected")
    if not (folder / side / "server").is_dir():
        raise LabError(f"{folder} is no lab: make one with `lab create {folder}`")
    return folder / side
