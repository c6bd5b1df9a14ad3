"""Judge whether a bundle fits what this site remembers. Pure: facts in, verdict or error out.

In this order, the first rule that speaks decides:

1. A bundle of another site is refused.
2. A header digest that is known: the same bundle again. One that was begun is finished, one that
   is done may only be repaired with. Age does not matter then.
3. Another chain is refused; the first import makes the chain known.
4. A number that is not above all that were imported or begun: either other bytes under a known
   number (fork) or an old bundle that was never imported; both are refused.
5. A jump of more than a thousand numbers is refused; for a first bundle, only when it counts on
   bundles before it.
6. A parent that contradicts what was imported (fork) is refused: every bundle descends from the
   newest one that was imported, over those that never came.
7. The base must have been imported with that very digest. If it was not, the bundle is refused
   with what to ask for; or, when the site or a person accepts the gap, taken and the gap named.
8. Too old is refused, nearly too old is flagged.
9. Made more than a day ahead of the clock, or before what was imported last: a clock is wrong.

The clock never runs backwards for us: it is the latest of the machine's clock, the newest
``created`` that was trusted, and the last run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tasks.bundle.header import BundleReference, TrustedHeader
from tasks.content.names import Blake3
from tasks.refusals import BundleAgeError, ChainError, ClockError, WrongSiteError

LARGEST_JUMP = 1_000
CLOCK_TOLERANCE = timedelta(days=1)
_WARN_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class ImportedBundle:
    """A bundle that changed this site's server; ``done`` is None when its import was only begun."""

    digest: Blake3
    created: datetime
    begun: datetime
    done: datetime | None


@dataclass(frozen=True, slots=True)
class SiteMemory:
    """What the disconnected side remembers; none of it can be written by a bundle.

    Attributes:
        site: The site's name.
        chain: The chain of its bundles; None before the first import.
        imported: Every bundle that was imported or begun, by sequence number.
        last_run: When a command last ran here; for the clock.
    """

    site: str
    chain: str | None
    imported: Mapping[int, ImportedBundle] = field(default_factory=dict)
    last_run: datetime | None = None

    @property
    def newest(self) -> int:
        """The highest number that was imported or begun; 0 before the first."""
        return max(self.imported, default=0)


