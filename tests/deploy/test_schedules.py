"""Our schedule follows its line in the site file; what people do in the pages stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prefect import flow
from prefect.variables import Variable

from deploy.prefect_server.schedules import (
    Change,
    ScheduledDeployment,
    apply_schedules,
    line_of,
    plan_change,
)
from tasks.site.schedule import Timing
from tests.support.prefect_api import client_of

LINES = st.sampled_from([None, "a", "b"])
# What happens between two starts: the file gets a line, or a person acts in the pages.
EVENTS = st.lists(st.one_of(LINES, st.sampled_from(["deleted", "paused", "resumed"])))


def test_a_change_is_made_only_where_the_line_has_changed() -> None:
    cases: dict[tuple[str | None, str | None, bool], Change] = {
        (None, None, False): "none",
        (None, None, True): "none",
        ("a", None, False): "create",
        ("a", None, True): "change",  # killed after it was created, before that was noted
        ("a", "a", True): "none",
        ("a", "a", False): "none",  # a person deleted it
        ("b", "a", True): "change",
        ("b", "a", False): "create",
        (None, "a", True): "remove",
        (None, "a", False): "none",
    }

    assert {case: plan_change(case[0], case[1], exists=case[2]) for case in cases} == cases


@given(EVENTS)
def test_after_any_history_the_schedule_is_that_of_its_newest_line_or_as_a_person_left_it(
    events: list[str | None],
) -> None:
    line = applied = shown = None
    is_paused = was_deleted = False
    for event in events:
        if event == "deleted":
            was_deleted, shown = was_deleted or shown is not None, None
        elif event in {"paused", "resumed"}:
            is_paused = shown is not None and event == "paused"
        else:
            was_deleted = was_deleted and line == event
            line = event
        paused_before = is_paused
        change = plan_change(line, applied, exists=shown is not None)
        if change in {"create", "change"}:
            is_paused = is_paused and change == "change"
            shown = line
        elif change == "remove":
            shown, is_paused = None, False
        applied = line
        assert shown == (None if was_deleted else line)
        if change in {"none", "change"}:
            assert is_paused == paused_before


def test_a_line_is_the_same_whatever_the_order_and_spaces_of_its_keys() -> None:
    first = Timing.model_validate({"cron": "0 5 * * 0", "time_zone": "UTC"})
    second = Timing.model_validate({"time_zone": "UTC", "cron": " 0 5  * * 0"})

    assert line_of(first) == line_of(second)
    assert line_of(first) != line_of(Timing(cron="0 5 * * 1"))
    assert line_of(None) is None


def test_many_sites_have_schedules_and_an_older_version_s_lines_count(shared_api: str) -> None:
    nightly, weekly = Timing(cron="0 3 * * *"), Timing(cron="0 3 * * 1")
    with client_of(shared_api) as client:
        flow = client.create_flow(many)
        ids = [client.create_deployment(flow, f"site{number}") for number in range(60)]
        Variable.set("wsus_airgap_schedules", {str(ids[0]): line_of(nightly)}, overwrite=True)

        apply_schedules(client, [ScheduledDeployment(each, nightly) for each in ids])
        shown = [client.read_deployment_schedules(each) for each in ids]
        apply_schedules(client, [ScheduledDeployment(ids[0], weekly)])
        apply_schedules(client, [ScheduledDeployment(each, None) for each in ids[:2]])
        after = [client.read_deployment_schedules(each) for each in ids[:3]]

    # That of the first was applied before, and somebody has deleted it since.
    assert [len(each) for each in shown] == [0] + [1] * 59
    assert [len(each) for each in after] == [0, 0, 1]


@flow
def many() -> None:
    """Nothing."""
