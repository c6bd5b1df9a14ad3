"""The scripts of a repair: settings and restarts, and the synchronisation that follows."""

from __future__ import annotations

from typing import Any

from deploy.lab.powershell.stand_in.run import Run, ScriptError
from deploy.lab.rules import configuration, registry, windows
from deploy.lab.rules.server import RuleError

_ALLOWED = {
    ("configuration", None, "MUUrl"),
    ("configuration", None, "RedirectorChangeNumber"),
    ("registry", r"SOFTWARE\Microsoft\.NETFramework\v4.0.30319", "SchUseStrongCrypto"),
}
_SERVICES = {"iis": "W3SVC", "WsusService": "WsusService", "W3SVC": "W3SVC"}
_NOT_SET = "not set"


def apply_repair(run: Run) -> None:
    """Answer ``apply-repair.ps1``."""
    restarts = list(run.settings["restarts"])
    settings = list(run.asked())
    for setting in settings:
        if (setting["where"], setting["key"], setting["name"]) not in _ALLOWED:
            raise ScriptError(f"no repair sets {setting['name']}")
    if unknown := [what for what in restarts if what not in _SERVICES]:
        raise ScriptError(f"no repair restarts {unknown[0]}")
    run.begin()
    busy = windows.processes(run.server)
    differing = [
        setting
        for setting in settings
        if _present(run, setting) not in (setting["from"], setting["to"])
    ]
    for row in busy:
        run.write(kind="beside", command_line=row.command_line)
    if not busy:
        for setting in differing:
            _write(run, setting, "differs", _present(run, setting))
        if not differing:
            _apply(run, settings, restarts)
    run.end()


def _apply(run: Run, settings: list[dict[str, Any]], restarts: list[str]) -> None:
    changes = {}
    for setting in settings:
        is_there = _present(run, setting) == setting["to"]
        if not is_there and setting["where"] == "configuration":
            changes[setting["name"]] = setting["to"]
        elif not is_there:
            _set_value(run, setting)
        _write(run, setting, "already" if is_there else "done", setting["to"])
    if changes:
        configuration.save(run.server, changes)
    for what in restarts:
        problem = None
        try:
            windows.stop_named(run.server, _SERVICES[what])
            windows.start_named(run.server, _SERVICES[what])
        except RuleError as error:
            problem = str(error)
        run.write(kind="restart", what=what, problem=problem)


def _set_value(run: Run, setting: dict[str, Any]) -> None:
    if setting["to"] == _NOT_SET:
        registry.remove_value(run.server, setting["key"], setting["name"])
    else:
        registry.write_value(run.server, setting["key"], setting["name"], setting["to"])


def _present(run: Run, setting: dict[str, Any]) -> Any:
    if setting["where"] == "configuration":
        return configuration.read(run.server, setting["name"])
    values = registry.read_key(run.server, setting["key"]) or {}
    return values.get(setting["name"], _NOT_SET)


def _write(run: Run, setting: dict[str, Any], result: str, value: Any) -> None:
    same = {name: setting[name] for name in ("where", "key", "name")}
    run.write(kind="setting", **same, result=result, value=value)


def start_synchronisation(run: Run) -> None:
    """Answer ``start-synchronisation.ps1``."""
    is_free = configuration.synchronization_status(run.server) == "NotProcessing"
    if is_free:
        configuration.synchronize(run.server, manual=True)
    run.write(kind="synchronisation", started=is_free)
    run.end()
