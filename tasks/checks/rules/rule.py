"""A rule of a check: one question about the facts, one function, one finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tasks.checks.facts.gathered import Facts
from tasks.checks.finding import Finding
from tasks.names import Side

BOTH = frozenset(Side)
STAGING = frozenset({Side.STAGING})
DISCONNECTED = frozenset({Side.DISCONNECTED})

# What follows from any reason for which a synchronisation cannot work. A rule that finds such a
# reason says ``explains=SYNCHRONISATION``, and these findings stand under its own.
SYNCHRONISATION = (
    "synchronisation-failed",
    "synchronisation-stale",
    "synchronisation-unknown",
    "newest-synchronisation-failed",
    "synchronisation-old",
    "soap-fault",
    "connection-closed",
    "upstream-error",
    "managed-exception",
)

Answer = Finding | Iterable[Finding] | None
Judge = Callable[[Facts], Answer]


@dataclass(frozen=True, slots=True)
class Rule:
    """One question about the facts.

    Attributes:
        examines: Subject of the question, for the line of the report; a noun phrase.
        sides: The sides on which it is asked.
        explains: Ids of findings that follow from this rule's finding, if both are there.
        judge: Gives the finding, several of them, or None if all is in order. It raises
            ``NotKnownError`` (by ``known``) if a fact that it needs is not known.
    """

    examines: str
    sides: frozenset[Side]
    explains: tuple[str, ...]
    judge: Judge


def rule(
    examines: str,
    *,
    sides: frozenset[Side] = BOTH,
    explains: tuple[str, ...] = (),
) -> Callable[[Judge], Rule]:
    """Make a rule of a function; the arguments are the fields of ``Rule``."""

    def decorate(judge: Judge) -> Rule:
        return Rule(examines=examines, sides=sides, explains=explains, judge=judge)

    return decorate
