"""Bundles of format 1 stay readable for ever, and their bytes are what we still write.

``tests/data/bundle-v1`` holds two bundles of one chain (the first in three volumes, with a file in
parts), the receipt of the second and its typed code. It was packed once and is never made again;
the key that sealed it is gone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tasks.bundle.documents import unpack_documents
from tasks.bundle.header import read_header, verify_header
from tasks.bundle.keys import load_public_key, load_receipt_secret
from tasks.bundle.layout import HEADER, MANIFEST, volume_name
from tasks.bundle.manifest import read_entries
from tasks.bundle.opened_bundle import open_bundle
from tasks.bundle.plan import MediaLimits
from tasks.bundle.receipt import read_receipt, seal_receipt
from tasks.bundle.receipt_code import AwaitedBundle, make_code, match_code
from tasks.bundle.seal import Trust
from tasks.bundle.unpack import Intake, unpack_content
from tasks.bundle.verify import prove_bundle
from tasks.hosts.local import LocalHost
from tests.support.bundles import Workshop

GOLDEN = Path(__file__).parents[1] / "data" / "bundle-v1"
DIGESTS = {
    1: "9dd9b1847a9bbfea157ae5b82fddbf97d8889f1452710de2c2550738d9c2655b",
    2: "282dec775d77b0152043fdd93b0c4e3c39fcea4d33f56c0fec5684ecd85d99be",
}


@pytest.fixture
def trust() -> Trust:
    return Trust((load_public_key(GOLDEN / "staging.pub"),))


@pytest.mark.parametrize(("sequence", "carried"), [(1, 8), (2, 1)])
def test_a_golden_bundle_is_whole(
    tmp_path: Path, trust: Trust, sequence: int, carried: int
) -> None:
    host = LocalHost()

    bundle = open_bundle(host, [host.path(str(GOLDEN / f"alpha-{sequence}"))], trust)
    read = prove_bundle(bundle, scratch=tmp_path)

    assert not bundle.faults
    assert bundle.trusted.digest.hex == DIGESTS[sequence]
    assert read.proved == carried
    assert bundle.header.counts.files == 7 + sequence


def test_the_second_golden_bundle_follows_the_first(trust: Trust) -> None:
    headers = []
    for sequence in (1, 2):
        path = GOLDEN / f"alpha-{sequence}" / volume_name(1) / HEADER
        headers.append(verify_header(read_header(path.read_bytes(), path=str(path)), trust).header)

    first, second = headers
    assert (first.parent, first.base) == (None, None)
    assert second.parent == second.base == first.reference
    assert second.chain == first.chain


def test_what_we_pack_today_has_the_golden_bytes(tmp_path: Path, trust: Trust) -> None:
    """The content of the golden bundle, packed again: manifest, lists and header payload."""
    host = LocalHost()
    bundle = open_bundle(host, [host.path(str(GOLDEN / "alpha-1"))], trust)
    (tmp_path / "documents").mkdir()
    documents = unpack_documents(bundle, tmp_path / "documents")
    assert documents.manifest is not None
    workshop = Workshop(tmp_path, limits=MediaLimits(82_000, 6_000))
    intake = Intake(host, host.path(str(workshop.content)))
    unpack_content(bundle, documents.manifest, intake=intake)

    header = workshop.export()

    for volume in bundle.header.volumes:
        made = workshop.volume(1, volume.number)
        golden = GOLDEN / "alpha-1" / volume_name(volume.number)
        names = {path.relative_to(golden) for path in golden.rglob("*") if path.is_file()}
        assert names == {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
        for name in names - {Path(HEADER)}:
            assert (made / name).read_bytes() == (golden / name).read_bytes(), name
    assert header.digest.hex == DIGESTS[1]


def test_the_golden_content_is_what_its_names_say() -> None:
    entries = list(read_entries(GOLDEN / "alpha-1" / volume_name(1) / MANIFEST))

    for entry in entries:
        if entry.parts or entry.volume is None:
            continue
        folder = GOLDEN / "alpha-1" / volume_name(entry.volume) / "content" / entry.name.folder
        content = (folder / entry.name.text).read_bytes()
        assert hashlib.sha1(content).hexdigest().upper() == entry.sha1.hex


def test_the_golden_receipt_and_its_code_are_read(tmp_path: Path, trust: Trust) -> None:
    path = GOLDEN / "alpha-2.receipt.json"
    secret = load_receipt_secret(GOLDEN / "receipt.secret")
    code = (GOLDEN / "receipt-code.txt").read_text().strip()

    receipt = read_receipt(path.read_bytes(), path=str(path), trust=trust).receipt

    assert (receipt.outcome, receipt.sequence) == ("partial", 2)
    assert receipt.header_digest.hex == DIGESTS[2]
    assert make_code(receipt, secret) == code
    awaited = AwaitedBundle(receipt.site, receipt.chain, receipt.sequence, receipt.header_digest)
    assert match_code(code, [awaited], secret).outcome == "partial"
    # Ed25519 is deterministic: whoever seals the same receipt writes the same envelope but for
    # the key; its length is part of the format.
    workshop = Workshop(tmp_path)
    assert len(seal_receipt(receipt, [workshop.key])) == path.stat().st_size
