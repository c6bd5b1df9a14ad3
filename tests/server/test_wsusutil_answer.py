"""The question to wsusutil: asked only where it disturbs nobody, and judged by how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tasks.checks.facts.own import ProgramAnswer
from tasks.hosts.host import CommandResult
from tasks.run.context import RunContext
from tasks.server.examination import examine_server
from tasks.server.wsusutil_answer import ask_wsusutil
from tests.checks.facts import LINES
from tests.metadata.facts import LINE
from tests.support.memory_host import MemoryHost

LISTING = {"process_id": 7, "command_line": "WsusUtil.exe listinactiveapprovals", "since": None}
RESET = {"process_id": 8, "command_line": "WsusUtil.exe reset", "since": None}


def asked(run: RunContext, *, service: str, at_work: Sequence[object]) -> list[list[str]]:
    """The commands that an examination starts on such a server."""
    commands: list[list[str]] = []

    def answer(command: Sequence[str], _: bytes) -> CommandResult:
        commands.append(list(command))
        return CommandResult(0, "", "")

    machine = {"kind": "machine", **LINES["machine"], "service_status": service}
    status = {"kind": "service", "status": service, "wsusutil": list(at_work)}
    lines = {"read-server": [LINE, machine], "control-service": [status]}
    server = MemoryHost(
        run_script=lambda script, *_: iter([*lines[script.name], {"kind": "end"}]), run=answer
    )
    examine_server(replace(run, server=server))
    return commands


@pytest.mark.parametrize(
    ("service", "at_work", "is_asked"),
    [
        ("Running", (), True),
        ("Running", (LISTING,), True),
        ("Running", (RESET,), False),
        ("Stopped", (), False),
    ],
)
def test_wsusutil_is_asked_only_beside_none_that_works_and_while_the_service_runs(
    disconnected: RunContext, service: str, at_work: Sequence[object], *, is_asked: bool
) -> None:
    commands = asked(disconnected, service=service, at_work=at_work)
    assert commands == ([["false", "listinactiveapprovals"]] if is_asked else [])


def test_the_end_of_wsusutil_is_told_with_its_last_line_if_it_failed() -> None:
    def told(*result: object) -> ProgramAnswer | None:
        host = MemoryHost(run=lambda *_: CommandResult(*result))  # type: ignore[arg-type]
        return ask_wsusutil(host, ["WsusUtil.exe"])

    assert told(0, "A title\n", "") == ProgramAnswer(exit_code=0)
    assert told(1, "one\nUnable to get a list.\n\n", "") == ProgramAnswer(
        exit_code=1, last_line="Unable to get a list."
    )
    missing = ask_wsusutil(MemoryHost(), ["WsusUtil.exe"])
    assert missing is not None
    assert missing.exit_code is None
    assert "no such program" in missing.last_line
