"""How the disconnected side judges a bundle against what it remembers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tasks.bundle.chain import ChainPolicy, ChainVerdict, ImportedBundle, SiteMemory, judge
from tasks.bundle.header import (
    Binding,
    BundleReference,
    Counts,
    Header,
    TrustedHeader,
    VolumeBinding,
)
from tasks.content.names import Blake3
from tasks.errors import AirGapError
from tasks.names import Mode
from tasks.refusals import BundleAgeError, ChainError, ClockError, WrongSiteError
from tests.support.bundles import CHAIN, FACTS, NOW

BINDING = Binding(size_bytes=10, blake3=Blake3(bytes(32)))
POLICY = ChainPolicy(max_age_days=90)
MONTH = timedelta(days=30)


def digest(number: int, branch: int = 0) -> Blake3:
    return Blake3(bytes([branch]) * 16 + number.to_bytes(16, "big"))


def reference(number: int, branch: int = 0) -> BundleReference:
    return BundleReference(sequence=number, digest=digest(number, branch))


def bundle(
    sequence: int,
    *,
    parent: BundleReference | None = None,
    base: BundleReference | None = None,
    voided: tuple[int, ...] = (),
    branch: int = 0,
    created: datetime = NOW,
    site: str = "alpha",
    chain: str = CHAIN,
) -> TrustedHeader:
    header = Header(
        product="x",
        site=site,
        chain=chain,
        sequence=sequence,
        parent=parent,
        base=base,
        voided=voided,
        created=created,
        mode=Mode.INCREMENTAL,
        server=FACTS,
        counts=Counts(
            files=0, size_bytes=0, carried_files=0, carried_bytes=0, approvals=0, declines=0
        ),
        manifest=BINDING,
        package=BINDING,
        approvals=BINDING,
        volumes=(
            VolumeBinding(number=1, files=0, size_bytes=0, blake3sums=BINDING, sha1sums=BINDING),
        ),
    )
    return TrustedHeader(header, digest(sequence, branch), ("key",))


def memory(*done: int, begun: int | None = None, chain: str | None = CHAIN) -> SiteMemory:
    imported = {
        number: ImportedBundle(digest(number), NOW - MONTH, NOW - MONTH, NOW - MONTH)
        for number in done
    }
    if begun is not None:
        imported[begun] = ImportedBundle(digest(begun), NOW - MONTH, NOW - MONTH, None)
    return SiteMemory("alpha", chain if imported else None, imported)


def verdict(
    trusted: TrustedHeader,
    known: SiteMemory,
    policy: ChainPolicy = POLICY,
    *,
    now: datetime = NOW,
) -> ChainVerdict:
    return judge(trusted, known, policy, now=now)


def test_the_first_bundle_of_a_site_is_taken() -> None:
    found = verdict(bundle(1), memory())

    assert (found.kind, found.is_newest, found.skipped, found.gap) == ("first", True, (), None)


def test_a_first_bundle_may_bear_any_number_when_it_needs_nothing() -> None:
    assert verdict(bundle(2_000, parent=reference(1_999)), memory()).skipped == ()


def test_the_next_bundle_is_taken() -> None:
    found = verdict(bundle(7, parent=reference(6), base=reference(6)), memory(5, 6))

    assert (found.kind, found.skipped) == ("next", ())


def test_bundles_that_never_came_are_named_unless_their_number_is_void() -> None:
    late = bundle(10, parent=reference(9), base=reference(6), voided=(8,))

    assert verdict(late, memory(5, 6)).skipped == (7, 9)


def test_a_done_bundle_is_a_repair_whatever_its_age() -> None:
    found = verdict(bundle(6), memory(5, 6), now=NOW + 400 * timedelta(days=1))

    assert (found.kind, found.is_newest) == ("repair", True)
    assert found.earlier_import is not None
    assert found.earlier_import.done == NOW - MONTH


def test_an_older_done_bundle_is_a_repair_that_is_not_newest() -> None:
    assert not verdict(bundle(5), memory(5, 6)).is_newest


def test_a_begun_bundle_is_resumed() -> None:
    assert verdict(bundle(7, parent=reference(6)), memory(6, begun=7)).kind == "resume"


def test_after_a_begun_bundle_a_higher_one_is_taken_too() -> None:
    higher = bundle(8, parent=reference(7), base=reference(6))

    assert verdict(higher, memory(6, begun=7)).kind == "next"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (ChainPolicy(max_age_days=90, accept_gap=True), "policy accepts"),
        (ChainPolicy(max_age_days=90, accepted_gap="disc 6 broke"), "disc 6 broke"),
    ],
    ids=["by policy", "by a person"],
)
def test_an_accepted_gap_is_named(policy: ChainPolicy, reason: str) -> None:
    late = bundle(8, parent=reference(7), base=reference(7))

    found = verdict(late, memory(5), policy)

    assert found.gap == reference(7)
    assert reason in (found.gap_reason or "")
    assert found.skipped == (6, 7)


@pytest.mark.parametrize(
    ("trusted", "known", "error", "sentence"),
    [
        pytest.param(
            bundle(1, site="beta"), memory(), WrongSiteError, "for beta, expected alpha",
            id="another site",
        ),
        pytest.param(
            bundle(7, chain="f" * 32, parent=reference(6)), memory(6), ChainError, "chain ffff",
            id="another chain",
        ),
        pytest.param(
            bundle(6, branch=1, parent=reference(5)), memory(5, 6), ChainError,
            "bundle 6 was imported here with header digest", id="other bytes under a known number",
        ),
        pytest.param(
            bundle(7, branch=1, parent=reference(6)), memory(6, begun=7), ChainError,
            "bundle 7 was imported here", id="other bytes under a begun number",
        ),
        pytest.param(
            bundle(4, parent=reference(3)), memory(3, 6), ChainError, "older than bundle 6",
            id="an old bundle that never was imported",
        ),
        pytest.param(
            bundle(6, parent=reference(5)), memory(5, begun=7), ChainError, "older than bundle 7",
            id="below a begun bundle",
        ),
        pytest.param(
            bundle(5), memory(6, begun=5), ChainError, "a newer one was imported since",
            id="a begun bundle that was overtaken",
        ),
        pytest.param(
            bundle(1_007, parent=reference(1_006)), memory(6), ChainError, "1001 numbers ahead",
            id="a jump",
        ),
        pytest.param(
            bundle(1_000_000, parent=reference(999_999)), memory(6), ChainError,
            "999994 numbers ahead of bundle 6", id="the furthest jump",
        ),
        pytest.param(
            bundle(1_001, parent=reference(1_000), base=reference(1_000)), memory(), ChainError,
            "1001 numbers ahead of the beginning", id="a first bundle that counts on a thousand",
        ),
        pytest.param(
            bundle(7, parent=reference(6, branch=1)), memory(6), ChainError, "descends from 6",
            id="fork: another parent of the same number",
        ),
        pytest.param(
            bundle(7, parent=reference(5)), memory(5, 6), ChainError, "descends from 5",
            id="fork: set back",
        ),
        pytest.param(
            bundle(7), memory(6), ChainError, "descends from nothing", id="fork: no parent",
        ),
        pytest.param(
            bundle(8, parent=reference(7), base=reference(7)), memory(5, 6), ChainError,
            "based on bundle 7, which was never imported", id="base not imported",
        ),
        pytest.param(
            bundle(8, parent=reference(7), base=reference(7)), memory(6, begun=7), ChainError,
            "based on bundle 7", id="base only begun",
        ),
        pytest.param(
            bundle(3, parent=reference(2), base=reference(2)), memory(), ChainError,
            "based on bundle 2", id="a first bundle that needs another",
        ),
        pytest.param(
            bundle(8, parent=reference(7), base=reference(6, branch=1)), memory(6), ChainError,
            "the one imported here has", id="base with other bytes",
        ),
        pytest.param(
            bundle(7, parent=reference(6), created=NOW - 91 * timedelta(days=1)),
            SiteMemory("alpha", CHAIN, {6: ImportedBundle(digest(6), NOW - 5 * MONTH, NOW, NOW)}),
            BundleAgeError, "91 days ago; this site accepts 90", id="too old",
        ),
        pytest.param(
            bundle(7, parent=reference(6), created=NOW + timedelta(days=1, seconds=1)), memory(6),
            ClockError, "this machine's clock", id="from the future",
        ),
        pytest.param(
            bundle(7, parent=reference(6), created=NOW - 2 * MONTH), memory(6), ClockError,
            "predecessor was made", id="older than its predecessor",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(
    trusted: TrustedHeader, known: SiteMemory, error: type[AirGapError], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        verdict(trusted, known)

    assert sentence in caught.value.message
    assert caught.value.next_step
    assert caught.value.exit_code == (4 if error is ClockError else 3)


def test_what_to_ask_for_is_named_when_a_base_is_missing() -> None:
    with pytest.raises(ChainError) as caught:
        verdict(bundle(8, parent=reference(7), base=reference(7)), memory(5, 6))

    assert "export --full" in caught.value.next_step
    assert "bundle 7" in caught.value.next_step


def test_a_clock_that_was_set_back_does_not_make_an_old_bundle_young() -> None:
    known = SiteMemory("alpha", CHAIN, memory(6).imported, last_run=NOW + 100 * timedelta(days=1))

    with pytest.raises(BundleAgeError):
        verdict(bundle(7, parent=reference(6)), known, now=NOW - MONTH)


def test_a_bundle_that_is_nearly_too_old_is_flagged() -> None:
    old = bundle(1, created=NOW - 80 * timedelta(days=1))

    assert verdict(old, memory()).is_nearly_too_old
    assert not verdict(bundle(1, created=NOW - MONTH), memory()).is_nearly_too_old
