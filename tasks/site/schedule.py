"""``[schedule]``: the times at which ``up`` starts a command by itself.

A line names its times as a cron expression, or as a number of days after Patch Tuesday, the second
Tuesday of a month. Patch Tuesday is always one of the days 8 to 14, so the day N days later is the
one weekday among the days 8 + N to 14 + N. Every month has these days as long as N is 14 or less.
"""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LARGEST_PLUS = 14
_USUAL_TIME = "03:00"
_TUESDAY = 2  # in cron, where Sunday is 0
_FIRST_DAYS = (8, 14)  # the days of a month on which its second Tuesday may be
# Smallest and largest number of each field of a cron expression; 7 is Sunday too.
_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12))
_WEEKDAY = ("day of the week", 0, 7)
_CRON_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _cron(expression: str) -> str:
    fields = expression.split()
    limits = (*_CRON_FIELDS, _WEEKDAY)
    if len(fields) != len(limits):
        raise ValueError("expected five fields: minute, hour, day, month, day of the week")
    for field, (name, smallest, largest) in zip(fields, limits, strict=True):
        for part in field.split(","):
            match = _CRON_PART.fullmatch(part)
            numbers = [int(number) for number in match.groups()[:2] if number] if match else [-1]
            is_sound = all(smallest <= number <= largest for number in numbers)
            if not is_sound or numbers != sorted(numbers):
                raise ValueError(
                    f"{part!r} is no {name} of cron: expected *, a number from {smallest} to "
                    f"{largest}, a range such as 1-5, or one of these with a step such as */2"
                )
    return " ".join(fields)


def _time_of_day(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError("expected a time such as 03:00")
    return text


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # an unknown name is a KeyError
        sentence = f"no time zone is called {name!r}; expected one such as Europe/Berlin"
        raise ValueError(sentence) from None
    return name


class Timing(BaseModel):
    """The times of one command; either ``cron``, or ``patch_tuesday_plus`` with ``at``.

    Attributes:
        cron: Five fields as numbers: minute, hour, day, month, day of the week (Sunday is 0).
        patch_tuesday_plus: Number of days after the second Tuesday of each month.
        at: Time of day, as ``03:00``, which it is unless another is set.
        time_zone: Name in the time zone database; times are local times there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cron: Annotated[str, AfterValidator(_cron)] | None = None
    patch_tuesday_plus: Annotated[int, Field(ge=0, le=LARGEST_PLUS)] | None = None
    at: Annotated[str, AfterValidator(_time_of_day)] | None = None
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.cron is None) == (self.patch_tuesday_plus is None):
            raise ValueError("expected either cron or patch_tuesday_plus")
        if self.at is not None and self.cron is not None:
            raise ValueError("at belongs to patch_tuesday_plus; cron has its own time of day")
        return self

    @property
    def expression(self) -> str:
        """The times as a cron expression, which ``both_days`` completes."""
        if self.cron is not None or self.patch_tuesday_plus is None:
            return self.cron or ""
        moment = time.fromisoformat(self.at or _USUAL_TIME)
        first, last = (day + self.patch_tuesday_plus for day in _FIRST_DAYS)
        weekday = (_TUESDAY + self.patch_tuesday_plus) % 7
        return f"{moment.minute} {moment.hour} {first}-{last} * {weekday}"

    @property
    def both_days(self) -> bool:
        """True if both day and day of the week have to fit; cron itself is content with one."""
        return self.patch_tuesday_plus is not None


class ScheduleSection(BaseModel):
    """``[schedule]``: one line for each command that ``up`` is to start by itself.

    A command of the other side is allowed and ignored, so that both sides may share the table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    check: Timing | None = None
    export: Timing | None = None
    verify: Timing | None = None
    import_: Annotated[Timing | None, Field(alias="import")] = None
    audit: Timing | None = None
    tidy: Timing | None = None

    @property
    def timings(self) -> dict[str, Timing]:
        """The lines that are there, by the name of their command."""
        lines = {name.rstrip("_"): line for name, line in self}
        return {name: line for name, line in lines.items() if isinstance(line, Timing)}
