"""The README of the checks has the error reference as a table, row by row."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from flows.command_line import app
from tasks.checks.error_reference import REFERENCE
from tasks.checks.reference_entry import ErrorEntry

README = Path(__file__).resolve().parents[2] / "tasks" / "checks" / "README.md"
HEADING = "| symptom | finding | first check | do not conclude |"


def row(entry: ErrorEntry) -> str:
    codes = [f"0x{code:08X}" for code in entry.codes if f"0x{code:08X}" not in entry.symptom]
    numbers = [f"{error.name} {error.value}" for error in entry.sync_errors]
    if entry.events:
        numbers.append("event " + ", ".join(str(event.id) for event in entry.events))
    also = f" ({'; '.join([*codes, *numbers])})" if codes or numbers else ""
    cells = (f"{entry.symptom}{also}", f"`{entry.id}`", entry.first_check, entry.do_not_conclude)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def test_the_table_has_every_entry_of_the_reference_and_no_other() -> None:
    table = README.read_text(encoding="utf-8").split(f"{HEADING}\n|---|---|---|---|\n", 1)[1]
    rows = [line for line in table.splitlines() if line.startswith("|")]

    assert rows == [row(entry) for entry in REFERENCE]


def test_every_id_code_event_and_value_belongs_to_one_entry() -> None:
    owned = Counter(
        owned
        for entry in REFERENCE
        for owned in (
            entry.id,
            *(f"0x{code:08X}" for code in entry.codes),
            *(f"HTTP {status}" for status in entry.http),
            *(f"event {event.id}" for event in entry.events),
            *(f"value {error.value}" for error in entry.sync_errors),
            *entry.phrases,
        )
    )

    assert [name for name, count in owned.items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.id) for entry in REFERENCE)


def test_the_reference_names_no_command_of_ours_that_is_not_there() -> None:
    text = " ".join(f"{entry.first_check} {entry.do_not_conclude}" for entry in REFERENCE)
    named = set(re.findall(r"`wsus-airgap ([a-z-]+)", text))

    assert named
    assert named <= {name for name in app if not name.startswith("-")}


def test_no_entry_advises_what_is_never_suggested() -> None:
    for entry in REFERENCE:
        assert "import proxy" not in entry.first_check, entry.id
        assert "import proxy" not in entry.meaning, entry.id
