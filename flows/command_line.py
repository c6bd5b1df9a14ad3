"""Console script: parse a command, carry it out, print one report, end with one exit code.

The commands are in ``flows/commands``; the lab's are in ``deploy/demo/lab_commands.py``.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
from pathlib import Path

from cyclopts import App, CycloptsError, Group

from deploy.demo.lab_commands import demo, lab_app
from flows.commands.crossing import (
    accept,
    audit,
    catalog_import,
    check,
    export,
    import_,
    verify,
)
from flows.commands.decisions import decide, list_held, list_parked
from flows.commands.examples import give_examples
from flows.commands.explanation import explain
from flows.commands.inspection import show, sign
from flows.commands.mending import restore_deleted, site_recover
from flows.commands.repairing import repair
from flows.commands.service import up
from flows.commands.setup import completion_command, keygen, site_app
from flows.commands.state import history, probe, status
from flows.commands.upkeep import backup, restore, tidy
from tasks.errors import AirGapError, StoppedError, UsageError
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.terminal import discard_output, open_streams, print_lines, print_report
from tasks.version import VERSION
from tasks.visible import visible_lines

_stopped = threading.Event()

_ENDED_BY_SIGNALS = {"up"}  # a signal is their right end

_MONTHLY = Group("Every month", sort_key=1)
_LOOK = Group("Look", sort_key=2)
_MEND = Group("Put right", sort_key=3)
_SET_UP = Group("Set up", sort_key=4)
_TRY = Group("Try", sort_key=5)

app = App(
    name="wsus-airgap",
    help="Carry Microsoft WSUS across an air gap.",
    version=VERSION,
    suppress_keyboard_interrupt=False,  # an interrupt ends with our document and exit code
)
app.command(export, group=_MONTHLY)
app.command(sign, group=_MONTHLY)
app.command(verify, group=_MONTHLY)
app.command(import_, name="import", group=_MONTHLY)
app.command(accept, group=_MONTHLY)
app.command(audit, group=_MONTHLY)
app.command(decide, group=_MONTHLY)
app.command(tidy, group=_MONTHLY)
app.command(catalog_import, name="catalog-import", group=_MONTHLY)
app.command(check, group=_LOOK)
app.command(show, group=_LOOK)
app.command(status, group=_LOOK)
app.command(list_held, name="held", group=_LOOK)
app.command(list_parked, name="parked", group=_LOOK)
app.command(history, group=_LOOK)
app.command(probe, group=_LOOK)
app.command(explain, group=_LOOK)
app.command(repair, group=_MEND)
app.command(restore_deleted, group=_MEND)
app.command(up, group=_SET_UP)
app.command(keygen, group=_SET_UP)
app.command(completion_command(app), name="install-completion", group=_SET_UP)
app.command(backup, group=_SET_UP)
app.command(restore, group=_SET_UP)
site_app.command(site_recover, name="recover")
app.command(site_app)
app.command(demo, group=_TRY)
app.command(lab_app)
site_app.group = (_SET_UP,)
lab_app.group = (_TRY,)
give_examples(app)


def main() -> None:
    """Run the command line of this process and end it."""
    open_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    exit_code = run(sys.argv[1:])
    gc.freeze()  # else the interpreter looks for garbage for most of a second before it ends
    sys.exit(exit_code)


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does, so that locks are released and the document is printed."""
    _stopped.set()
    raise KeyboardInterrupt


def run(words: list[str]) -> int:
    """Carry out a command, print its report, and return its exit code."""
    answer = _carry_out(words, command := _command_of(words))
    if _stopped.is_set() and command not in _ENDED_BY_SIGNALS and not _reports_stop(answer):
        # Prefect may have turned the interrupt into another error.
        site = answer.site if isinstance(answer, CommandReport) else None
        answer = failure_report(command, StoppedError(command=command), site=site)
    if not isinstance(answer, CommandReport):
        return answer if isinstance(answer, int) else 0
    print_report(answer, as_json="--json" in words)
    return answer.exit_code


def _reports_stop(answer: object) -> bool:
    """Return True if the run itself reported the stop; its report also names work that goes on."""
    errors = answer.errors if isinstance(answer, CommandReport) else ()
    return any(error.kind == StoppedError.kind for error in errors)


def _carry_out(words: list[str], command: str) -> object:
    """Carry out the command and return its answer; every error becomes a report."""
    try:
        _require_utf8([*words, str(Path.cwd())])
        words = _command_first(words)
        return app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return failure_report(command, UsageError(reason=" ".join(str(error).split())))
    except KeyboardInterrupt:
        return failure_report(command, StoppedError(command=command))
    except BrokenPipeError:
        discard_output(sys.stdout)  # the reader of `lab state` or `--help` stopped reading
        return 0
    except (AirGapError, OSError) as error:
        return failure_report(command, error)
    except Exception as error:  # noqa: BLE001  at this edge every end is a report
        print_lines(visible_lines(traceback.format_exc()).splitlines(), sys.stderr)
        return failure_report(command, error)


def _require_utf8(words: list[str]) -> None:
    """Require UTF-8, which reports, databases and Prefect need and POSIX file names may not be.

    Raises:
        UsageError: A word, or the working folder, is not UTF-8.
    """
    for word in words:
        shown = word.encode(errors="backslashreplace").decode()
        if shown != word:
            raise UsageError(
                reason=f"{shown} is not UTF-8",
                remedy="Rename that folder, or mount the medium so that its names are UTF-8.",
            )


def _command_first(words: list[str]) -> list[str]:
    """Move options that most commands have behind the command, before which people type them.

    The words ``help`` and ``version`` alone are taken for the options.
    """
    if words in (["help"], ["version"]):
        return [f"--{words[0]}"]
    before: list[str] = []
    rest = list(words)
    while rest[:1] == ["--json"] or (rest[:1] == ["--site"] and len(rest) > 2):
        count = 1 if rest[0] == "--json" else 2
        before += rest[:count]
        rest = rest[count:]
    return rest + before


def _command_of(words: list[str]) -> str:
    names = [word for word in _command_first(words) if not word.startswith("-")]
    if names[:1] == ["lab"] or names[:1] == ["site"]:
        return " ".join(names[:2])
    return names[0] if names else "wsus-airgap"


if __name__ == "__main__":
    main()
