"""Starts a PowerShell engine as the server's own, with the rules behind a pipe.

Which engine: ``pwsh`` from the PATH, on Windows else ``powershell``. Without one, or when
``WSUS_LAB_POWERSHELL`` is ``stand-in``, the stand-in answers. Standard streams, exit code and
signals of the engine are ours.

The types are loaded by .NET's start-up hook, and the arguments stay as they came. On Windows (or
when ``WSUS_LAB_POWERSHELL`` is ``prefix``) that is not enough: Windows PowerShell knows no hook,
and Windows has commands of the names of ours. There the command gets a beginning that loads both.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.lab.powershell import assembly, command_line
from deploy.lab.powershell.environment import of_windows

CHOICE = "WSUS_LAB_POWERSHELL"
STAND_IN = "stand-in"
PREFIX = "prefix"
_PIPE = "WSUS_LAB_PIPE"
_MODULES = Path(__file__).parent / "modules"
# How long a call that was under way when the engine ended may still take.
_LAST_CALL_SECONDS = 5.0


def main(arguments: Sequence[str]) -> int:
    """Run as ``DIR/<side>/powershell``; gives the exit code.

    Args:
        arguments: ``DIR/<side>``, then what PowerShell takes.
    """
    side_folder, given = Path(arguments[0]), list(arguments[1:])
    choice, engine = os.environ.get(CHOICE), answering_engine()
    if engine is None:
        from deploy.lab.powershell import stand_in

        return stand_in.main(side_folder, given)
    try:
        types = assembly.compiled(engine, side_folder / "server")
    except assembly.BuildError as error:
        print(f"powershell: {error}", file=sys.stderr)
        return 1
    variables = of_windows(side_folder, types)
    taken = command_line.as_windows_takes_them(given)
    if sys.platform == "win32" or choice == PREFIX:
        return _run(engine, side_folder, command_line.with_prefix(taken, _prefix(types)), variables)
    return _run(engine, side_folder, taken, variables | {"DOTNET_STARTUP_HOOKS": str(types)})


def answering_engine() -> Path | None:
    """The engine that answers; None where the stand-in does, by choice or for want of one."""
    return None if os.environ.get(CHOICE) == STAND_IN else find_engine()


def find_engine() -> Path | None:
    """The PowerShell engine of this machine, if it has one."""
    found = shutil.which("pwsh")
    if found is None and sys.platform == "win32":
        found = shutil.which("powershell")
    return None if found is None else Path(found)


def _prefix(types: Path) -> str:
    """What a command begins with so that it finds the types, and our commands before Windows'."""
    return (
        f"[void][Reflection.Assembly]::LoadFrom({command_line.quoted(str(types))});"
        " Import-Module LabWindows -DisableNameChecking;"
    )


def _run(
    engine: Path,
    side_folder: Path,
    arguments: list[str],
    variables: Mapping[str, str],
) -> int:
    requests, requests_end = os.pipe()
    answers_end, answers = os.pipe()
    for handle in (requests_end, answers_end):
        os.set_inheritable(handle, True)  # noqa: FBT003
    process = subprocess.Popen(
        [str(engine), *arguments],
        env=_environment(variables, _handle(answers_end), _handle(requests_end)),
        # Windows inherits every handle that may be inherited, or none.
        close_fds=sys.platform != "win32",
        pass_fds=() if sys.platform == "win32" else (requests_end, answers_end),
    )
    os.close(requests_end)
    os.close(answers_end)
    _share_signals(process)
    bridge = threading.Thread(
        target=_answer_all, args=(side_folder, requests, answers), name="rules", daemon=True
    )
    bridge.start()
    code = process.wait()
    bridge.join(_LAST_CALL_SECONDS)
    return code if code >= 0 else 128 - code


def _environment(variables: Mapping[str, str], reads: int, writes: int) -> dict[str, str]:
    environment = dict(variables)
    # Ours, for this Python alone.
    environment.pop("PYTHONPATH", None)
    paths = [str(_MODULES), environment.get("PSModulePath", "")]
    environment |= {
        _PIPE: f"{reads},{writes}",
        "PSModulePath": os.pathsep.join(filter(None, paths)),
        "POWERSHELL_TELEMETRY_OPTOUT": "1",
        "POWERSHELL_UPDATECHECK": "Off",
    }
    return environment


def _handle(descriptor: int) -> int:
    if sys.platform == "win32":
        import msvcrt

        return int(msvcrt.get_osfhandle(descriptor))
    return descriptor


def _share_signals(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C reaches the engine by itself; what is meant for us alone is handed on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: process.send_signal(received))


def _answer_all(side_folder: Path, requests: int, answers: int) -> None:
    """Answer until the engine and all that it started have closed the pipe."""
    from deploy.lab.rules import dispatch
    from deploy.lab.rules.opening import open_server

    with (
        open(requests, encoding="utf-8", newline="\n") as asked,
        open(answers, "w", encoding="utf-8", newline="\n") as told,
    ):
        server = None
        try:
            for request in asked:
                # Opened for the first call: most of a script's life may have nothing to do with it.
                server = server or open_server(side_folder)
                told.writelines(dispatch.answer(server, request))
                told.flush()
        except BrokenPipeError:
            pass
        finally:
            if server is not None:
                server.close()
