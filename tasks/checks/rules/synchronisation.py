"""Rules on the history of synchronisations: did the last one work, and is it young enough."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from tasks.checks.error_reference import find_in_message
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.synchronisation import Synchronisation, SynchronisationRun
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.rules.rule import DISCONNECTED, STAGING, SYNCHRONISATION, Rule, rule

_GUIDE = "racknotes.pro, WSUS Sync Failed (verify synchronization succeeded)"


@rule("Last synchronisation: succeeded", sides=STAGING, explains=("synchronisation-old",))
def newest_failed(facts: Facts) -> Finding | None:
    """The result of the newest synchronisation, as the console shows it."""
    history = _history(facts)
    newest = history.newest
    if newest is None or newest.result in {"Succeeded", "Canceled"}:
        return None
    return finding_of(
        "synchronisation-failed",
        evidence=_result(newest),
        next_step="Begin with the cause above, if one is named. Else read event 386 and the "
        "exception in SoftwareDistribution.log of that minute; `wsus-airgap explain LINE` says "
        "what such a line means.",
    )


@rule("Error of the last synchronisation", sides=STAGING, explains=SYNCHRONISATION)
def error(facts: Facts) -> Iterable[Finding]:
    """The causes that the API's error and its text name."""
    newest = _history(facts).newest
    if newest is None or newest.result in {"Succeeded", "Canceled"}:
        return ()
    matches = find_in_message(f"SynchronizationError: {newest.error}\n{newest.error_text}")
    causes = {match.entry.id for match in matches if match.entry.depth == "cause"}
    if "proxy-authentication" in causes:
        causes.discard("proxy-settings")  # the value of every error of a proxy; 407 says which
    return tuple(
        finding_of(match.entry.id, evidence=_result(newest))
        for match in matches
        if match.entry.id in causes
    )


@rule("Age of the last successful synchronisation", sides=STAGING, explains=("bundle-old",))
def old(facts: Facts) -> Finding | None:
    """A server that quietly stopped synchronising carries last month's truth."""
    history = _history(facts)
    success = history.newest_success
    if success is None or success.ended is None:
        return Finding(
            id="synchronisation-never",
            severity="failure",
            evidence=f"{len(history.runs)} synchronisations in the history, none has succeeded",
            meaning="This server has never synchronised, or its history is gone: its catalogue may "
            "be empty or old.",
            next_step="Start a synchronisation (console, Synchronizations) and see that it ends "
            "with Succeeded; then export.",
            document=_GUIDE,
        )
    age = facts.now - success.ended
    most_days = facts.own.limits.max_sync_age_days
    if age <= timedelta(days=most_days):
        return None
    return Finding(
        id="synchronisation-old",
        severity="failure",
        evidence=f"the last success ended {success.ended:%Y-%m-%d %H:%M} UTC, {age.days} days "
        f"ago; check.max_sync_age_days = {most_days}",
        meaning="The server has not synchronised for longer than this site allows: a bundle would "
        "carry an old catalogue under a fresh date.",
        next_step="Find out why (findings above, else SoftwareDistribution.log); synchronise until "
        "it succeeds, then export.",
        document=_GUIDE,
    )


@rule("Products and classifications to synchronise", sides=STAGING)
def subscriptions(facts: Facts) -> Finding | None:
    """A synchronisation that asks for nothing succeeds and brings nothing."""
    history = _history(facts)
    products = known(history.products, "the subscribed products")
    classifications = known(history.classifications, "the subscribed classifications")
    if products and classifications:
        return None
    return finding_of(
        "succeeded-nothing-new",
        severity="failure",
        evidence=f"{products} products and {classifications} classifications are subscribed",
        next_step="Options, Products and Classifications: choose what this site needs, then "
        "synchronise.",
    )


@rule("Scheduled synchronisation: off behind the gap", sides=DISCONNECTED)
def scheduled(facts: Facts) -> Finding | None:
    """A schedule on a disconnected server only makes failures that mean nothing."""
    if not known(_history(facts).scheduled, "the schedule of synchronisations"):
        return None
    return Finding(
        id="synchronisation-scheduled",
        severity="warning",
        evidence="SynchronizeAutomatically = True",
        meaning="This server is disconnected and still tries to synchronise by itself; each try "
        "fails and fills history and event log (10021, 10022, 386) with noise.",
        next_step="Options, Synchronization Schedule: choose `Synchronize manually`.",
        document="Microsoft Learn, Synchronize updates with no Internet connection",
    )


def _history(facts: Facts) -> Synchronisation:
    return known(facts.synchronisation, "the history of synchronisations")


def _result(run: SynchronisationRun) -> str:
    return f"{run.result}, {run.error}: {run.error_text}".rstrip(": ")


RULES: tuple[Rule, ...] = (error, newest_failed, old, subscriptions, scheduled)
