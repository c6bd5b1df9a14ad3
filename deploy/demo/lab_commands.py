"""The commands ``lab …`` and ``demo``.

The lab is imported only when one of these commands is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from json import dump as dump_json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cyclopts import App, Parameter
from pydantic import JsonValue

from tasks.errors import UsageError
from tasks.reports.model import CommandReport

Json = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
LabSide = Literal["staging", "disconnected"]

_Result = TypeVar("_Result")

lab_app = App(name="lab", help="A pair of simulated WSUS servers.")


@lab_app.command(name="create")
def lab_create(  # noqa: PLR0913  each is an option of the command
    folder: Path,
    /,
    *,
    updates: int = 60,
    bytes: int = 24_000_000,  # noqa: A002  the option's name is --bytes
    seed: int = 1,
    language: Literal["en", "de"] = "en",
    catalogue: Literal["usual", "real"] = "usual",
    json: Json = False,
) -> CommandReport:
    """Lay out a pair of simulated servers.

    Args:
        folder: The folder to make; it may exist if it is empty.
        updates: About how many updates the catalogue has.
        bytes: About how many bytes of content the staging server holds.
        seed: A number that alone determines catalogue and content.
        language: The language of the servers' texts and built-in groups.
        catalogue: With real: the statistics of a real product, 1.18 GB of metadata and 561
            updates, whatever --updates says.
        json: Print one JSON document.
    """
    from deploy import lab

    target = folder.absolute()
    _lab(
        lambda: lab.create(
            target,
            updates=updates,
            content_bytes=bytes,
            seed=seed,
            language=language,
            catalogue=catalogue,
        )
    )
    step = f"`wsus-airgap export --site {target / 'staging' / 'site.toml'}`"
    return CommandReport(command="lab create", site=None, lines=(f"lab: {target}",), next_step=step)


@lab_app.command(name="advance")
def lab_advance(folder: Path, /, *, json: Json = False) -> CommandReport:
    """Let a month pass on the staging server.

    Args:
        folder: The lab.
        json: Print one JSON document.
    """
    from deploy import lab

    _lab(lambda: lab.advance(_own(folder)))
    step = f"`wsus-airgap export --site {folder.resolve() / 'staging' / 'site.toml'}`"
    return CommandReport(
        command="lab advance", site=None, lines=("a month has passed",), next_step=step
    )


@lab_app.command(name="fault")
def lab_fault(
    folder: Path | None = None,
    side: LabSide | None = None,
    name: str | None = None,
    state: Literal["on", "off"] | None = None,
    /,
    *,
    list_: Annotated[bool, Parameter(name="--list", negative="")] = False,
    json: Json = False,
) -> CommandReport:
    """Set or clear a fault of a simulated server.

    Args:
        folder: The lab.
        side: The server.
        name: The fault; --list names them all.
        state: on or off.
        list_: List all faults.
        json: Print one JSON document.
    """
    from deploy import lab

    if list_:
        lines = tuple(f"{fault}  {description}" for fault, description in lab.faults())
        details: dict[str, JsonValue] = {"faults": dict(lab.faults())}
        return CommandReport(command="lab fault", site=None, lines=lines, details=details)
    if folder is None or side is None or name is None or state is None:
        raise UsageError(reason="lab fault takes DIR SIDE NAME on|off, or --list")
    _lab(lambda: lab.set_fault(_own(folder), side, name, on=state == "on"))
    return CommandReport(command="lab fault", site=None, lines=(f"{side} {name}: {state}",))


@lab_app.command(name="state")
def lab_state(folder: Path, side: LabSide, /, *, json: Json = False) -> int:
    """Print the state of a simulated server as JSON.

    Args:
        folder: The lab.
        side: The server.
        json: Print it on one line instead of indented.
    """
    from deploy import lab

    state = _lab(lambda: lab.state(_own(folder), side))
    dump_json(state, sys.stdout, indent=None if json else 2)
    print()
    return 0


@lab_app.command(name="catalog")
def lab_catalog(folder: Path, /, *, json: Json = False) -> CommandReport:
    """List what the lab's stand-in for the Microsoft Update Catalog has.

    Args:
        folder: The lab.
        json: Print one JSON document.
    """
    from deploy import lab

    rows = _lab(lambda: lab.catalog(_own(folder)))
    return CommandReport(
        command="lab catalog",
        site=None,
        lines=tuple(f"{update_id}  {title}" for update_id, title in rows),
        details={"updates": [{"update_id": key, "title": title} for key, title in rows]},
    )


@lab_app.command(name="serve")
def lab_serve(folder: Path, /, *, json: Json = False) -> CommandReport | int:
    """Run an sshd for both servers in the foreground.

    Args:
        folder: The lab.
        json: Print one JSON document at the end.
    """
    from deploy import lab

    with redirect_stdout(sys.stderr if json else sys.stdout):
        _lab(lambda: lab.serve(_own(folder)))
    return CommandReport(command="lab serve", site=None) if json else 0


def demo(
    folder: Path | None = None,
    /,
    *,
    ssh: Flag = False,
    ui: Flag = False,
    json: Json = False,
) -> CommandReport | int:
    """Build a lab and make the crossings of two months from end to end.

    Args:
        folder: The folder to make, by default a temporary one. It stays afterwards.
        ssh: Reach both servers over a real sshd.
        ui: Keep the Prefect server running at the end and print its URL.
        json: Print one JSON document.
    """
    from deploy.demo.two_months import run_demo

    target = None if folder is None else folder.absolute()
    return _lab(lambda: run_demo(target, ssh=ssh, ui=ui, as_json=json))


def _own(folder: Path) -> Path:
    """The folder of a lab; on stderr a warning if commands on its site files work on another one.

    The lab's own commands work on the folder that they are given, and so do its programs.
    """
    from deploy.lab.pair import copied_from

    own = folder.absolute()
    if (original := copied_from(own)) is not None:
        print(
            f"warning: {own} was copied or moved from {original}: its site files still name "
            f"that lab's programs and folders, and every command on them works there. Write "
            f"{own} in place of {original} in {own}/*/site.toml, or make a new lab.",
            file=sys.stderr,
        )
    return own


def _lab(call: Callable[[], _Result]) -> _Result:
    from deploy.lab.pair import LabError

    try:
        return call()
    except LabError as error:
        raise UsageError(reason=str(error), remedy=error.next_step) from None
