"""Report of one command: the document of ``--json``, from which all other forms are made.

The document always has ``version``, ``command``, ``site``, ``outcome``, ``exit_code``, ``errors``
and ``report``. It has any other key if the command set it, be it to null. The outcome is derived
from the exit code, so that the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    computed_field,
)
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.approvals.plan_model import Subject
from tasks.approvals.rulings import DECIDED_ALREADY
from tasks.checks.finding import Finding
from tasks.errors import AirGapError, InternalFaultError, SiteFileError
from tasks.metadata.audit import MissingFile
from tasks.reports.decision_lines import ConflictLine, Reported, RulingLine, WaitedFile
from tasks.reports.inspection_lines import (
    BroughtLine,
    ChainLine,
    CustodyLogLine,
    LackingLine,
    RunLine,
    SignerLine,
)
from tasks.reports.known_errors import foreseen
from tasks.reports.made_by import MadeBy
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


class ErrorLine(Reported):
    """Error of a command; ``next_step`` is the operator's next action."""

    kind: str
    message: str
    next_step: str
    # The message as a terminal shows it, line by line; not part of the document.
    lines: tuple[str, ...] = Field(default=(), exclude=True)


@checked_dataclass(
    frozen=True,
    slots=True,
    config=ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True),
)
class ApprovalLine:
    """Line of a decision and its outcome; for a decline ``group`` is empty and ``action`` null.

    A target group that could not be made has neither ``update_id`` nor ``revision``.

    Attributes:
        operation: The operation that failed; for people, not part of the document.
        is_acknowledged: True if a person has seen that it waits; not part of the document.
    """

    update_id: str | None
    revision: int | None
    group: tuple[str, ...] = ()
    action: str | None = None
    deadline: str | None = None
    optional: bool = False
    reason: str | None = None
    operation: Annotated[str | None, Field(exclude=True)] = None
    is_acknowledged: Annotated[bool, Field(exclude=True)] = False


@checked_dataclass(
    frozen=True,
    slots=True,
    config=ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True),
)
class WaitingLine(ApprovalLine):
    """Line of a decision that waits, as ``held`` and ``parked`` tell it. Texts may be foreign.

    Attributes:
        subject: ``approval``, ``removal`` or ``decline``.
        since: The time from which on it waits, like ``2041-05-01T03:00:00Z``.
        reason_text: The reason in words.
        next_step: What lets it go, perhaps with a command.
        files: The files that a parked approval waits for.
        decision: The newest ruling of a person that bears on it.
    """

    subject: Subject = "approval"
    title: str = ""
    kb: str = ""
    product: str = ""
    since: str | None = None
    reason_text: str = ""
    next_step: str = ""
    files: tuple[WaitedFile, ...] = ()
    decision: RulingLine | None = None


_APPROVAL_LINE = TypeAdapter(ApprovalLine)


class ApprovalOutcome(Reported):
    """Outcome of approvals and declines."""

    applied: tuple[ApprovalLine, ...] = ()
    parked: tuple[WaitingLine | ApprovalLine, ...] = ()
    held: tuple[WaitingLine | ApprovalLine, ...] = ()
    failed: tuple[ApprovalLine, ...] = ()
    # Number of approvals of ours that are remembered, and that somebody here removed or changed;
    # for the receipt, not part of the document.
    overruled: int = Field(default=0, exclude=True)

    @property
    def undecided(self) -> tuple[ApprovalLine, ...]:
        """Held decisions that need a person: none has acknowledged them or decided otherwise."""
        return tuple(
            line
            for line in self.held
            if line.reason not in DECIDED_ALREADY and not line.is_acknowledged
        )

    @property
    def unseen(self) -> tuple[ApprovalLine, ...]:
        """Parked approvals that no person has acknowledged."""
        return tuple(line for line in self.parked if not line.is_acknowledged)

    @property
    def acknowledged(self) -> tuple[ApprovalLine, ...]:
        """Parked and held decisions that a person has acknowledged."""
        return tuple(line for line in (*self.parked, *self.held) if line.is_acknowledged)


def approval_lines(lines: Iterable[Mapping[str, object]]) -> tuple[ApprovalLine, ...]:
    """Return decisions as lines of the report; keys that a line does not have are left out."""
    names = {field.name for field in fields(ApprovalLine)}
    return tuple(
        _APPROVAL_LINE.validate_python({key: line[key] for key in line.keys() & names})
        for line in lines
    )


class Fact(Reported):
    """Value with a label."""

    label: str
    value: Cell
    kind: CellKind = "text"


