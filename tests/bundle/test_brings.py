"""``brings.jsonl`` is bounded, canonical and ordered; a reader takes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.bundle.brings import BroughtUpdate, read_brings, read_brings_end, write_brings
from tasks.refusals import TrustError


def update(number: int, **values: object) -> BroughtUpdate:
    fields: dict[str, object] = {
        "update_id": f"00000000-0000-0000-0000-{number:012d}", "revision": 200, "title": "T",
        "kb": "KB1", "severity": "", "classification": "", "products": (), "cves": (),
        "cve_count": 0, "supersedes": (), "supersedes_count": 0, "files": 1, "size_bytes": 5,
        "is_new": True, "origin": "microsoft",
    }  # fmt: skip
    return BroughtUpdate.model_validate(fields | values)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "brings.jsonl"
    write_brings(path, [update(1, title="Ünïcode\u202e"), update(2)], base=3)
    return path


def test_what_was_written_is_read_again(document: Path) -> None:
    assert [line.title for line in read_brings(document)] == ["Ünïcode\u202e", "T"]
    assert read_brings_end(document).model_dump() == {
        "kind": "end", "base": 3, "updates": 2, "listed": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'"listed":2', b'"listed":1', id="another count"),
        pytest.param(b'"files":1', b'"files": 1', id="space"),
        pytest.param(b'"files":1', b'"files":1,"files":1', id="a key twice"),
        pytest.param(b'"origin":"microsoft"', b'"origin":"me"', id="unknown origin"),
        pytest.param(b'"kind":"end"', b'"kind":"start"', id="no last line"),
        pytest.param(b"000000000002", b"000000000001", id="the same update twice"),
        pytest.param(b'"T"', b'"' + b"T" * 70_000 + b'"', id="a long line"),
    ],
)
def test_a_document_that_breaks_the_format_is_refused(
    document: Path, old: bytes, new: bytes
) -> None:
    content = document.read_bytes()
    assert old in content
    document.write_bytes(content.replace(old, new))

    with pytest.raises(TrustError):
        list(read_brings(document))


def test_a_document_without_its_end_is_refused(document: Path) -> None:
    document.write_bytes(b"".join(document.read_bytes().splitlines(keepends=True)[:-1]))

    with pytest.raises(TrustError, match="no last line"):
        list(read_brings(document))
