"""The stand-in, which answers the product's scripts on a machine without a PowerShell engine.

It knows the scripts by file name and writes the output of each through the same rules as the API.
It does not read the scripts; a test with a real engine shows that both outputs agree. Beside them
it tells its language mode. It refuses anything else, and gives the reason.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from deploy.lab.powershell.stand_in import (
    apply_approvals,
    catalog_import,
    files,
    jobs,
    probe,
    read_scripts,
    repairs,
)
from deploy.lab.powershell.stand_in.run import Run, ScriptError
from deploy.lab.rules import machine
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import RuleError

SCRIPTS: dict[str, Callable[[Run], None]] = {
    "apply-approvals.ps1": apply_approvals.apply_approvals,
    "apply-repair.ps1": repairs.apply_repair,
    "catalog-import.ps1": catalog_import.catalog_import,
    "control-service.ps1": jobs.control_service,
    "hash-files.ps1": files.hash_files,
    "place-files.ps1": files.place_files,
    "prepare-folder.ps1": files.prepare_folder,
    "probe-server.ps1": probe.probe_server,
    "read-approvals.ps1": read_scripts.read_approvals,
    "read-server.ps1": read_scripts.read_server,
    "read-updates.ps1": read_scripts.read_updates,
    "read-license-files.ps1": read_scripts.read_license_files,
    "read-volume.ps1": files.read_volume,
    "control-downloads.ps1": jobs.control_downloads,
    "start-synchronisation.ps1": repairs.start_synchronisation,
    "start-detached.ps1": jobs.start_detached,
    "supervise-job.ps1": jobs.supervise_job,
}
_NO_ENGINE = (
    "powershell: this machine has no PowerShell engine (pwsh on the PATH); the stand-in answers"
    " the product's own scripts, and nothing else."
)
_MODE = "$ExecutionContext.SessionState.LanguageMode"
_RESTRICTED = (
    "Cannot invoke method. Method invocation is supported only on core types in this language mode."
)
_MISSING_SCRIPT = 64


def main(side_folder: Path, arguments: Sequence[str]) -> int:
    """Run as PowerShell of a server; gives the exit code."""
    mode = _language_mode(side_folder)
    if list(arguments[-2:]) == ["-Command", _MODE]:
        print(mode)
        return 0
    given = _script(arguments)
    if given is None:
        return _failed(_NO_ENGINE)
    path, parameters = given
    if not path.is_file():
        print(f"The argument '{path}' to the -File parameter does not exist.", file=sys.stderr)
        return _MISSING_SCRIPT
    script = SCRIPTS.get(path.name.lower())
    if script is None or mode != "FullLanguage":
        return _failed(_NO_ENGINE if script is None else f"{path}: {_RESTRICTED}")
    return _run(script, Run(side_folder, path, parameters))


def _run(script: Callable[[Run], None], run: Run) -> int:
    try:
        script(run)
    except (RuleError, ScriptError, OSError) as error:
        return _failed(f"{run.script}: {error}")
    finally:
        run.close()
    return 0


def _failed(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


def _language_mode(side_folder: Path) -> str:
    with closing(open_server(side_folder)) as server:
        return str(machine.read(server, "machine.language_mode"))


def _script(arguments: Sequence[str]) -> tuple[Path, dict[str, str]] | None:
    """The script of ``-File`` and its parameters by lower-case name; None without a script."""
    for position, argument in enumerate(arguments):
        if argument.lower() in {"-file", "-f"} and position + 1 < len(arguments):
            rest = iter(arguments[position + 2 :])
            return Path(arguments[position + 1]), dict(_pairs(rest))
    return None


def _pairs(rest: Iterator[str]) -> Iterator[tuple[str, str]]:
    for name in rest:
        yield name.lstrip("-").lower(), next(rest, "")
