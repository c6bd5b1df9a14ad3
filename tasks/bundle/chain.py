"""Judge whether a bundle fits the chain that this site remembers. Pure: returns a verdict.

The rules apply in this order, and the first rule that matches decides:

| rule | bundle | verdict |
|---|---|---|
| 1 | belongs to another site | refused |
| 2 | is imported here already (by its digest), import done | ``repair``, at any age |
|   | is imported here already, import unfinished, no newer import | ``resume``, at any age |
|   | is imported here already, import unfinished, newer import since | refused |
| 3 | belongs to another chain (the first import sets the chain) | refused |
| 4 | has a number that was imported with another digest (a fork) | refused |
|   | has a lower number than the newest import, and was never imported | refused |
| 5 | is more than a thousand numbers ahead of the newest import | refused |
|   | is a first bundle with a base, and has a number above a thousand | refused |
| 6 | is no first bundle, and has no parent or a parent below the newest import (a fork) | refused |
|   | has a parent that was imported with another digest (a fork) | refused |
| 7 | has a base that was imported with another digest | refused |
|   | has a base that was never imported completely | refused; taken if gaps are accepted |
| 8 | is older than the site accepts | refused |
| 9 | was created more than a day ahead of the clock, or before the newest import | refused |
|   | anything else | ``first`` or ``next``; flagged if it is nearly too old |

Bundles between the newest import and this bundle may have been skipped; ``skipped`` lists them.

For us the clock never runs backwards: it is the latest of the machine's clock, the newest
``created`` of an imported bundle, and the time of the last run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tasks.bundle.header import BundleReference, TrustedHeader
from tasks.content.names import Blake3
from tasks.quantities import moment
from tasks.refusals import BundleAgeError, ChainError, ClockError, WrongSiteError

LARGEST_JUMP = 1_000
CLOCK_TOLERANCE = timedelta(days=1)
_WARN_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class ImportedBundle:
    """A bundle that changed this site's server; ``done`` is None while its import is unfinished."""

    digest: Blake3
    created: datetime
    begun: datetime
    done: datetime | None


@dataclass(frozen=True, slots=True)
class SiteMemory:
    """State of the disconnected side about its imports; a bundle cannot write it.

    Attributes:
        site: The site's name.
        chain: The chain of its bundles; None before the first import.
        imported: Every bundle whose import was begun or done, by sequence number.
        last_run: When a command last ran on this side; the clock is not before it.
    """

    site: str
    chain: str | None
    imported: Mapping[int, ImportedBundle] = field(default_factory=dict)
    last_run: datetime | None = None

    @property
    def newest(self) -> int:
        """The highest number whose import was begun or done; 0 before the first."""
        return max(self.imported, default=0)


@dataclass(frozen=True, slots=True)
class ChainPolicy:
    """Limits of the site. ``accepted_gap`` is the reason that a person gave, or None."""

    max_age_days: int
    accept_gap: bool = False
    accepted_gap: str | None = None


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """Verdict on a bundle that fits the chain.

    Attributes:
        kind: ``first`` bundle of this site, ``next`` bundle, ``resume`` of an unfinished import,
            or ``repair`` with a bundle whose import is done.
        is_newest: True if nothing newer was imported. An older bundle may only put back content.
        skipped: Numbers of existing bundles between the newest import and this bundle.
        gap: The base, if it was never imported here and the gap was accepted. Content of the
            base that this bundle does not carry is then missing.
        gap_reason: Why the gap was accepted.
        age_days: Whole days since the bundle was made.
        is_nearly_too_old: True if three quarters of the accepted age have passed.
        earlier_import: The earlier import of the same bundle; None for a new bundle.
    """

    kind: Literal["first", "next", "resume", "repair"]
    is_newest: bool
    skipped: tuple[int, ...]
    gap: BundleReference | None
    gap_reason: str | None
    age_days: int
    is_nearly_too_old: bool
    earlier_import: ImportedBundle | None


def judge(
    trusted: TrustedHeader, memory: SiteMemory, policy: ChainPolicy, *, now: datetime
) -> ChainVerdict:
    """Judge a bundle by its verified header.

    Args:
        trusted: The header.
        memory: What the site remembers.
        policy: What the site accepts.
        now: The machine's clock.

    Raises:
        WrongSiteError: The bundle belongs to another site.
        ChainError: The bundle does not fit; the error says what to ask the staging side for.
        BundleAgeError: The bundle is older than the site accepts.
        ClockError: The clocks of the two sides contradict each other.
    """
    header = trusted.header
    if header.site != memory.site:
        raise WrongSiteError(what=header.bundle, found=header.site, expected=memory.site)
    clock = _clock(memory, now)
    age_days = max((clock - header.created).days, 0)
    existing = memory.imported.get(header.sequence)
    if existing is not None and existing.digest == trusted.digest:
        return _repeated_verdict(header.sequence, existing, memory, age_days)
    _require_chain(trusted, memory)
    _require_higher(trusted, memory)
    _require_parent(trusted, memory)
    gap = _find_gap(trusted, memory, policy)
    if age_days > policy.max_age_days:
        raise BundleAgeError(
            bundle=header.bundle, age_days=age_days, limit_days=policy.max_age_days
        )
    _require_clock(trusted, memory, clock)
    return ChainVerdict(
        kind="next" if memory.imported else "first",
        is_newest=True,
        skipped=_skipped(trusted, memory),
        gap=gap,
        gap_reason=(policy.accepted_gap or "the site's policy accepts gaps") if gap else None,
        age_days=age_days,
        is_nearly_too_old=age_days > policy.max_age_days * _WARN_SHARE,
        earlier_import=None,
    )


