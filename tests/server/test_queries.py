"""What is asked of a server, and what is made of answers that say other things than they should."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tasks.errors import AirGapError, ScriptFailedError, ServiceDownError
from tasks.hosts.host import Json
from tasks.metadata.server import ServerFacts
from tasks.refusals import WsusutilRunningError
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.server import queries, wsusutil_run
from tests.approvals.building import approval, decisions, decline
from tests.metadata.facts import LINE, server_facts
from tests.support.runs import Answer, on_memory_server, open_test_run, set_keys


def test_an_answer_of_another_shape_is_told_by_the_field_in_one_line() -> None:
    with pytest.raises(ScriptFailedError) as caught, queries.answer_errors("read-server"):
        ServerFacts.model_validate(LINE | {"update_count": "many", "clock": None})
    assert "update_count: Input should be a valid integer" in caught.value.message
    assert caught.value.message.endswith(", and 1 more")
    assert "\n" not in caught.value.message


def test_a_number_that_is_none_is_an_answer_of_another_shape() -> None:
    with pytest.raises(ScriptFailedError), queries.answer_errors("apply-approvals"):
        int(json.loads('{"n": Infinity}')["n"])


_RESTRICTED = """#!/bin/sh
case "$*" in
  *LanguageMode*) echo ConstrainedLanguage ;;
  *) echo "Only core types are supported in this language mode." >&2; exit 1 ;;
esac
"""


@pytest.mark.skipif(sys.platform == "win32", reason="stands in with a shell script")
def test_a_restricted_language_mode_is_named_with_the_way_out_and_nothing_is_started(
    disconnected: RunContext,
) -> None:
    powershell = disconnected.site.path.parent / "powershell"
    powershell.write_text(_RESTRICTED)
    powershell.chmod(0o755)
    set_keys(disconnected.site.path, powershell=[str(powershell)])
    with open_test_run(disconnected.site.path) as run:
        with pytest.raises(ScriptFailedError) as caught:
            queries.read_running_server(run)
        runs = [path.name for path in Path(run.folders.work_folder(run.run_id).text).iterdir()]
    assert "PowerShell is in ConstrainedLanguage mode" in caught.value.message
    assert caught.value.message.endswith("are supported in this language mode.")
    assert "server.scripts_dir" in caught.value.next_step
    assert "by hand" not in caught.value.next_step
    assert not [name for name in runs if name.startswith("control-service")]


@pytest.mark.parametrize("seen", [None, "Stopped"])
def test_a_service_that_runs_after_all_was_not_started(
    disconnected: RunContext, seen: str | None
) -> None:
    line = LINE | {"service_status": seen}
    asked: list[object] = []

    def control(request: list[Json]) -> list[Json]:
        asked.append(request[0]["action"])
        return [{"status": "Running"}]

    answers: dict[str, Answer] = {"read-server": lambda _: [line], "control-service": control}
    facts = queries.read_running_server(on_memory_server(disconnected, answers))
    assert facts == server_facts(service_status=seen)
    assert asked == ["status"]
    assert disconnected.report.notices == []


def test_a_service_that_was_stopped_is_started_and_that_is_said(disconnected: RunContext) -> None:
    status = {"service_status": "Stopped"}

    def control(request: list[Json]) -> list[Json]:
        if request[0]["action"] == "start":
            status["service_status"] = "Running"
        return [{"status": status["service_status"]}]

    answers: dict[str, Answer] = {
        "read-server": lambda _: [LINE | status],
        "control-service": control,
    }
    facts = queries.read_running_server(on_memory_server(disconnected, answers))
    assert facts.service_status == "Running"
    assert disconnected.report.notices == ["WsusService was stopped and has been started"]


@pytest.mark.parametrize(
    ("wsusutil", "error"),
    [
        ([], ServiceDownError),
        (
            [{"process_id": 7, "command_line": "WsusUtil.exe reset", "since": None}],
            WsusutilRunningError,
        ),
    ],
)
def test_a_service_that_stays_down_is_an_error_that_names_what_may_hold_it(
    disconnected: RunContext, wsusutil: list[Json], error: type[AirGapError]
) -> None:
    state = {"status": "Stopped", "wsusutil": wsusutil}
    answers: dict[str, Answer] = {
        "read-server": lambda _: [LINE | {"service_status": "Stopped"}],
        "control-service": lambda _: [state],
    }
    with pytest.raises(error):
        queries.read_running_server(on_memory_server(disconnected, answers))
    assert disconnected.report.notices == []


def test_decisions_are_no_fewer_than_the_server_counted(staging: RunContext) -> None:
    decided = decisions(approval(1), approval(2), decline(3))
    run = on_memory_server(staging, {"read-approvals": lambda _: decided.lines()})
    facts = server_facts(approved_count=2, declined_count=1)
    assert queries.read_all_approvals(run, facts).approval_set == decided
    for more, sentence in (
        ({"approved_count": 3}, "counts 3 approved updates, and it names 2"),
        ({"declined_count": 2}, "counts 2 declined updates, and it names 1"),
    ):
        with pytest.raises(ScriptFailedError, match=sentence):
            queries.read_all_approvals(run, facts.model_copy(update=more))


def test_a_catalogue_is_asked_for_in_parts(disconnected: RunContext) -> None:
    asked: list[int] = []

    def read_updates(request: list[Json]) -> Iterator[Json]:
        _settings, *items = request
        asked.append(len(items))
        for item in items:
            yield {"kind": "update", **item, "found": item["revision"] != 30_000}

    def wanted() -> Iterator[RevisionId]:
        yield from (RevisionId("id", number) for number in range(1, 50_001))

    run = on_memory_server(disconnected, {"read-updates": read_updates})
    missing = wsusutil_run._look_up(run, wanted())
    assert asked == [20_000, 20_000, 10_000]
    assert (missing.count, missing.first) == (1, "id revision 30000")


def test_an_answer_of_one_line_has_one_line(disconnected: RunContext) -> None:
    answers: tuple[list[Json], ...] = ([], [LINE, LINE])
    for lines in answers:
        run = on_memory_server(disconnected, {"control-service": partial(_give, lines)})
        with pytest.raises(ScriptFailedError, match=f"expected one line, found {len(lines)}"):
            queries.query_service(run, "status")


def _give(lines: list[Json], _request: list[Json]) -> list[Json]:
    return lines
