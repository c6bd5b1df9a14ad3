"""The judgement of a check: every rule is asked, and causes are put before what they explain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import NotKnownError
from tasks.checks.finding import Finding, gravest_first, is_at_least
from tasks.checks.rules.rule import Answer, Rule


@dataclass(frozen=True, slots=True)
class Examined:
    """One line of the report: what a rule came to.

    Attributes:
        subject: Subject of the rule.
        result: ``found``: there are findings; ``unknown``: a fact is not known from here.
        detail: Ids of the findings, or the fact that is not known.
    """

    subject: str
    result: Literal["in order", "found", "unknown"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The findings of a check, gravest first, and a line for each rule that was asked."""

    findings: tuple[Finding, ...]
    examined: tuple[Examined, ...]

    def finding(self, finding_id: str) -> Finding | None:
        """Return the finding of an id."""
        return next((finding for finding in self.findings if finding.id == finding_id), None)


def judge(facts: Facts, rules: Sequence[Rule]) -> Judgement:
    """Ask every rule of this side. Pure.

    Args:
        facts: The facts.
        rules: All rules, in the order in which causes are named.

    Returns:
        The judgement. If two rules give a finding of the same id, the first one counts.
    """
    findings: dict[str, Finding] = {}
    explaining: list[tuple[str, tuple[str, ...]]] = []
    examined = []
    for rule in rules:
        if facts.side not in rule.sides:
            continue
        try:
            answer = _as_tuple(rule.judge(facts))
        except NotKnownError as unknown:
            examined.append(Examined(rule.examines, "unknown", str(unknown)))
            continue
        ids = tuple(finding.id for finding in answer)
        examined.append(Examined(rule.examines, "found" if ids else "in order", ", ".join(ids)))
        explaining += [(finding_id, rule.explains) for finding_id in ids]
        for finding in answer:
            findings.setdefault(finding.id, finding)
    related = _related(findings, explaining)
    return Judgement(gravest_first(related), tuple(examined))


def _as_tuple(answer: Answer) -> tuple[Finding, ...]:
    if answer is None:
        return ()
    return (answer,) if isinstance(answer, Finding) else tuple(answer)


def _related(
    findings: dict[str, Finding], explaining: Iterable[tuple[str, tuple[str, ...]]]
) -> list[Finding]:
    """Write into every finding the causes that are at least as grave as it."""
    causes: dict[str, dict[str, None]] = {finding_id: {} for finding_id in findings}
    for cause, consequences in explaining:
        for consequence in consequences:
            # A finding that stands in its own rule's list is a symptom, and explains no other.
            if consequence not in findings or cause in consequences:
                continue
            if is_at_least(findings[cause].severity, findings[consequence].severity):
                causes[consequence][cause] = None
    return [
        finding.model_copy(update={"consequence_of": tuple(causes[finding.id])})
        for finding in findings.values()
    ]