def _repeated_verdict(
    sequence: int, existing: ImportedBundle, memory: SiteMemory, age_days: int
) -> ChainVerdict:
    """Judge a bundle whose import was begun or done before (rule 2)."""
    is_newest = sequence == memory.newest
    if existing.done is None and not is_newest:
        raise ChainError(
            reason=f"bundle {sequence} was begun here and a newer one was imported since",
            remedy="Do nothing: the import of the newer bundle has replaced this one.",
        )
    return ChainVerdict(
        kind="resume" if existing.done is None else "repair",
        is_newest=is_newest,
        skipped=(),
        gap=None,
        gap_reason=None,
        age_days=age_days,
        is_nearly_too_old=False,
        earlier_import=existing,
    )


def _clock(memory: SiteMemory, now: datetime) -> datetime:
    trusted_times = [bundle.created for bundle in memory.imported.values()]
    trusted_times += [memory.last_run] if memory.last_run is not None else []
    return max([now, *trusted_times])


def _require_chain(trusted: TrustedHeader, memory: SiteMemory) -> None:
    chain = trusted.header.chain
    if memory.chain is not None and chain != memory.chain:
        raise ChainError(
            reason=f"{trusted.header.bundle} belongs to chain {chain}; this site follows chain "
            f"{memory.chain}",
            remedy="Ask the staging side whether it was rebuilt or its state was lost. This site "
            "keeps to its chain until a person has it follow another.",
        )


def _require_higher(trusted: TrustedHeader, memory: SiteMemory) -> None:
    """Refuse a number that is taken, lower than the newest import, or too far ahead."""
    sequence, newest = trusted.header.sequence, memory.newest
    if sequence in memory.imported:
        raise ChainError(
            reason=f"bundle {sequence} was imported here with header digest "
            f"{memory.imported[sequence].digest.short}; this one has {trusted.digest.short}",
            remedy="Two bundles bear one number: two staging servers export for this site, or one "
            "was set back. Find out which, before anything more is imported.",
        )
    if sequence < newest:
        raise ChainError(
            reason=f"bundle {sequence} is older than bundle {newest}, which was imported here, "
            "and was never imported itself",
            remedy=f"Do not import it: its content is in bundles after {newest}, or a receipt will "
            "report it as missing. Import the newest bundle.",
        )
    needs_earlier_bundles = newest or trusted.header.base is not None
    if needs_earlier_bundles and sequence - newest > LARGEST_JUMP:
        after = f"bundle {newest}, the newest that was imported here" if newest else "the beginning"
        raise ChainError(
            reason=f"bundle {sequence} is {sequence - newest} numbers ahead of {after}",
            remedy="Ask the staging side why its numbers jumped.",
        )


def _require_parent(trusted: TrustedHeader, memory: SiteMemory) -> None:
    """Refuse a bundle that does not descend from the newest imported bundle."""
    parent, newest = trusted.header.parent, memory.newest
    if not newest:
        return
    existing = memory.imported.get(parent.sequence) if parent is not None else None
    is_fork = parent is None or parent.sequence < newest
    if parent is not None and existing is not None and existing.digest != parent.digest:
        is_fork = True
    if is_fork:
        was = "nothing" if parent is None else f"{parent.sequence} ({parent.digest.short})"
        raise ChainError(
            reason=f"{trusted.header.bundle} descends from {was}, not from bundle {newest} "
            f"({memory.imported[newest].digest.short}), which was imported here",
            remedy="The staging side does not know what was imported here: it was set back, or "
            "two servers export for this site. Find out which, before anything more is imported.",
        )


def _find_gap(
    trusted: TrustedHeader, memory: SiteMemory, policy: ChainPolicy
) -> BundleReference | None:
    """Return the base if it was never imported and the gap is accepted; None without a gap."""
    base = trusted.header.base
    if base is None:
        return None
    existing = memory.imported.get(base.sequence)
    if existing is not None and existing.digest == base.digest and existing.done is not None:
        return None
    if existing is not None and existing.digest != base.digest:
        raise ChainError(
            reason=f"{trusted.header.bundle} is based on bundle {base.sequence} with digest "
            f"{base.digest.short}; the one imported here has {existing.digest.short}",
            remedy="Two bundles bear one number. Find out where the other one comes from.",
        )
    if policy.accept_gap or policy.accepted_gap is not None:
        return base
    raise ChainError(
        reason=f"{trusted.header.bundle} is based on bundle {base.sequence}, which was never "
        "imported here",
        remedy=f"Bring bundle {base.sequence} first, or have the staging side run "
        "`wsus-airgap export --full`; or do without the content that never came: "
        "once with `--accept-gap REASON`, always with "
        'policy.on_gap = "accept".',
    )


def _require_clock(trusted: TrustedHeader, memory: SiteMemory, clock: datetime) -> None:
    created = trusted.header.created
    newest = memory.imported.get(memory.newest)
    if created - clock > CLOCK_TOLERANCE:
        raise ClockError(clock=clock, created=created)
    if newest is not None and created < newest.created:
        raise ClockError(
            clock=f"{moment(clock)}, its predecessor was made {moment(newest.created)}",
            created=created,
        )


def _skipped(trusted: TrustedHeader, memory: SiteMemory) -> tuple[int, ...]:
    """Return the numbers of existing bundles that were never imported here."""
    header = trusted.header
    if not memory.imported and header.base is None:
        return ()  # a first bundle without a base does not depend on earlier bundles
    voided = set(header.voided)
    # At most LARGEST_JUMP numbers: _require_higher has refused more.
    between = range(memory.newest + 1, header.sequence)
    return tuple(number for number in between if number not in voided)
