"""The way back: the sealed receipt and its typed code."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.bundle.keys import SigningKey, generate_keys, load_signing_key
from tasks.bundle.receipt import (
    MOST_MISSING,
    RECEIPT_LIMIT_BYTES,
    MissingUpdate,
    Receipt,
    ReceiptCounts,
    ReceiptOutcome,
    list_missing,
    read_receipt,
    seal_receipt,
    show_receipt,
)
from tasks.bundle.receipt_code import (
    _ALPHABET,
    AwaitedBundle,
    looks_like_code,
    make_code,
    match_code,
)
from tasks.bundle.seal import BUNDLE_TYPE, RECEIPT_TYPE, Trust, seal_payload
from tasks.content.names import Blake3, ContentDigest
from tasks.errors import UsageError
from tasks.refusals import ChainError, SealError
from tests.support.bundles import CHAIN

SECRET = bytes(range(32))
COUNTS = ReceiptCounts(
    files_in_place=118,
    files_missing=1,
    updates_loaded=60,
    approvals_applied=19,
    approvals_parked=1,
    approvals_held=0,
    approvals_failed=0,
)
MISSING = ContentDigest(b"\x11" * 20)
UPDATE = MissingUpdate(update_id="7b1f5a52-8f0e-4a0e-9a52-2b8c1c8f3d11", revision=200)


def receipt(outcome: ReceiptOutcome = "partial", sequence: int = 7) -> Receipt:
    return Receipt(
        site="alpha",
        chain=CHAIN,
        sequence=sequence,
        header_digest=Blake3(b"\x22" * 32),
        outcome=outcome,
        counts=COUNTS,
        missing_content=(MISSING,) if outcome == "partial" else (),
        missing_updates=(UPDATE,),
    )


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    folder: Path = tmp_path_factory.mktemp("keys")
    return load_signing_key(generate_keys(folder).signing_key)


def test_a_receipt_is_read_back_as_it_was_sealed(key: SigningKey) -> None:
    content = seal_receipt(receipt(), [key])

    trusted = read_receipt(content, path="receipt", trust=Trust((key.public,)))

    assert trusted.receipt == receipt()
    assert trusted.receipt.missing_digests() == {MISSING}
    assert trusted.receipt.file_name == "alpha-7.receipt.json"


def test_every_flipped_byte_of_a_receipt_is_found(key: SigningKey) -> None:
    content = seal_receipt(receipt(), [key])

    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(SealError):
            read_receipt(bytes(flipped), path="receipt", trust=Trust((key.public,)))


@pytest.mark.parametrize(
    ("payload_type", "old", "new"),
    [
        pytest.param(BUNDLE_TYPE, b"", b"", id="sealed as a bundle"),
        pytest.param(RECEIPT_TYPE, b'"site"', b'"host":"wsus01","site"', id="more than allowed"),
        pytest.param(RECEIPT_TYPE, b'"partial"', b'"complete"', id="complete, and yet missing"),
        pytest.param(RECEIPT_TYPE, b'"revision":200', b'"revision":"200"', id="wrong type"),
        pytest.param(RECEIPT_TYPE, b'"revision":200', b'"revision": 200', id="other spelling"),
        pytest.param(
            RECEIPT_TYPE, b'["1111', b'["' + b"1" * 40 + b'","1111', id="missing twice the same"
        ),
    ],
)
def test_a_sealed_receipt_that_breaks_the_format_is_refused(
    key: SigningKey, payload_type: str, old: bytes, new: bytes
) -> None:
    payload = receipt().payload()
    assert old in payload

    content = seal_payload(payload.replace(old, new, 1), payload_type, [key])

    with pytest.raises(SealError):
        read_receipt(content, path="receipt", trust=Trust((key.public,)))


def test_a_receipt_is_shown_whole_and_names_no_host() -> None:
    text = show_receipt(receipt())

    for said in ("alpha", "7", CHAIN, "22" * 32, "partial", "118", MISSING.hex, UPDATE.update_id):
        assert said in text


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    many = tuple(ContentDigest(number.to_bytes(20, "big")) for number in range(60))

    text = show_receipt(receipt().model_copy(update={"missing_content": many}))

    assert "and 10 more" in text


def test_missing_content_decides_the_outcome() -> None:
    many = [ContentDigest(number.to_bytes(20, "big")) for number in range(MOST_MISSING + 1)]

    assert list_missing([]) == ("complete", ())
    assert list_missing([MISSING, MISSING]) == ("partial", (MISSING,))
    assert list_missing(many) == ("unlisted", ())


def test_the_largest_receipt_stays_below_its_cap(key: SigningKey) -> None:
    many = tuple(ContentDigest(number.to_bytes(20, "big")) for number in range(MOST_MISSING))
    updates = (UPDATE,) * 100_000
    large = receipt().model_copy(update={"missing_content": many, "missing_updates": updates})

    assert len(seal_receipt(large, [key])) <= RECEIPT_LIMIT_BYTES


# --- the typed code -------------------------------------------------------------------------------

AWAITED = [
    AwaitedBundle("alpha", CHAIN, number, Blake3(bytes([number]) * 32)) for number in range(1, 9)
]
_OUTCOMES = st.sampled_from(["complete", "partial", "unlisted"])


def _code(number: int, outcome: ReceiptOutcome = "complete") -> str:
    awaited = AWAITED[number]
    made = receipt(outcome, awaited.sequence)
    return make_code(made.model_copy(update={"header_digest": awaited.header_digest}), SECRET)


@given(st.integers(0, 7), _OUTCOMES)
def test_a_code_finds_its_bundle_and_outcome(number: int, outcome: ReceiptOutcome) -> None:
    found = match_code(_code(number, outcome), AWAITED, SECRET)

    assert (found.awaited, found.outcome) == (AWAITED[number], outcome)


def test_a_code_has_at_most_24_characters() -> None:
    assert len(_code(0).replace("-", "")) == 19
    assert len(_code(0)) <= 24


@given(st.integers(0, 7), st.data())
def test_typing_habits_do_not_matter(number: int, data: st.DataObject) -> None:
    typed = ""
    for letter in _code(number).replace("-", ""):
        spellings = {"0": "0Oo", "1": "1IilL"}.get(letter, letter + letter.lower())
        typed += data.draw(st.sampled_from(spellings)) + data.draw(st.sampled_from(["", " ", "-"]))

    assert looks_like_code(typed)
    assert match_code(typed, AWAITED, SECRET).awaited == AWAITED[number]


@given(st.integers(0, 7), st.integers(0, 18), st.sampled_from(_ALPHABET))
def test_any_one_wrong_letter_is_a_typing_error(number: int, place: int, letter: str) -> None:
    code = _code(number).replace("-", "")
    typed = code[:place] + letter + code[place + 1 :]

    if typed != code:
        with pytest.raises(UsageError, match="mistyped"):
            match_code(typed, AWAITED, SECRET)


@given(st.integers(0, 7), st.integers(0, 17))
def test_two_swapped_neighbours_are_a_typing_error(number: int, place: int) -> None:
    code = _code(number).replace("-", "")
    typed = code[:place] + code[place + 1] + code[place] + code[place + 2 :]

    if typed != code:
        with pytest.raises(UsageError, match="mistyped"):
            match_code(typed, AWAITED, SECRET)


@pytest.mark.parametrize("typed", ["", "ABC", "receipt.json", "0" * 40, "\u0661" * 19])
def test_what_is_no_code_is_a_typing_error(typed: str) -> None:
    assert not looks_like_code(typed)
    with pytest.raises(UsageError):
        match_code(typed, AWAITED, SECRET)


@pytest.mark.parametrize(
    ("typed", "said"),
    [("0" * 20, "20 were typed"), ("7-" * 17, "17 were typed"), ("U" * 19, "'U'")],
)
def test_a_code_of_another_length_or_letter_is_told_as_such_not_as_a_lost_file(
    typed: str, said: str
) -> None:
    assert looks_like_code(typed)
    with pytest.raises(UsageError, match=said):
        match_code(typed, AWAITED, SECRET)


def test_a_good_code_for_another_bundle_or_by_another_secret_is_told_apart() -> None:
    with pytest.raises(ChainError, match="well typed"):
        match_code(_code(0), AWAITED[1:], SECRET)
    with pytest.raises(ChainError, match="well typed"):
        match_code(_code(0), AWAITED, bytes(32))


def test_the_outcome_cannot_be_changed_without_the_secret() -> None:
    body = _code(0, "partial").replace("-", "")[:16] + "C"
    checks = [one + two for one in _ALPHABET for two in _ALPHABET]

    refused = 0
    for check in checks:
        with pytest.raises((UsageError, ChainError)):
            match_code(body + check, AWAITED, SECRET)
        refused += 1
    assert refused == 1024
