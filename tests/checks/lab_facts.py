"""Facts of a lab's server, read in this process: as the script would, and without one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tasks.scripts
from deploy import lab
from deploy.lab.powershell import stand_in
from deploy.lab.rules import distribution_log
from deploy.lab.rules.opened_server import open_server
from tasks.checks.facts.gathered import DISCONNECTED_TOPICS, STAGING_TOPICS, Facts, topics_of
from tasks.checks.facts.own import Own
from tasks.metadata.server import ServerFacts
from tasks.names import Side
from tests.checks.facts import OWN

_SCRIPT = Path(tasks.scripts.__file__).parent / "read-server.ps1"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the log of the staging server, and the time that has passed since."""

    age: timedelta
    level: str
    method: str
    message: str


def copy_of(healthy: Path, folder: Path, *, past: Iterable[LogEntry] = ()) -> Path:
    """A copy of a lab whose staging server has one good synchronisation behind it.

    Args:
        healthy: The lab.
        folder: Where the copy goes.
        past: All that its log holds from before the last start of the service.
    """
    shutil.copytree(healthy, folder, dirs_exist_ok=True)
    shutil.rmtree(distribution_log.folder(folder / "staging" / "server"), ignore_errors=True)
    write_log(folder, past)
    change(folder, {})
    return folder


def write_log(folder: Path, entries: Iterable[LogEntry]) -> None:
    """Append entries to the log of the staging server."""
    for entry in entries:
        moment = datetime.now(UTC) - entry.age
        words = (entry.level, entry.method, entry.message)
        distribution_log.append(folder / "staging" / "server", *words, moment=moment)


def change(folder: Path, settings: Mapping[str, Any], *, side: str = "staging") -> None:
    """Set settings of a server, and start its service so that its log shows them."""
    from deploy.lab.rules import configuration

    with closing(open_server(folder / side)) as server:
        for name, value in settings.items():
            server.set_setting(name, value)
        configuration.start_service(server)


def turn(folder: Path, knobs: Iterable[str], *, side: str = "staging") -> None:
    """Turn knobs on, in their order; each that makes synchronisations fail starts one."""
    for knob in knobs:
        lab.set_fault(folder, side, knob, True)


def facts_of(
    folder: Path, side: Side = Side.STAGING, *, renamed: Mapping[str, str] | None = None
) -> Facts:
    """Read all topics of a server.

    Args:
        folder: The lab.
        side: The server.
        renamed: Names of hosts that the answer shows instead of others.
    """
    topics = STAGING_TOPICS if side is Side.STAGING else DISCONNECTED_TOPICS
    request, answer = folder / "request.jsonl", folder / "answer.jsonl"
    asked = {"kind": "settings", "since": None, "topics": topics, "content_work_dir": None}
    request.write_text(json.dumps(asked) + "\n", encoding="utf-8")
    words = ["-File", str(_SCRIPT), "-InputFile", str(request), "-OutputFile", str(answer)]
    assert stand_in.main(folder / side.value, words) == 0
    text = answer.read_text(encoding="utf-8")
    for old, new in (renamed or {}).items():
        text = text.replace(old, new)
    lines = [json.loads(line) for line in text.splitlines()]
    servers = [ServerFacts.model_validate(line) for line in lines if line["kind"] == "server"]
    others = [line for line in lines if line["kind"] not in {"server", "end"}]
    return Facts(
        side=side,
        now=datetime.now(UTC),
        own=Own.model_validate(OWN),
        server=servers[0] if servers else None,
        **topics_of(others),
    )
