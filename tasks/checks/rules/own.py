"""Rules on this side's own state: age of the newest bundle, media."""

from __future__ import annotations

from datetime import timedelta

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding
from tasks.checks.rules.rule import DISCONNECTED, STAGING, Rule, rule
from tasks.names import Side


@rule("Age of the newest bundle")
def bundle_age(facts: Facts) -> Finding | None:
    """A lost bundle is named by the next import; until then its silence has to be noticed."""
    own = facts.own
    if own.newest_bundle is None:
        return None
    age = facts.now - own.newest_bundle
    if age <= timedelta(days=own.max_quiet_days):
        return None
    is_staging = facts.side is Side.STAGING
    return Finding(
        id="bundle-old",
        severity="failure",
        evidence=f"{own.newest_bundle_name}, made {own.newest_bundle:%Y-%m-%d}, {age.days} days "
        f"ago; trust.max_quiet_days = {own.max_quiet_days}",
        meaning="No bundle was made for longer than this site allows."
        if is_staging
        else "No newer bundle has arrived for longer than this site allows: it may be lost, or "
        "none was made.",
        next_step="Export the next bundle."
        if is_staging
        else "Ask the staging side for the newest bundle, and import it.",
    )


@rule("Medium: there and writable", sides=STAGING)
def medium(facts: Facts) -> Finding | None:
    """The place where the next bundle goes."""
    medium = known(facts.own.medium, "the medium")
    if not medium.is_there:
        problem = f"{medium.path} is not there"
    elif not known(medium.is_writable, "whether the medium is writable"):
        problem = f"{medium.path} cannot be written"
    else:
        return None
    return Finding(
        id="medium-unusable",
        severity="warning",
        evidence=problem,
        meaning="The medium for the next bundle is not plugged in, not mounted, or "
        "write-protected.",
        next_step="Plug it in and mount it at media.path before the next export.",
    )


@rule("Medium: there", sides=DISCONNECTED)
def no_medium(facts: Facts) -> Finding | None:
    """Between two crossings no medium is there, which is normal."""
    medium = known(facts.own.medium, "the medium")
    if medium.is_there:
        return None
    return Finding(
        id="medium-absent",
        severity="note",
        evidence=f"{medium.path} is not there",
        meaning="No medium is mounted; that is normal between two crossings.",
        next_step="Mount the medium at media.path before the next import.",
    )


RULES: tuple[Rule, ...] = (bundle_age, medium, no_medium)
