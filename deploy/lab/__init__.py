"""The lab: a pair of simulated WSUS servers, so that the whole loop runs without Windows.

A server is a folder with a database, a WsusContent, and the programs ``wsusutil`` and
``powershell``. ``rules`` holds the behaviour of WSUS, ``store`` the state of a server, ``wsusutil``
and ``powershell`` the two programs, ``generate`` the making of a lab and of its months.
EVIDENCE.md gives a source for each behaviour. The lab may not import the product.

The functions here are the lab's interface. Each imports its modules when it is called, because
every start of ``wsusutil`` and ``powershell`` imports this package too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.lab.pair import LabError, server_folder


def create(
    folder: Path,
    *,
    updates: int = 60,
    content_bytes: int = 24_000_000,
    seed: int = 1,
    language: str = "en",
    catalogue: str = "usual",
) -> None:
    """Lay out a lab in an empty or new folder.

    Args:
        folder: The folder to make; it may exist if it is empty.
        updates: Visible updates in staging's catalogue; about two content files each.
        content_bytes: The approximate size of staging's WsusContent.
        seed: A number that alone determines catalogue, bytes, dates, deadlines and group names.
        language: ``en`` or ``de``: the language of wsusutil and of the built-in groups' names.
        catalogue: ``usual``, or ``real`` for one with the statistics of a real product: 561
            visible updates whatever ``updates`` says, 5,253 revisions, 1.18 GB of metadata.

    Raises:
        LabError: The folder is not empty or cannot be written, or a number is too small.
    """
    from deploy.lab.generate.layout import Size
    from deploy.lab.generate.layout import create as lay_out
    from deploy.lab.generate.real_catalogue import BUNDLES

    if catalogue not in {"usual", "real"}:
        raise LabError(f"the catalogue of a lab is usual or real, not {catalogue!r}")
    is_real = catalogue == "real"
    size = Size(BUNDLES if is_real else updates, content_bytes, is_real)
    lay_out(folder, size, seed, language)


def advance(folder: Path) -> None:
    """Let a month pass on the staging server."""
    from deploy.lab.generate.month import advance as pass_month

    pass_month(folder)


def set_fault(folder: Path, side: str, name: str, on: bool) -> None:  # noqa: FBT001
    """Set or clear a fault of one side; clearing also undoes its effect on files and service."""
    from deploy.lab.fault_table import set_fault as change_fault

    change_fault(folder, side, name, on=on)


def faults() -> tuple[tuple[str, str], ...]:
    """The name of every fault and knob, and its effect in one line."""
    from deploy.lab.fault_table import descriptions

    return tuple(descriptions().items())


def tune(folder: Path, side: str, name: str, value: Any) -> None:
    """Change a setting of a side's server, for tests.

    Args:
        folder: The lab.
        side: ``staging`` or ``disconnected``.
        name: ``agent_seconds`` (delay of the content agent, 1 s unless set), ``wsusutil_seconds``
            (additional duration of wsusutil, 0 s unless set), ``slow_calls``,
            ``protocol_version``, a property of ``IUpdateServerConfiguration``, or a setting of the
            machine (``deploy.lab.rules.machine``).
        value: The new value, of the same type as the old one.

    Raises:
            LabError: There is no such lab, side or setting.
    """
    from deploy.lab.rules import machine
    from deploy.lab.rules.opened_server import open_server

    server = open_server(server_folder(folder, side))
    try:
        if name not in machine.DEFAULTS and type(server.setting(name)) is not type(value):
            raise LabError(f"{name} is {server.setting(name)!r}, which {value!r} is not like")
        server.set_setting(name, value)
    except KeyError:
        raise LabError(f"{name!r} is no knob of a lab's server") from None
    finally:
        server.close()


def state(folder: Path, side: str) -> dict[str, Any]:
    """Read the state of a side's server, in a form that can be compared with the other side's."""
    from deploy.lab.state_document import read

    return read(folder, side)


def catalog(folder: Path) -> tuple[tuple[str, str], ...]:
    """Id and title of each update in the lab's stand-in for the Microsoft Update Catalog."""
    from deploy.lab.rules.catalog_site import entries
    from deploy.lab.rules.opened_server import open_server

    server = open_server(server_folder(folder, "staging"))
    try:
        return tuple((entry.newest.update_id, entry.newest.title) for entry in entries(server))
    finally:
        server.close()


def serve(folder: Path, *, ready: Callable[[], None] | None = None) -> None:
    """Run an sshd for both sides until SIGTERM or SIGINT; call ``ready`` once both listen."""
    from deploy.lab.sshd import serve as serve_over_ssh

    serve_over_ssh(folder, ready)


def require_sshd() -> None:
    """Check that ``serve`` can work on this machine.

    Raises:
        LabError: There is no OpenSSH server; the message tells how to install it.
    """
    from deploy.lab.sshd import find_sshd

    find_sshd()
