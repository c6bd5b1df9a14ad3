"""The report of one command: what ``--json`` prints, and all other forms are made from.

Always there: ``version``, ``command``, ``site``, ``outcome``, ``exit_code``, ``errors`` and
``report``. Every other key stands in the document when the command said something about it, null
included.
The outcome follows from the exit code, so that the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    computed_field,
)
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.errors import AirGapError, InternalFaultError, SiteFileError
from tasks.metadata.audit import MissingFile
from tasks.reports.known_errors import foreseen
from tasks.visible import visible

ALWAYS = ("version", "command", "site", "outcome", "exit_code", "errors", "report")

ExitCode = Literal[0, 1, 2, 3, 4, 64]
RunOutcome = Literal["done", "flagged", "refused", "failed"]
CellKind = Literal["text", "short", "count", "bytes", "seconds"]
Cell = str | int | None

_OUTCOMES: dict[int, RunOutcome] = {
    0: "done",
    1: "failed",
    2: "flagged",
    3: "refused",
    4: "refused",
    64: "failed",
}


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{path} is not absolute")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Reported(BaseModel):
    """Frozen, nothing unknown in it, and every key written."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )


class ErrorLine(Reported):
    """One thing that went wrong; ``next_step`` says what the operator does now."""

    kind: str
    message: str
    next_step: str
    # The message as a terminal shows it; the document has the message alone.
    lines: tuple[str, ...] = Field(default=(), exclude=True)


@checked_dataclass(
    frozen=True,
    slots=True,
    config=ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True),
)
class ApprovalLine:
    """One decision and what became of it; of a decline ``group`` is empty, ``action`` null.

    A target group that could not be made has neither ``update_id`` nor ``revision``.

    Attributes:
        operation: What was tried and failed; for people, no part of the document.
    """

    update_id: str | None
    revision: int | None
    group: tuple[str, ...] = ()
    action: str | None = None
    deadline: str | None = None
    optional: bool = False
    reason: str | None = None
    operation: Annotated[str | None, Field(exclude=True)] = None


_APPROVAL_LINE = TypeAdapter(ApprovalLine)


class ApprovalOutcome(Reported):
    """What became of approvals and declines."""

    applied: tuple[ApprovalLine, ...] = ()
    parked: tuple[ApprovalLine, ...] = ()
    held: tuple[ApprovalLine, ...] = ()
    failed: tuple[ApprovalLine, ...] = ()


def approval_lines(lines: Iterable[Mapping[str, object]]) -> tuple[ApprovalLine, ...]:
    """Decisions as the report has them; keys that it does not know are left out."""
    known = {field.name for field in fields(ApprovalLine)}
    return tuple(
        _APPROVAL_LINE.validate_python({key: line[key] for key in line.keys() & known})
        for line in lines
    )


class Finding(Reported):
    """What a check found; ``evidence`` is the value or log line that it saw."""

    id: str
    severity: Literal["ok", "note", "warning", "failure"]
    evidence: str
    meaning: str
    next_step: str
    document: str | None = None


class Fact(Reported):
    """One labelled value."""

    label: str
    value: Cell
    kind: CellKind = "text"


class Column(Reported):
    """One column of a section's table."""

    label: str
    kind: CellKind = "text"


class Section(Reported):
    """A part of the report with its own heading: facts, and perhaps a table.

    Attributes:
        key: Lower-case letters, digits and dashes; names the part in the UI.
        note: One sentence under the heading.
        rows: As long as ``columns`` each. Texts in it may be foreign.
    """

    key: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    note: str = ""
    facts: tuple[Fact, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()


class CommandReport(Reported):
    """What one command did.

    Attributes:
        site: The site's name, or None when the command has none or could not read it.
        report: The report for people, ``report.html``.
        bundle: The bundle's folder.
        files, bytes: Content files that the bundle carries, or that were verified.
        placed: Content files that were put into WsusContent.
        missing: What approved and parked updates (with ``--all`` all of them) wait for.
        unapproved_incomplete: How many other updates lack files; normal with deferred download.
        notices: Sentences on what else needs a look: each makes the run flagged.
        lines: What a small command says, line by line.
        details: What only this command has to say, for programs.
        titles: Titles by update id, for people; no part of the document.
        next_step: What to do now, where no error says it; no part of the document.
    """

    command: str
    site: str | None
    exit_code: ExitCode = 0
    errors: tuple[ErrorLine, ...] = ()
    report: AbsolutePath | None = None

    bundle: AbsolutePath | None = None
    sequence: int | None = None
    base: int | None = None
    files: int | None = None
    bytes: int | None = None
    placed: int | None = None
    approvals: ApprovalOutcome | None = None
    missing: tuple[MissingFile, ...] | None = None
    unapproved_incomplete: int | None = None
    plan_digest: str | None = None
    receipt: AbsolutePath | None = None
    receipt_code: str | None = None
    findings: tuple[Finding, ...] | None = None

    run: str | None = None
    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    sections: tuple[Section, ...] = ()
    notices: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    details: Mapping[str, JsonValue] = Field(default_factory=dict)

    titles: Mapping[str, str] = Field(default_factory=dict, exclude=True)
    next_step: str | None = Field(default=None, exclude=True)

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def version(self) -> Literal[1]:
        """Version of the document's shape."""
        return 1

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def outcome(self) -> RunOutcome:
        """The exit code in one word."""
        return _OUTCOMES[self.exit_code]

    def as_json(self) -> dict[str, Any]:
        """The document, its constant keys first."""
        content = self.model_dump(mode="json")
        said = {key: content[key] for key in content if key in self.model_fields_set}
        return {key: content[key] for key in ALWAYS} | said

    def title_of(self, update_id: str) -> str:
        """The title of an update as far as the report knows it; foreign text."""
        if update_id in self.titles:
            return self.titles[update_id]
        named = (one.title for one in self.missing or () if one.update_id == update_id)
        return next(named, "")


def failure_report(command: str, error: Exception, *, site: str | None = None) -> CommandReport:
    """The report of a command that ended with an error; one that we did not foresee is 1."""
    return CommandReport(
        command=command,
        site=site,
        exit_code=exit_code_of(error),
        errors=(error_line(error),),
    )


def exit_code_of(error: Exception) -> ExitCode:
    """What a command ends with that raised this."""
    code = (foreseen(error) or InternalFaultError).exit_code
    known: dict[int, ExitCode] = {1: 1, 3: 3, 4: 4, 64: 64}
    return known[code]


def error_line(error: Exception, *, log: Path | None = None) -> ErrorLine:
    """An error as the report has it."""
    told = foreseen(error) or InternalFaultError(
        type=type(error).__name__, reason=str(error), log=log or "what it printed"
    )
    return ErrorLine(
        kind=told.kind,
        message=told.message,
        next_step=told.next_step,
        lines=tuple(map(visible, _lines(told))),
    )


def _lines(error: AirGapError) -> tuple[str, ...]:
    """An error as a terminal shows it: each fault of a site file on a line of its own."""
    if not isinstance(error, SiteFileError):
        return (error.message,)
    return (f"site file {error.facts['path']}:", *error.problems)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the document."""
    schema = CommandReport.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "wsus-airgap command report"
    schema["required"] = list(ALWAYS)
    return schema
