"""Tables and lines of a check: its findings, the configuration, and what was examined. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.checks.evidence import evidence_line
from tasks.checks.facts.configuration import Configuration
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.own import Own
from tasks.checks.finding import Finding
from tasks.checks.judgement import Judgement
from tasks.quantities import moment
from tasks.reports.model import Cell, CellKind, Column, Fact, Section

_RESULTS = {"in order": "in order", "found": "see the findings", "unknown": "not known from here"}


def findings_section(findings: Iterable[Finding]) -> Section:
    """Table of a check's findings, gravest first; a consequence names its cause."""
    return Section(
        key="findings",
        title="Findings",
        note="Read from the top: causes stand before what follows from them.",
        columns=(
            Column(label="Severity", kind="short"),
            Column(label="Finding"),
            Column(label="Evidence"),
            Column(label="Next step"),
            Column(label="Rests on"),
        ),
        rows=tuple(
            (
                finding.severity,
                _sentence(finding),
                finding.evidence,
                finding.next_step,
                finding.document or "",
            )
            for finding in findings
        ),
    )


def _sentence(finding: Finding) -> str:
    """Say what was found in a sentence, with its id and its cause."""
    parts = [f"{finding.meaning} ({finding.id})"]
    if finding.consequence_of:
        parts.append(f"Follows from {', '.join(finding.consequence_of)}.")
    if finding.accepted:
        parts.append(f"Accepted: {finding.accepted}")
    return " ".join(parts)


def check_sections(facts: Facts, judgement: Judgement) -> list[Section]:
    """Tables of the configuration, of this side, and of what was examined."""
    sections = [_own_section(facts.own), _examined_section(facts, judgement)]
    if facts.winhttp is not None and facts.winhttp.text:
        sections.insert(0, _winhttp_section(facts.winhttp.text))
    if facts.configuration is not None:
        sections.insert(0, _configuration_section(facts, facts.configuration))
    return sections


def findings_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Lines for a terminal: each finding with its evidence and next step, consequences indented."""
    for finding in findings:
        indent = "  " if finding.consequence_of else ""
        follows = ", ".join(finding.consequence_of)
        yield f"{indent}{finding.severity}: {finding.id}: {finding.meaning}"
        if follows:
            yield f"{indent}  follows from {follows}"
        yield f"{indent}  seen: {finding.evidence}"
        yield f"{indent}  next: {finding.next_step}"


def unknown_lines(judgement: Judgement) -> Iterator[str]:
    """One line with all that could not be known, if there is anything."""
    unknown = [line for line in judgement.examined if line.result == "unknown"]
    if unknown:
        subjects = "; ".join(f"{line.subject} ({line.detail})" for line in unknown)
        yield f"not known from here: {subjects}"


def _winhttp_section(text: str) -> Section:
    """The machine's own proxy, as netsh prints it in the server's language; nothing judges it."""
    lines = (evidence_line(line) for line in text.splitlines())
    return Section(
        key="winhttp",
        title="Proxy of the machine (netsh winhttp show proxy)",
        note="Context only: WSUS does not use this proxy. Its own settings are in the table above.",
        columns=(Column(label="Output"),),
        rows=tuple((line,) for line in lines if line),
    )


def _configuration_section(facts: Facts, configuration: Configuration) -> Section:
    """Table of the settings that decide how the server synchronises, by their names in the API."""
    return Section(
        key="configuration",
        title="Configuration",
        note="As the API of WSUS has it; it decides which of the examined paths apply.",
        columns=(Column(label="Setting"), Column(label="Value")),
        rows=(*_configuration_rows(configuration), *_version_rows(facts)),
    )


def _configuration_rows(configuration: Configuration) -> Iterator[tuple[Cell, ...]]:
    for name, value in configuration:
        shown = "not known" if value is None else str(value)
        yield _NAMES.get(name) or name.title().replace("_", ""), shown or "(empty)"


def _version_rows(facts: Facts) -> Iterator[tuple[Cell, ...]]:
    yield "Version of WSUS", facts.server.version if facts.server else "not known"
    yield "Version of Windows", (facts.machine and facts.machine.windows_version) or "not known"


def _own_section(own: Own) -> Section:
    """Facts of this side: keys, bundles, medium, folders."""
    folder, medium = own.content_folder, own.medium
    values: list[tuple[str, Cell, CellKind]] = [
        ("Server", _server(own.server), "text"),
        ("Fingerprint of this side's key", own.fingerprint, "text"),
        ("Fingerprints of the trusted keys", ", ".join(own.trusted), "text"),
        ("Newest bundle", own.newest_bundle_name or "none", "text"),
        ("Made", None if own.newest_bundle is None else moment(own.newest_bundle), "text"),
        ("Imported", None if own.newest_import is None else moment(own.newest_import), "text"),
        ("Content folder", None if folder is None else folder.path, "text"),
        ("Medium", None if medium is None else medium.path, "text"),
        ("Room on the medium", None if medium is None else medium.free_bytes, "bytes"),
    ]
    return Section(
        key="this-side",
        title="This side",
        note="Compare the fingerprints with the other side over the telephone.",
        facts=tuple(
            Fact(label=label, value=value, kind=kind) for label, value, kind in values if value
        ),
    )


def _server(address: str) -> str:
    """The address, with what is known about the host key: another one would have been refused."""
    return f"{address} (host key as pinned)" if address.startswith("ssh://") else address


_NAMES = {"mu_url": "MUUrl", "get_content_from_mu": "GetContentFromMU"}


def _examined_section(facts: Facts, judgement: Judgement) -> Section:
    """Table of every rule that was asked, and of parts that the server did not tell."""
    rows: list[tuple[Cell, ...]] = [
        (line.subject, _RESULTS[line.result], line.detail) for line in judgement.examined
    ]
    rows += [
        (f"Facts: {topic}", _RESULTS["unknown"], reason)
        for topic, reason in sorted(facts.unknown.items())
    ]
    return Section(
        key="examined",
        title="Examined",
        columns=(
            Column(label="Subject"),
            Column(label="Result", kind="short"),
            Column(label="Finding, or what is not known"),
        ),
        rows=tuple(rows),
    )
