"""What is asked of a server, and what is made of answers that say other things than they should."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tasks.approvals.capture import ServerDecisions
from tasks.errors import ScriptFailedError
from tasks.metadata.server import ServerFacts
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.server import queries, wsusutil_run
from tests.approvals.building import approval, decisions, decline
from tests.metadata.facts import LINE, server_facts


def test_an_answer_of_another_shape_is_told_by_the_field_in_one_line() -> None:
    with pytest.raises(ScriptFailedError) as caught, queries.answer_errors("read-server"):
        ServerFacts.model_validate(LINE | {"update_count": "many", "clock": None})
    assert "update_count: Input should be a valid integer" in caught.value.message
    assert caught.value.message.endswith(", and 1 more")
    assert "\n" not in caught.value.message


def test_a_number_that_is_none_is_an_answer_of_another_shape() -> None:
    with pytest.raises(ScriptFailedError), queries.answer_errors("apply-approvals"):
        int(json.loads('{"n": Infinity}')["n"])


@pytest.mark.parametrize("seen", [None, "Stopped"])
def test_a_service_that_runs_after_all_was_not_started(
    disconnected: RunContext, monkeypatch: pytest.MonkeyPatch, seen: str | None
) -> None:
    facts = server_facts(service_status=seen)
    monkeypatch.setattr(queries, "read_server", lambda *_, **__: facts)
    running = queries.ServiceState(status="Running")
    monkeypatch.setattr(queries, "query_service", lambda *_: running)
    assert queries.read_running_server(disconnected) == facts
    assert disconnected.report.notices == []


def test_decisions_are_no_fewer_than_the_server_counted(
    staging: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ServerDecisions(decisions(approval(1), approval(2), decline(3)), {})
    monkeypatch.setattr(queries, "read_approvals", lambda _: found)
    facts = server_facts(approved_count=2, declined_count=1)
    assert queries.read_all_approvals(staging, facts) == found
    for more, sentence in (
        ({"approved_count": 3}, "counts 3 approved updates, and it names 2"),
        ({"declined_count": 2}, "counts 2 declined updates, and it names 1"),
    ):
        with pytest.raises(ScriptFailedError, match=sentence):
            queries.read_all_approvals(staging, facts.model_copy(update=more))


def test_a_catalogue_is_asked_for_in_parts(
    disconnected: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsusutil_run, "_QUERY_REVISIONS", 2)
    asked: list[int] = []

    def answer(_: RunContext, keys: list[tuple[str, int]]) -> Iterator[tuple[object, object]]:
        asked.append(len(keys))
        return ((key, {}) for key in keys if key[1] != 3)

    monkeypatch.setattr(wsusutil_run, "read_revisions", answer)

    def wanted() -> Iterator[RevisionId]:
        yield from (RevisionId("id", number) for number in range(5))

    missing = wsusutil_run._look_up(disconnected, wanted())
    assert asked == [2, 2, 1]
    assert (missing.count, missing.first) == (1, "id revision 3")
