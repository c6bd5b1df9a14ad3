"""The seal: who signed, over exactly which bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from tasks.bundle.canonical import canonical_json, strict_json
from tasks.bundle.header import (
    LIST_LIMIT_BYTES,
    MOST_FILES,
    Binding,
    Counts,
    Header,
    VolumeBinding,
    read_header,
    seal_header,
    verify_header,
)
from tasks.bundle.keys import SigningKey, generate_keys, load_signing_key
from tasks.bundle.seal import (
    BUNDLE_TYPE,
    HEADER_LIMIT_BYTES,
    RECEIPT_TYPE,
    Trust,
    read_seal,
    seal_payload,
    verify_seal,
)
from tasks.content.names import Blake3
from tasks.names import Mode
from tasks.refusals import SafetyError, SealError
from tests.support.bundles import CHAIN, FACTS, NOW

BINDING = Binding(size_bytes=10, blake3=Blake3(bytes(32)))
COUNTS = Counts(files=1, size_bytes=2, carried_files=1, carried_bytes=2, approvals=0, declines=0)


def header(volumes: int = 1) -> Header:
    return Header(
        product="wsus-airgap 0.1.0",
        site="alpha",
        chain=CHAIN,
        sequence=7,
        parent=None,
        base=None,
        created=NOW,
        mode=Mode.INCREMENTAL,
        server=FACTS,
        counts=COUNTS,
        manifest=BINDING,
        package=BINDING,
        approvals=BINDING,
        volumes=tuple(
            VolumeBinding(number=n, files=1, size_bytes=2, blake3sums=BINDING, sha1sums=BINDING)
            for n in range(1, volumes + 1)
        ),
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder: Path = tmp_path_factory.mktemp("keys")
    made = [generate_keys(folder / str(number)) for number in range(3)]
    return [load_signing_key(each.signing_key) for each in made]


def trust(*keys: SigningKey, threshold: int = 1) -> Trust:
    return Trust(tuple(key.public for key in keys), threshold)


def verify(content: bytes, who: Trust) -> Header:
    return verify_header(read_header(content, path="header.json"), who).header


def test_a_sealed_header_is_read_back_and_known_by_the_digest_of_its_payload(
    keys: list[SigningKey],
) -> None:
    content = seal_header(header(), keys[:1])

    trusted = verify_header(read_header(content, path="header.json"), trust(keys[0]))

    assert trusted.header == header()
    assert trusted.digest == header().digest
    assert trusted.signed_by == (keys[0].public.fingerprint,)


def test_a_second_signature_does_not_change_the_digest(keys: list[SigningKey]) -> None:
    one = read_header(seal_header(header(), keys[:1]), path="x")
    two = read_header(seal_header(header(), keys[:2]), path="x")

    assert verify_header(one, trust(*keys)).digest == verify_header(two, trust(*keys)).digest


def test_another_dsse_reader_agrees(keys: list[SigningKey]) -> None:
    content = seal_header(header(), keys[:1])

    envelope = Envelope.from_dict(json.loads(content))

    assert envelope.verify([keys[0].public.for_seal()], 1)
    assert json.loads(envelope.payload)["site"] == "alpha"


def test_the_threshold_counts_keys(keys: list[SigningKey]) -> None:
    one, two = seal_header(header(), keys[:1]), seal_header(header(), keys[:2])

    assert verify(two, trust(*keys, threshold=2)) == header()
    with pytest.raises(SealError, match="1 trusted keys signed it, 2 are needed"):
        verify(one, trust(*keys, threshold=2))
    with pytest.raises(SealError, match="0 trusted keys"):
        verify(one, trust(keys[2]))
    with pytest.raises(SealError, match="0 trusted keys"):
        verify(one, Trust((), 0))


def test_a_key_listed_twice_counts_once(keys: list[SigningKey]) -> None:
    content = seal_header(header(), keys[:1])

    with pytest.raises(SealError, match="1 trusted keys"):
        verify(content, trust(keys[0], keys[0], threshold=2))


def _edited(content: bytes, edit: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(content)
    edit(document)
    document["signatures"].sort(key=lambda one: str(one.get("keyid")))
    return canonical_json(document) + b"\n"


def _wrong_signature(document: dict[str, Any]) -> None:
    document["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()


def _other_payload(document: dict[str, Any]) -> None:
    payload = base64.b64decode(document["payload"]).replace(b'"alpha"', b'"omega"')
    document["payload"] = base64.b64encode(payload).decode()


def _second_under_other_name(document: dict[str, Any]) -> None:
    again = dict(document["signatures"][0], keyid="f" * 64)
    document["signatures"].append(again)


def _same_key_twice(document: dict[str, Any]) -> None:
    document["signatures"].append(document["signatures"][0])


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        pytest.param(_wrong_signature, "is wrong", id="wrong signature by a known key"),
        pytest.param(_other_payload, "is wrong", id="other payload"),
        pytest.param(_second_under_other_name, "misnamed", id="signature under another name"),
        pytest.param(_same_key_twice, "no envelope", id="one key twice"),
        pytest.param(lambda d: d.update(more=1), "no envelope", id="unknown key"),
        pytest.param(lambda d: d["signatures"][0].update(cert="x"), "no envelope", id="extra"),
        pytest.param(lambda d: d.update(signatures=[]), "no envelope", id="no signature"),
        pytest.param(lambda d: d.update(payload=7), "no envelope", id="payload no text"),
        pytest.param(lambda d: d.update(payload="&&"), "no envelope|canonical", id="no base64"),
        pytest.param(lambda d: d.update(payloadType=RECEIPT_TYPE), "it seals", id="other type"),
    ],
)
def test_an_edited_envelope_is_refused(
    keys: list[SigningKey], edit: Callable[[dict[str, Any]], None], reason: str
) -> None:
    content = seal_header(header(), keys[:1])

    with pytest.raises(SealError, match=reason):
        verify(_edited(content, edit), trust(keys[0]))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="empty object"),
        pytest.param(b"[" * 60_000, id="deep nesting"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"9" * 60_000, id="giant number"),
        pytest.param(b"x" * (HEADER_LIMIT_BYTES + 1), id="too large"),
    ],
)
def test_what_is_no_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(SealError):
        read_header(content, path="header.json")


def test_other_spellings_of_the_same_envelope_are_refused(keys: list[SigningKey]) -> None:
    content = seal_header(header(), keys[:1])
    spellings = [
        content + b"\n",
        content.rstrip(),
        content.replace(b":", b": ", 1),
        json.dumps(json.loads(content), indent=1).encode(),
        content.replace(b'{"payload"', b'{"payload":"x","payload"', 1),
        content.replace(b"application/", b"application\\/", 1),
    ]

    for spelling in spellings:
        assert spelling != content
        with pytest.raises(SealError):
            read_header(spelling, path="header.json")


def test_an_envelope_above_its_cap_is_refused_before_it_is_looked_at(
    keys: list[SigningKey],
) -> None:
    content = seal_payload(b"x" * HEADER_LIMIT_BYTES, BUNDLE_TYPE, keys[:1])

    with pytest.raises(SealError, match="larger than"):
        read_seal(content, path="header.json")


@pytest.mark.parametrize("text", [b'{"a":1,"a":1}', b'{"a":NaN}', b"[Infinity]", b'"\xff"'])
def test_json_of_more_than_one_meaning_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"twice|no number|decode"):
        strict_json(text)


def test_every_flipped_bit_of_a_header_file_is_found(keys: list[SigningKey]) -> None:
    """Two signatures: also the bits of one that the threshold does not need."""
    content = seal_header(header(), keys[:2])
    who = trust(*keys[:2])

    for position in range(len(content)):
        for bit in range(8) if position % 16 == 0 else (position % 8,):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            with pytest.raises(SealError):
                verify(bytes(flipped), who)


def test_a_header_of_a_later_format_is_refused_for_safety(keys: list[SigningKey]) -> None:
    later = header().payload().replace(b'"format":1', b'"format":3')
    content = seal_payload(later, BUNDLE_TYPE, keys[:1])

    with pytest.raises(SafetyError, match="format 3; this program reads up to 2"):
        verify(content, trust(keys[0]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'"site":"alpha"', b'"site":"../../etc"', id="site is a path"),
        pytest.param(b'"site":"alpha"', b'"site":"alpha","site2":"x"', id="unknown key"),
        pytest.param(b'"site":"alpha"', b'"site":"alpha","site":"alpha"', id="duplicate key"),
        pytest.param(b'"sequence":7', b'"sequence":7.0', id="float"),
        pytest.param(b'"sequence":7', b'"sequence":"7"', id="text for a number"),
        pytest.param(b'"sequence":7', b'"sequence":0', id="out of range"),
        pytest.param(b'"sequence":7', b'"sequence":1e400', id="infinite"),
        pytest.param(b'"format":1', b'"format":true', id="boolean for a number"),
        pytest.param(b'"sequence":7', b'"sequence": 7', id="space"),
        pytest.param(b"T12:00:00Z", b"T12:00:00+00:00", id="time otherwise spelled"),
        pytest.param(b'"mode":"incremental"', b'"mode":"purge"', id="unknown mode"),
        pytest.param(b'"number":1', b'"number":2', id="volumes not from one"),
    ],
)
def test_a_sealed_payload_that_breaks_the_format_is_refused(
    keys: list[SigningKey], old: bytes, new: bytes
) -> None:
    payload = header().payload()
    assert old in payload

    with pytest.raises(SealError):
        verify(seal_payload(payload.replace(old, new), BUNDLE_TYPE, keys[:1]), trust(keys[0]))


def test_a_header_of_a_hundred_volumes_fits_its_cap(keys: list[SigningKey]) -> None:
    large = Binding(size_bytes=LIST_LIMIT_BYTES, blake3=Blake3(b"\xff" * 32))
    volume = VolumeBinding(
        number=100, files=MOST_FILES, size_bytes=1 << 50, blake3sums=large, sha1sums=large
    )
    many = header().model_copy(update={"volumes": (volume,) * 100, "voided": tuple(range(1, 500))})

    assert len(seal_header(many, keys)) <= HEADER_LIMIT_BYTES


def test_a_receipt_never_passes_as_a_bundle(keys: list[SigningKey]) -> None:
    content = seal_payload(header().payload(), RECEIPT_TYPE, keys[:1])

    with pytest.raises(SealError, match="seals"):
        verify(content, trust(keys[0]))
    verified = verify_seal(read_seal(content, path="x"), RECEIPT_TYPE, trust(keys[0]))
    assert verified.digest == header().digest


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _JSON))
def test_canonical_json_is_read_back_and_stable(value: dict[str, Any]) -> None:
    text = canonical_json(value)

    assert strict_json(text) == value
    assert canonical_json(strict_json(text)) == text


@given(st.binary(max_size=2_000))
def test_random_bytes_are_never_an_envelope_and_never_crash(content: bytes) -> None:
    with pytest.raises(SealError):
        read_header(content, path="header.json")