@dataclass(frozen=True, slots=True)
class ChainPolicy:
    """What the site accepts. ``accepted_gap`` is the reason that a person gave, or None."""

    max_age_days: int
    accept_gap: bool = False
    accepted_gap: str | None = None


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """A bundle fits, and this is how.

    Attributes:
        kind: ``first`` of this site, ``next`` one, ``resume`` of an import that was begun, or
            ``repair`` with a bundle that is done.
        is_newest: Nothing newer was imported. An older bundle may only put back content.
        skipped: Numbers between the last import and this bundle that exist and never came.
        gap: The base when it never was imported here and the gap was accepted; what bundles up
            to it carried and this one does not is missing.
        gap_reason: Why the gap was accepted.
        age_days: Whole days since the bundle was made.
        is_nearly_too_old: Three quarters of the accepted age have passed.
        known: What is remembered of the same bundle; None when it is new.
    """

    kind: Literal["first", "next", "resume", "repair"]
    is_newest: bool
    skipped: tuple[int, ...]
    gap: BundleReference | None
    gap_reason: str | None
    age_days: int
    is_nearly_too_old: bool
    known: ImportedBundle | None


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
        WrongSiteError: It is another site's.
        ChainError: It does not fit; says what to ask for.
        BundleAgeError: It is older than the site accepts.
        ClockError: The clocks of the two sides contradict each other.
    """
    header = trusted.header
    if header.site != memory.site:
        raise WrongSiteError(what=header.bundle, found=header.site, expected=memory.site)
    clock = _clock(memory, now)
    age_days = max((clock - header.created).days, 0)
    known = memory.imported.get(header.sequence)
    if known is not None and known.digest == trusted.digest:
        return _known_verdict(header.sequence, known, memory, age_days)
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
        known=None,
    )


def _known_verdict(
    sequence: int, known: ImportedBundle, memory: SiteMemory, age_days: int
) -> ChainVerdict:
    is_newest = sequence == memory.newest
    if known.done is None and not is_newest:
        raise ChainError(
            reason=f"bundle {sequence} was begun here and a newer one was imported since",
            remedy="Nothing is to be done: the newer bundle brought what this one would bring.",
        )
    return ChainVerdict(
        kind="resume" if known.done is None else "repair",
        is_newest=is_newest,
        skipped=(),
        gap=None,
        gap_reason=None,
        age_days=age_days,
        is_nearly_too_old=False,
        known=known,
    )


def _clock(memory: SiteMemory, now: datetime) -> datetime:
    known = [bundle.created for bundle in memory.imported.values()]
    known += [memory.last_run] if memory.last_run is not None else []
    return max([now, *known])


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
    """Refuse numbers that are taken or passed, and jumps."""
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
            remedy=f"Leave it: what it carries is in bundles after {newest} or will be asked for. "
            "Import the newest bundle.",
        )
    counts_on_others = newest or trusted.header.base is not None
    if counts_on_others and sequence - newest > LARGEST_JUMP:
        after = f"bundle {newest}, the newest that was imported here" if newest else "the beginning"
        raise ChainError(
            reason=f"bundle {sequence} is {sequence - newest} numbers ahead of {after}",
            remedy="Ask the staging side why its numbers jumped.",
        )


def _require_parent(trusted: TrustedHeader, memory: SiteMemory) -> None:
    """Refuse a bundle that does not descend from the newest one that was imported."""
    parent, newest = trusted.header.parent, memory.newest
    if not newest:
        return
    known = memory.imported.get(parent.sequence) if parent is not None else None
    is_fork = parent is None or parent.sequence < newest
    if parent is not None and known is not None and known.digest != parent.digest:
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
    """Give the base when it was never imported and the gap is accepted; None when all fits."""
    base = trusted.header.base
    if base is None:
        return None
    known = memory.imported.get(base.sequence)
    if known is not None and known.digest == base.digest and known.done is not None:
        return None
    if known is not None and known.digest != base.digest:
        raise ChainError(
            reason=f"{trusted.header.bundle} is based on bundle {base.sequence} with digest "
            f"{base.digest.short}; the one imported here has {known.digest.short}",
            remedy="Two bundles bear one number. Find out where the other one comes from.",
        )
    if policy.accept_gap or policy.accepted_gap is not None:
        return base
    raise ChainError(
        reason=f"{trusted.header.bundle} is based on bundle {base.sequence}, which was never "
        "imported here",
        remedy=f"Bring bundle {base.sequence} first, or have the staging side run `export --full`; "
        'or set policy.on_gap to "accept" and do without what never came.',
    )


def _require_clock(trusted: TrustedHeader, memory: SiteMemory, clock: datetime) -> None:
    created = trusted.header.created
    newest = memory.imported.get(memory.newest)
    if created - clock > CLOCK_TOLERANCE:
        raise ClockError(clock=clock.isoformat(), created=created.isoformat())
    if newest is not None and created < newest.created:
        raise ClockError(
            clock=f"{clock.isoformat()}, its predecessor was made {newest.created.isoformat()}",
            created=created.isoformat(),
        )


def _skipped(trusted: TrustedHeader, memory: SiteMemory) -> tuple[int, ...]:
    """Name bundles that exist and never came."""
    header = trusted.header
    if not memory.imported and header.base is None:
        return ()  # a first bundle that needs nothing: what came before concerns nobody here
    voided = set(header.voided)
    between = range(memory.newest + 1, header.sequence)  # at most LARGEST_JUMP: seen to before
    return tuple(number for number in between if number not in voided)