class Column(Reported):
    """Column of a section's table."""

    label: str
    kind: CellKind = "text"


class Section(Reported):
    """Part of the report with its own heading: facts, and perhaps a table.

    Attributes:
        key: Lower-case letters, digits and dashes; names the part in the UI.
        note: One sentence under the heading.
        rows: Each as long as ``columns``. Their texts may be foreign.
    """

    key: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    note: str = ""
    facts: tuple[Fact, ...] = ()
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()


class CommandReport(Reported):
    """Report of one command.

    Attributes:
        site: The site's name; None if the command has no site or could not read the site file.
        report: The report for people, ``report.html``.
        bundle: The bundle's folder.
        files, bytes: Content files that the bundle carries, or that were verified.
        placed: Content files that were put into WsusContent.
        conflicts: Decisions of the staging side that were overruled on this side.
        signers, created: The signatures on the bundle, and the time when it was packed.
        brings: The updates that it brings; None if it is of a format that does not record them.
        missing: Files that approved and parked updates (with ``--all`` all updates) lack.
        custody: The newest lines of the custody log, newest first.
        missing_since: Those files with the time since when, as `history` tells them.
        unapproved_incomplete: Number of other updates without all files; normal with deferred
            download.
        made_by: Account, machine, version, server, policy and signer behind the report.
        notices: Sentences about anything else that a person should look at; each flags the run.
        lines: Output of a small command, line by line.
        details: Values of this command alone, for programs.
        tables: Tables that a terminal shows above the lines; not part of the document.
        titles: Titles by update id, for people; not part of the document.
        next_step: The operator's next action if there is no error; not part of the document.
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
    conflicts: tuple[ConflictLine, ...] | None = None
    missing: tuple[MissingFile, ...] | None = None
    unapproved_incomplete: int | None = None
    plan_digest: str | None = None
    receipt: AbsolutePath | None = None
    receipt_code: str | None = None
    findings: tuple[Finding, ...] | None = None

    signers: tuple[SignerLine, ...] | None = None
    created: AwareDatetime | None = None
    brings: tuple[BroughtLine, ...] | None = None
    runs: tuple[RunLine, ...] | None = None
    chain: tuple[ChainLine, ...] | None = None
    custody: tuple[CustodyLogLine, ...] | None = None
    missing_since: tuple[LackingLine, ...] | None = None

    made_by: MadeBy | None = None
    run: str | None = None
    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    sections: tuple[Section, ...] = ()
    notices: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    details: Mapping[str, JsonValue] = Field(default_factory=dict)

    tables: tuple[Section, ...] = Field(default=(), exclude=True)
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
        """Return the document, its constant keys first."""
        content = self.model_dump(mode="json")
        present = {key: content[key] for key in content if key in self.model_fields_set}
        return {key: content[key] for key in ALWAYS} | present

    def title_of(self, update_id: str) -> str:
        """Return the title of an update, which is foreign text; empty if the report has none."""
        if update_id in self.titles:
            return self.titles[update_id]
        titles = (file.title for file in self.missing or () if file.update_id == update_id)
        return next(titles, "")


def failure_report(command: str, error: Exception, *, site: str | None = None) -> CommandReport:
    """Make the report of a command that ended with an error."""
    return CommandReport(
        command=command,
        site=site,
        exit_code=exit_code_of(error),
        errors=(error_line(error),),
    )


def exit_code_of(error: Exception) -> ExitCode:
    """Return the exit code of a command that raised this error; 1 if it was unforeseen."""
    code = (foreseen(error) or InternalFaultError).exit_code
    codes: dict[int, ExitCode] = {1: 1, 3: 3, 4: 4, 64: 64}
    return codes[code]


def error_line(error: Exception, *, log: Path | None = None) -> ErrorLine:
    """Return an error as a line of the report."""
    known_error = foreseen(error) or InternalFaultError(
        type=type(error).__name__, reason=str(error), log=log or "what it printed"
    )
    return ErrorLine(
        kind=known_error.kind,
        message=known_error.message,
        next_step=known_error.next_step,
        lines=tuple(map(visible, _lines(known_error))),
    )


def _lines(error: AirGapError) -> tuple[str, ...]:
    """Return an error as a terminal shows it: each fault of a site file has its own line."""
    if not isinstance(error, SiteFileError):
        return (error.message,)
    return (f"site file {error.facts['path']}:", *error.problems)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the document."""
    schema = CommandReport.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "wsus-airgap command report"
    schema["required"] = list(ALWAYS)
    return schema
