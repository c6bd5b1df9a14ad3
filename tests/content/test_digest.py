"""Names and digests of content files."""

from __future__ import annotations

import base64
import hashlib
import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tasks.content.digest import Digester, blake3_of_chunks, blake3_of_file, digest_chunks
from tasks.content.names import Blake3, ContentDigest, ContentName

_HEX = st.binary(min_size=20, max_size=20)
_EXTENSION = st.from_regex(r"([A-Za-z0-9][A-Za-z0-9_-]{0,15})?", fullmatch=True)


def test_a_name_of_a_real_server_has_the_folder_of_its_last_byte() -> None:
    digest = ContentDigest(base64.b64decode("y2/wvtpOW/lSqnhTjJoi3xE1EGM="))

    name = ContentName.parse("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063.cab")

    assert name is not None
    assert name.digest == digest
    assert name.folder == "63"


@given(_HEX, _EXTENSION)
def test_a_name_is_read_back_as_it_was_written(raw: bytes, extension: str) -> None:
    name = ContentName(ContentDigest(raw), extension)

    assert ContentName.parse(name.text) == name


@given(_HEX, _EXTENSION)
def test_names_are_sorted_by_folder_before_digest(raw: bytes, extension: str) -> None:
    name = ContentName(ContentDigest(raw), extension)

    assert f"{name.order[0]:02X}" == name.folder
    assert name.order[1:] == name.key


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("anonymousCheckFile.txt", id="WSUS's own file"),
        pytest.param("BITA1B2.tmp", id="half download"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF1135106.cab", id="39 digits"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF113510631.cab", id="41 digits"),
        pytest.param("../B6FF0BEDA4E5BF952AA78538C9A22DF11351063.cab", id="traversal"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063.cab.exe", id="two extensions"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063.", id="trailing dot"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063.cab:x", id="data stream"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063.ca b", id="blank"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063." + "c" * 33, id="too long"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF11351063.cab\n", id="line break"),
        pytest.param("CB6FF0BEDA4E5BF952AA78538C9A22DF1135106\u0663.cab", id="foreign digit"),
    ],
)
def test_what_is_no_content_name_is_none(text: str) -> None:
    assert ContentName.parse(text) is None


@given(st.lists(st.binary(max_size=100)))
def test_both_digests_come_from_one_pass_whatever_the_chunks(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)

    digests = digest_chunks(chunks)

    assert digests.sha1 == ContentDigest(hashlib.sha1(whole).digest())
    assert digests.blake3 == Blake3(blake3(whole).digest()) == blake3_of_chunks(chunks)
    assert digests.size_bytes == len(whole)


def test_watching_passes_the_bytes_on_unchanged() -> None:
    digester = Digester()

    passed = list(digester.watch([b"one", memoryview(b"two")]))

    assert b"".join(passed) == b"onetwo"
    assert digester.result() == digest_chunks([b"onetwo"])


@pytest.mark.parametrize("size_bytes", [0, 1, 1_048_576, 2_500_000])
def test_a_file_of_ours_is_read_to_its_end(tmp_path: Path, size_bytes: int) -> None:
    path, content = tmp_path / "file", random.Random(1).randbytes(size_bytes)
    path.write_bytes(content)
    digest = blake3_of_file(path)
    assert digest is not None
    assert digest.hex == blake3(content).hexdigest()
    assert blake3_of_file(tmp_path / "none") is None
