"""The start of a PowerShell engine as a server's own, with the rules behind a pipe.

The engine is ``pwsh`` from the PATH, or else ``powershell`` on Windows. Without an engine, or if
``WSUS_LAB_POWERSHELL`` is ``stand-in``, the stand-in answers. The engine shares our standard
streams; we pass on its exit code, and signals to it.

.NET's start-up hook loads the types, so that the arguments stay unchanged. That is not enough on
Windows: Windows PowerShell has no such hook, and Windows has commands with the names of ours. There
(or if ``WSUS_LAB_POWERSHELL`` is ``prefix``) a prefix to the command loads types and commands.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from deploy.lab.powershell import assembly, command_line
from deploy.lab.powershell.environment import of_windows
from deploy.lab.rules import machine
from deploy.lab.rules.server import Server
from deploy.lab.store import database

CHOICE = "WSUS_LAB_POWERSHELL"
STAND_IN = "stand-in"
PREFIX = "prefix"
_MODE = "$ExecutionContext.SessionState.LanguageMode"
_PIPE = "WSUS_LAB_PIPE"
_MODULES = Path(__file__).parent / "modules"
# The limit for the last call of an engine that has ended.
_LAST_CALL_SECONDS = 5.0


def main(arguments: Sequence[str]) -> int:
    """Run as ``DIR/<side>/powershell``; gives the exit code.

    Args:
        arguments: ``DIR/<side>``, then the arguments of PowerShell.
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
    if (mode := _language_mode(side_folder)) != "FullLanguage":
        taken = command_line.with_prefix(taken, f"{_MODE} = {command_line.quoted(mode)};")
    if sys.platform == "win32" or choice == PREFIX:
        return _run(engine, side_folder, command_line.with_prefix(taken, _prefix(types)), variables)
    return _run(engine, side_folder, taken, variables | {"DOTNET_STARTUP_HOOKS": str(types)})


def _language_mode(side_folder: Path) -> str:
    """The language mode that application control of the machine lets PowerShell have."""
    try:
        connection = database.opened(side_folder / "server")
    except FileNotFoundError:
        return "FullLanguage"
    with closing(connection):
        return str(machine.read(Server(side_folder, connection), "machine.language_mode"))


def answering_engine() -> Path | None:
    """The engine that answers; None if the stand-in does, by choice or without an engine."""
    return None if os.environ.get(CHOICE) == STAND_IN else find_engine()


def find_engine() -> Path | None:
    """The PowerShell engine of this machine, if it has one."""
    program = shutil.which("pwsh")
    if program is None and sys.platform == "win32":
        program = shutil.which("powershell")
    return None if program is None else Path(program)


def _prefix(types: Path) -> str:
    """The prefix by which a command finds the types, and our commands before those of Windows."""
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
        # On Windows a child inherits all inheritable handles or none.
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
    # This variable is meant for this Python only.
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
    """Ignore Ctrl-C, which the engine gets itself, and pass on signals that only we get."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: process.send_signal(received))


def _answer_all(side_folder: Path, requests: int, answers: int) -> None:
    """Answer until the engine and all that it started have closed the pipe."""
    from deploy.lab.rules import dispatch
    from deploy.lab.rules.opened_server import open_server

    with (
        open(requests, encoding="utf-8", newline="\n") as request_lines,
        open(answers, "w", encoding="utf-8", newline="\n") as answer_lines,
    ):
        server = None
        try:
            for request in request_lines:
                # Opened at the first call: a script may never call the API.
                server = server or open_server(side_folder)
                answer_lines.writelines(dispatch.answer(server, request))
                answer_lines.flush()
        except BrokenPipeError:
            pass
        finally:
            if server is not None:
                server.close()
