"""The JSON document keeps to its contract, and its schema file is current."""

from __future__ import annotations

import errno
import json
import sqlite3
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from pydantic import ValidationError

from tasks.errors import DiskFullError, UsageError
from tasks.refusals import BundleAgeError, LockHeldError
from tasks.reports.model import CommandReport, ExitCode, failure_report, json_schema
from tests.reports import examples
from tests.reports.schema_file import SCHEMA_FILE, schema_text

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_schema_file_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), (
        "run `python -m tests.reports.schema_file` if the change is wanted"
    )


@pytest.mark.parametrize(
    "report",
    [
        examples.flagged_report(),
        examples.refused_report(),
        examples.hostile_report(),
        CommandReport(command="status", site=None),
        failure_report("export", ValueError("x")),
    ],
)
def test_every_report_keeps_to_the_schema(report: CommandReport) -> None:
    document = json.loads(json.dumps(report.as_json()))

    VALIDATOR.validate(document)

    always = {"version", "command", "site", "outcome", "exit_code", "errors", "report"}
    assert always <= document.keys()
    assert document["version"] == 1


def test_the_schema_refuses_what_is_no_report() -> None:
    document = examples.flagged_report().as_json()

    for wrong in (
        document | {"surplus": 1},
        document | {"outcome": "perfect"},
        {key: document[key] for key in document if key != "errors"},
        document | {"missing": [document["missing"][0] | {"reason": "because"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(wrong)


def test_a_missing_file_has_exactly_the_keys_of_the_contract() -> None:
    document = examples.flagged_report().as_json()

    assert list(document["missing"][0]) == [
        "update_id", "revision", "title", "kb", "file", "size_bytes", "reason", "reason_text",
    ]  # fmt: skip
    assert set(document["approvals"]) == {"applied", "parked", "held", "failed"}
    assert set(document["approvals"]["parked"][0]) == {
        "update_id", "revision", "group", "action", "deadline", "optional", "reason",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(0, "done"), (1, "failed"), (2, "flagged"), (3, "refused"), (4, "refused"), (64, "failed")],
)
def test_the_outcome_follows_from_the_exit_code(code: ExitCode, outcome: str) -> None:
    assert CommandReport(command="x", site=None, exit_code=code).outcome == outcome


def test_every_exit_code_has_an_outcome() -> None:
    for code in get_args(ExitCode):
        assert CommandReport(command="x", site=None, exit_code=code).outcome


def test_only_what_was_said_stands_in_the_document() -> None:
    plain = CommandReport(command="export", site="a").as_json()
    full = CommandReport(command="export", site="a", base=None, files=0, missing=()).as_json()

    assert set(plain) == {
        "version", "command", "site", "outcome", "exit_code", "errors", "report",
    }  # fmt: skip
    assert full["base"] is None
    assert full["files"] == 0
    assert full["missing"] == []


def test_paths_are_absolute() -> None:
    with pytest.raises(ValidationError, match="not absolute"):
        CommandReport(command="export", site="a", bundle=Path("media/alpha-1"))


def test_titles_are_for_people_only() -> None:
    document = json.dumps(examples.flagged_report().as_json())

    assert "titles" not in document
    assert 'next_step": "Update the root certificates' in document
    assert '"next_step": null' not in document


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (UsageError(reason="no such command"), 64, "usage"),
        (DiskFullError(path="/x"), 1, "disk-full"),
        (BundleAgeError(bundle="b", age_days=100, limit_days=90), 3, "age"),
        (LockHeldError(what="w", since="s", owner="o"), 4, "lock"),
        (KeyError("surprise"), 1, "unexpected"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "disk-full"),
        (OSError(errno.EROFS, "Read-only file system", "/state/plan.json"), 1, "host-file"),
        (sqlite3.OperationalError("database is locked"), 1, "host-file"),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), 1, "unexpected"),
    ],
)
def test_an_error_becomes_a_report_with_its_code(error: Exception, code: int, kind: str) -> None:
    report = failure_report("import", error, site="alpha")

    assert report.exit_code == code
    assert [line.kind for line in report.errors] == [kind]
    assert report.errors[0].next_step


def test_a_file_name_that_is_no_unicode_does_not_stop_the_report() -> None:
    report = failure_report("import", DiskFullError(path="/x/\udcff"))

    assert json.dumps(report.as_json(), ensure_ascii=False).encode()
    assert "[U+DCFF]" in report.errors[0].message
