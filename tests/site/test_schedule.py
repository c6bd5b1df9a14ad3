"""Lines of [schedule]: Patch Tuesday held against the calendar, and what is no line."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule as ClientSchedule
from prefect.server.schemas.schedules import CronSchedule
from pydantic import ValidationError

from deploy.prefect_server.schedules import cron_of
from tasks.errors import SiteFileError
from tasks.site.reading import read_site
from tasks.site.schedule import LARGEST_PLUS, Timing
from tests.support.runs import write_site_file

BEGIN, YEARS = datetime(2026, 1, 1, tzinfo=UTC), 10
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")


def runs_of(schedule: ClientSchedule, until: datetime) -> Iterator[datetime]:
    """The times that Prefect's server makes of a schedule."""
    made = CronSchedule.model_validate(schedule.model_dump())
    yield from made._get_dates_generator(start=BEGIN, end=until)


def second_tuesday(year: int, month: int) -> date:
    weeks = calendar.Calendar().monthdatescalendar(year, month)
    tuesdays = [week[calendar.TUESDAY] for week in weeks if week[calendar.TUESDAY].month == month]
    return tuesdays[1]


@pytest.mark.parametrize(
    ("plus", "zone"), [(plus, ZONES[plus % len(ZONES)]) for plus in range(LARGEST_PLUS + 1)]
)
def test_days_after_patch_tuesday_are_those_of_the_calendar_for_ten_years(
    plus: int, zone: str
) -> None:
    timing = Timing(patch_tuesday_plus=plus, at="03:30", time_zone=zone)
    expected = [
        datetime.combine(second_tuesday(year, month) + timedelta(days=plus), time(3, 30))
        for year in range(BEGIN.year, BEGIN.year + YEARS)
        for month in range(1, 13)
    ]
    until = datetime(BEGIN.year + YEARS, 1, 1, tzinfo=ZoneInfo(zone))
    moments = [moment.astimezone(ZoneInfo(zone)) for moment in runs_of(cron_of(timing), until)]

    assert [moment.replace(tzinfo=None) for moment in moments] == expected


# On these days 02:30 does not exist, or exists twice, in that zone.
@pytest.mark.parametrize(
    ("plus", "zone", "day"),
    [
        (12, "Europe/Berlin", date(2028, 3, 26)),
        (5, "America/New_York", date(2027, 3, 14)),
        (12, "Europe/Berlin", date(2026, 10, 25)),
    ],
)
def test_a_day_on_which_the_clocks_change_has_its_run_and_no_second_one(
    plus: int, zone: str, day: date
) -> None:
    assert second_tuesday(day.year, day.month) + timedelta(days=plus) == day
    timing = Timing(patch_tuesday_plus=plus, at="02:30", time_zone=zone)
    until = datetime(day.year + 1, 1, 1, tzinfo=UTC)
    moments = [moment.astimezone(ZoneInfo(zone)) for moment in runs_of(cron_of(timing), until)]

    assert len([moment for moment in moments if moment.date() == day]) == 1
    months = {(moment.year, moment.month) for moment in moments}
    assert len(months) == len(moments) == 12 * (day.year + 1 - BEGIN.year)


def test_three_days_after_patch_tuesday_is_the_expression_that_is_documented() -> None:
    schedule = cron_of(Timing(patch_tuesday_plus=3, at="03:00", time_zone="Europe/Berlin"))

    assert (schedule.cron, schedule.timezone, schedule.day_or) == (
        *("0 3 11-17 * 5", "Europe/Berlin"),
        False,
    )


def test_a_cron_line_is_given_to_prefect_as_it_stands() -> None:
    schedule = cron_of(Timing(cron="0  5 * *   0", time_zone="Asia/Kolkata"))

    assert (schedule.cron, schedule.timezone, schedule.day_or) == (
        "0 5 * * 0",
        "Asia/Kolkata",
        True,
    )


PART = st.one_of(
    st.just("*"),
    st.integers(-1, 70).map(str),
    st.builds("{}-{}".format, st.integers(0, 40), st.integers(0, 40)),
    st.builds("*/{}".format, st.integers(0, 40)),
    st.sampled_from(["", "x", "1-", "1,,2", "é", "H"]),
)


def test_a_line_without_a_time_of_day_is_at_three_in_the_morning() -> None:
    assert Timing(patch_tuesday_plus=3).expression == "0 3 11-17 * 5"


@given(st.lists(st.lists(PART, min_size=1, max_size=2).map(",".join), min_size=4, max_size=6))
def test_every_line_that_is_accepted_is_one_that_prefect_takes(fields: list[str]) -> None:
    try:
        timing = Timing(cron=" ".join(fields))
    except ValidationError:
        return
    cron_of(timing)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{ patch_tuesday_plus = 15, at = "03:00" }',
         "schedule.export.patch_tuesday_plus: expected 14 or less, found 15"),
        ('{ cron = "0 5 * * *", at = "03:00" }',
         "schedule.export: at belongs to patch_tuesday_plus; cron has its own time of day"),
        ('{ patch_tuesday_plus = 3, at = "3:00" }',
         "schedule.export.at: expected a time such as 03:00"),
        ('{ cron = "0 5 * *" }',
         "schedule.export.cron: expected five fields: minute, hour, day, month, day of the week"),
        ('{ cron = "60 5 * * *" }',
         ("schedule.export.cron: '60' is no minute of cron: expected *, a number from 0 to 59, "
          "a range such as 1-5, or one of these with a step such as */2")),
        ('{ cron = "0 5 * * *", time_zone = "Mars" }',
         ("schedule.export.time_zone: no time zone is called 'Mars'; "
          "expected one such as Europe/Berlin")),
        ('{ time_zone = "UTC" }', "schedule.export: expected either cron or patch_tuesday_plus"),
        ('"0 5 * * *"', "schedule.export: expected a table, found '0 5 * * *'"),
        ('{ corn = "0 5 * * *" }', "schedule.export.corn: unknown key; did you mean cron?"),
    ],
)  # fmt: skip
def test_what_is_no_line_is_said_with_its_key(tmp_path: Path, line: str, fault: str) -> None:
    site = write_site_file(tmp_path, side="staging")
    site.write_text(f"{site.read_text()}\n[schedule]\nexport = {line}\n", encoding="utf-8")

    with pytest.raises(SiteFileError) as caught:
        read_site(site)

    assert fault in [problem.partition(": ")[2] for problem in caught.value.problems]
    assert all(problem.startswith("line ") for problem in caught.value.problems)


def test_lines_of_both_sides_may_stand_in_one_file(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    lines = '[schedule]\nimport = { cron = "0 5 * * 0" }\nexport = { cron = "0 4 * * 0" }\n'
    site.write_text(f"{site.read_text()}\n{lines}", encoding="utf-8")

    assert {name: line.cron for name, line in read_site(site).schedule.timings.items()} == {
        "import": "0 5 * * 0",
        "export": "0 4 * * 0",
    }
