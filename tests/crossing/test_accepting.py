"""The baseline moves by a receipt for a bundle of ours, never back, and by nothing else."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.keys import generate_keys, load_signing_key
from tasks.bundle.receipt import Receipt, ReceiptCounts, seal_receipt
from tasks.bundle.receipt_code import make_code
from tasks.bundle.seal import BUNDLE_TYPE, seal_payload
from tasks.content.names import Blake3, ContentDigest
from tasks.crossing.accepting import advance_baseline, open_receipt
from tasks.crossing.trust import receipt_secret, signing_key
from tasks.crossing.workplace import Workplace
from tasks.errors import AirGapError, HostFileError, PathMissingError
from tasks.refusals import ChainError, SealError, WrongSiteError
from tests.support.bad_disk import BadDisk, failing
from tests.support.places import reserved

MISSING = (ContentDigest(bytes(20)),)


@pytest.fixture
def place(staging: Workplace) -> Workplace:
    """A staging side that has sealed two bundles."""
    staging.exports.mint_chain()
    for sequence in (1, 2):
        staging.exports.reserve(reserved(sequence, staging.site.path.parent))
        staging.ledger.connection.execute(
            "UPDATE export SET status='sealed', header_digest=? WHERE sequence=?",
            (f"{sequence:064x}", sequence),
        )
    return staging


def receipt(place: Workplace, sequence: int = 1, **changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "site": "alpha",
        "chain": place.ledger.chain,
        "sequence": sequence,
        "header_digest": Blake3.from_hex(f"{sequence:064x}"),
        "outcome": "complete",
        "counts": ReceiptCounts(**dict.fromkeys(ReceiptCounts.model_fields, 0)),
    }
    return Receipt(**(values | changes))


def accept(place: Workplace, given: Receipt | bytes | str) -> int | None:
    """Take a receipt, its file's bytes or a code; gives the baseline's number afterwards."""
    if isinstance(given, Receipt):
        given = seal_receipt(given, [signing_key(place.site)])
    if isinstance(given, bytes):
        path = place.site.path.parent / "a.receipt.json"
        path.write_bytes(given)
        given = str(path)
    advance_baseline(place, open_receipt(place, given))
    return baseline(place)


def baseline(place: Workplace) -> int | None:
    found = place.exports.baseline()
    return found.sequence if found else None


def test_a_receipt_moves_the_baseline_and_an_older_one_never_moves_it_back(
    place: Workplace,
) -> None:
    assert accept(place, receipt(place, 1)) == 1
    assert accept(place, receipt(place, 2)) == 2
    assert accept(place, receipt(place, 1)) == 2
    assert "stands at bundle 2 already" in place.lines[-1]


def test_what_a_receipt_calls_missing_is_remembered_and_may_shrink_the_baseline(
    place: Workplace,
) -> None:
    assert accept(place, receipt(place, 1)) == 1
    assert accept(place, receipt(place, 1, outcome="partial", missing_content=MISSING)) == 1
    record = place.exports.by_sequence(1)
    assert record is not None
    assert Receipt.model_validate_json(record.receipt or "").missing_content == MISSING


def test_a_receipt_that_cannot_list_what_is_missing_moves_nothing(place: Workplace) -> None:
    assert accept(place, receipt(place, 1, outcome="unlisted")) is None
    partial = receipt(place, 1, outcome="partial", missing_content=MISSING)
    assert accept(place, make_code(partial, receipt_secret(place.site))) is None
    assert len(place.alarms) == 2
    assert accept(place, make_code(receipt(place, 1), receipt_secret(place.site))) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"site": "beta"}, WrongSiteError),
        ({"chain": "f" * 32}, ChainError),
        ({"header_digest": Blake3.from_hex("ee" * 32)}, ChainError),
    ],
)
def test_a_receipt_of_another_site_chain_or_bundle_is_refused(
    place: Workplace, changes: dict[str, Any], error: type[AirGapError]
) -> None:
    with pytest.raises(error):
        accept(place, receipt(place, **changes))
    assert baseline(place) is None


def test_a_forged_torn_or_exchanged_receipt_is_refused(place: Workplace, tmp_path: Path) -> None:
    generate_keys(tmp_path / "stranger")
    stranger = load_signing_key(tmp_path / "stranger" / "signing.key")
    good = seal_receipt(receipt(place), [signing_key(place.site)])
    for content in (
        seal_receipt(receipt(place), [stranger]),
        seal_payload(receipt(place).payload(), BUNDLE_TYPE, [signing_key(place.site)]),
        good[:-1],
        good + b"\n",
        good[: len(good) // 2],
        b"",
        b"[" * 100_000,
    ):
        with pytest.raises(SealError) as refused:
            accept(place, content)
        assert "bundle" not in refused.value.next_step
    assert baseline(place) is None
    assert accept(place, good) == 1


def test_what_is_neither_a_file_nor_a_code_is_a_usage_error(place: Workplace) -> None:
    for text in ("", "nowhere.json", str(place.site.path.parent)):
        with pytest.raises(PathMissingError):
            accept(place, text)


@pytest.mark.skipif(sys.platform != "linux", reason="names descriptors by /proc")
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ELOOP])
def test_a_receipt_that_lies_there_and_cannot_be_read_is_a_failure(
    place: Workplace, code: int
) -> None:
    path = place.site.media.path / "a.receipt.json"
    path.write_bytes(seal_receipt(receipt(place), [signing_key(place.site)]))

    disk = BadDisk(path.parent, "stat", 1, code)
    with failing(disk), pytest.raises(HostFileError) as caught:
        open_receipt(place, str(path))

    assert caught.value.exit_code == 1
    assert accept(place, path.read_bytes()) == 1
