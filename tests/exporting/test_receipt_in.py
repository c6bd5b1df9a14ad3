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
from tasks.errors import AirGapError, HostFileError, PathMissingError
from tasks.exporting.receipt_in import advance_baseline, open_receipt
from tasks.refusals import ChainError, SealError, WrongSiteError
from tasks.run.context import RunContext
from tasks.run.keys import receipt_secret, signing_key
from tests.support.bad_disk import BadDisk, failing
from tests.support.runs import reserved

MISSING = (ContentDigest(bytes(20)),)


@pytest.fixture
def run(staging: RunContext) -> RunContext:
    """A staging side that has sealed two bundles."""
    staging.exports.mint_chain()
    for sequence in (1, 2):
        staging.exports.reserve(reserved(sequence, staging.site.path.parent))
        staging.ledger.connection.execute(
            "UPDATE export SET status='sealed', header_digest=? WHERE sequence=?",
            (f"{sequence:064x}", sequence),
        )
    return staging


def receipt(run: RunContext, sequence: int = 1, **changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "site": "alpha",
        "chain": run.ledger.chain,
        "sequence": sequence,
        "header_digest": Blake3.from_hex(f"{sequence:064x}"),
        "outcome": "complete",
        "counts": ReceiptCounts(**dict.fromkeys(ReceiptCounts.model_fields, 0)),
    }
    return Receipt(**(values | changes))


def accept(run: RunContext, given: Receipt | bytes | str) -> int | None:
    """Take a receipt, its file's bytes or a code; gives the baseline's number afterwards."""
    if isinstance(given, Receipt):
        given = seal_receipt(given, [signing_key(run.site)])
    if isinstance(given, bytes):
        path = run.site.path.parent / "a.receipt.json"
        path.write_bytes(given)
        given = str(path)
    advance_baseline(run, open_receipt(run, given))
    return baseline(run)


def baseline(run: RunContext) -> int | None:
    found = run.exports.baseline()
    return found.sequence if found else None


def test_a_receipt_moves_the_baseline_and_an_older_one_never_moves_it_back(
    run: RunContext,
) -> None:
    assert accept(run, receipt(run, 1)) == 1
    assert accept(run, receipt(run, 2)) == 2
    assert accept(run, receipt(run, 1)) == 2
    assert "stands at bundle 2 already" in run.report.lines[-1]


def test_what_a_receipt_calls_missing_is_remembered_and_may_shrink_the_baseline(
    run: RunContext,
) -> None:
    assert accept(run, receipt(run, 1)) == 1
    assert accept(run, receipt(run, 1, outcome="partial", missing_content=MISSING)) == 1
    record = run.exports.by_sequence(1)
    assert record is not None
    assert Receipt.model_validate_json(record.receipt or "").missing_content == MISSING


def test_a_receipt_that_cannot_list_what_is_missing_moves_nothing(run: RunContext) -> None:
    assert accept(run, receipt(run, 1, outcome="unlisted")) is None
    partial = receipt(run, 1, outcome="partial", missing_content=MISSING)
    assert accept(run, make_code(partial, receipt_secret(run.site))) is None
    assert len(run.report.notices) == 2
    assert accept(run, make_code(receipt(run, 1), receipt_secret(run.site))) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"site": "beta"}, WrongSiteError),
        ({"chain": "f" * 32}, ChainError),
        ({"header_digest": Blake3.from_hex("ee" * 32)}, ChainError),
    ],
)
def test_a_receipt_of_another_site_chain_or_bundle_is_refused(
    run: RunContext, changes: dict[str, Any], error: type[AirGapError]
) -> None:
    with pytest.raises(error):
        accept(run, receipt(run, **changes))
    assert baseline(run) is None


def test_a_forged_torn_or_exchanged_receipt_is_refused(run: RunContext, tmp_path: Path) -> None:
    generate_keys(tmp_path / "stranger")
    stranger = load_signing_key(tmp_path / "stranger" / "signing.key")
    good = seal_receipt(receipt(run), [signing_key(run.site)])
    for content in (
        seal_receipt(receipt(run), [stranger]),
        seal_payload(receipt(run).payload(), BUNDLE_TYPE, [signing_key(run.site)]),
        good[:-1],
        good + b"\n",
        good[: len(good) // 2],
        b"",
        b"[" * 100_000,
    ):
        with pytest.raises(SealError) as refused:
            accept(run, content)
        assert "bundle" not in refused.value.next_step
    assert baseline(run) is None
    assert accept(run, good) == 1


def test_what_is_neither_a_file_nor_a_code_is_a_usage_error(run: RunContext) -> None:
    for text in ("", "nowhere.json", str(run.site.path.parent)):
        with pytest.raises(PathMissingError):
            accept(run, text)


@pytest.mark.skipif(sys.platform != "linux", reason="names descriptors by /proc")
@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE, errno.ELOOP])
def test_a_receipt_that_lies_there_and_cannot_be_read_is_a_failure(
    run: RunContext, code: int
) -> None:
    path = run.site.media.path / "a.receipt.json"
    path.write_bytes(seal_receipt(receipt(run), [signing_key(run.site)]))

    disk = BadDisk(path.parent, "stat", 1, code)
    with failing(disk), pytest.raises(HostFileError) as caught:
        open_receipt(run, str(path))

    assert caught.value.exit_code == 1
    assert accept(run, path.read_bytes()) == 1
