"""What a bundle can make a reader spend: every limit is a number in FORMAT.md, and is held."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.approvals import model
from tasks.approvals.model import ApprovalSet, read_bounded
from tasks.bundle import brings, chain, header, manifest, receipt, receipt_code, seal
from tasks.bundle.canonical import canonical_json
from tasks.bundle.header import Header, read_header, verify_header
from tasks.bundle.manifest import LINE_LIMIT_BYTES, MOST_PARTS, Entry, line_bytes, read_entries
from tasks.bundle.plan import MediaLimits, plan_bundle
from tasks.bundle.seal import BUNDLE_TYPE, seal_payload
from tasks.content import names
from tasks.content.names import Blake3, ContentDigest, ContentName
from tasks.content.scan import ContentFile
from tasks.hosts.host import MOST_NAMES
from tasks.hosts.local import LocalHost
from tasks.importing.incoming import require_countable
from tasks.metadata import update_xml
from tasks.metadata.limits import Limits
from tasks.refusals import SafetyError, SealError, TrustError
from tests.support.bundles import Workshop

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Limits()
LIMITS = {
    "bytes of `header.json`": seal.HEADER_LIMIT_BYTES,
    "signatures": seal.MOST_SIGNATURES,
    "sequence number": header.LARGEST_SEQUENCE,
    "numbers from the newest imported bundle to the next": chain.LARGEST_JUMP,
    "voided numbers in a header": header.MOST_VOIDED,
    "volumes": header.MOST_VOLUMES,
    "names in one folder of a medium, those included that do not belong there": MOST_NAMES,
    "content files in a manifest": header.MOST_FILES,
    "content files in one folder of a manifest": manifest.MOST_FILES_IN_FOLDER,
    "bytes of a manifest": header.MANIFEST_LIMIT_BYTES,
    "bytes of a line of a manifest": manifest.LINE_LIMIT_BYTES,
    "parts of one content file": manifest.MOST_PARTS,
    "parts": manifest.MOST_PARTS_IN_ALL,
    "characters of an extension": names.MOST_EXTENSION_CHARACTERS,
    "bytes of a list of a volume": header.LIST_LIMIT_BYTES,
    "bytes of `approvals.jsonl`": header.APPROVALS_LIMIT_BYTES,
    "bytes of a line of `approvals.jsonl`": model.LINE_LIMIT_BYTES,
    "approvals": model.MOST_APPROVALS,
    "declines": model.MOST_DECLINES,
    "licence terms": model.MOST_LICENSES,
    "files of UpdateServicesPackages": model.MOST_PACKAGES,
    "target groups, those included that only an approval names": model.MOST_GROUPS,
    "names in one group path": model.DEEPEST_GROUP,
    "bytes of all different group paths together": model.GROUP_TEXT_LIMIT_BYTES,
    "bytes of `brings.jsonl`": header.BRINGS_LIMIT_BYTES,
    "bytes of a line of `brings.jsonl`": brings.LINE_LIMIT_BYTES,
    "updates in `brings.jsonl`": brings.MOST_UPDATES,
    "bytes of the lines of an inventory": header.MANIFEST_LIMIT_BYTES,
    "bytes of a metadata package": header.PACKAGE_LIMIT_BYTES,
    "bytes of XML in a metadata package": PACKAGE.plain_bytes,
    "bytes of XML of one element of a metadata package": PACKAGE.element_bytes,
    "revisions of updates in a metadata package": PACKAGE.revisions,
    "files in the map of a metadata package": PACKAGE.mapped_files,
    "languages in a metadata package": PACKAGE.languages,
    "characters of a file's name or address in a metadata package": PACKAGE.name_characters,
    "characters of a title that are kept": update_xml.TITLE_CHARACTERS,
    "bytes of a receipt": receipt.RECEIPT_LIMIT_BYTES,
    "missing files, and missing updates, in a receipt": receipt.MOST_MISSING,
    "characters that are looked at as a typed code": receipt_code.TYPED_LIMIT_CHARACTERS,
}


def test_the_format_gives_every_limit_as_the_number_that_the_code_holds() -> None:
    text = (ROOT / "tasks" / "bundle" / "FORMAT.md").read_text(encoding="utf-8")
    table = text.partition("## 13. Limits")[2]
    rows = re.findall(r"^\| (.+) \| ([0-9,]+) \|$", table, re.MULTILINE)

    assert {name: int(number.replace(",", "")) for name, number in rows} == LIMITS


def test_what_a_large_site_has_is_within_the_limits() -> None:
    assert header.MOST_FILES >= 1_000_000
    assert PACKAGE.revisions >= 500_000
    assert model.MOST_APPROVALS >= 200_000


def test_the_most_parts_of_a_file_fit_into_one_line() -> None:
    name = ContentName(ContentDigest(bytes(20)), "x" * 8)

    assert line_bytes(name, 1 << 50, parts=MOST_PARTS) <= LINE_LIMIT_BYTES


# --- the header -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("limits"))


@pytest.fixture(scope="module")
def whole(workshop: Workshop) -> Header:
    return workshop.export()


def sealed(workshop: Workshop, whole: Header, **changes: Any) -> bytes:
    """A header that a valid key sealed, whatever it says."""
    document = whole.model_dump(mode="json") | changes
    return seal_payload(canonical_json(document), BUNDLE_TYPE, [workshop.key])


def binding(size_bytes: int) -> dict[str, object]:
    return {"size_bytes": size_bytes, "blake3": "0" * 64}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sequence": 10**9}, "sequence"),
        ({"voided": list(range(1, 1_002))}, "voided"),
        ({"manifest": binding(header.MANIFEST_LIMIT_BYTES + 1)}, "manifest of 536870913 bytes"),
        ({"package": binding(header.PACKAGE_LIMIT_BYTES + 1)}, "metadata package of"),
        ({"approvals": binding(header.APPROVALS_LIMIT_BYTES + 1)}, "approvals of"),
    ],
)
def test_a_sealed_header_above_a_limit_is_refused_by_name_and_at_once(
    workshop: Workshop, whole: Header, changes: dict[str, object], sentence: str
) -> None:
    content = sealed(workshop, whole, **changes)

    begun = time.process_time()
    with pytest.raises(TrustError, match=sentence):
        verify_header(read_header(content, path="header.json"), workshop.trust)
    assert time.process_time() - begun < 1


def test_a_header_with_signatures_without_number_is_refused(
    workshop: Workshop, whole: Header
) -> None:
    envelope = json.loads(sealed(workshop, whole))
    envelope["signatures"] *= 17

    with pytest.raises(SealError, match="no envelope"):
        read_header(canonical_json(envelope) + b"\n", path="header.json")


def test_nothing_is_sealed_that_no_reader_takes(workshop: Workshop, whole: Header) -> None:
    large = whole.manifest.model_copy(update={"size_bytes": header.MANIFEST_LIMIT_BYTES + 1})

    with pytest.raises(SafetyError, match="cannot be sealed: manifest"):
        header.seal_header(whole.model_copy(update={"manifest": large}), [workshop.key])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"approvals": 200_001}, "has 200001 approvals, at most 200000"),
        ({"declines": 150_001}, "has 150001 declines, at most 150000"),
    ],
)
def test_a_header_that_counts_too_many_decisions_is_refused_before_anything_is_copied(
    whole: Header, change: dict[str, int], sentence: str
) -> None:
    counts = whole.counts.model_copy(update=change)

    with pytest.raises(TrustError, match=sentence):
        require_countable(whole.model_copy(update={"counts": counts}))


# --- the manifest -------------------------------------------------------------------------------


def entries(count: int, *, folder: int, parts: int = 0) -> Iterator[Entry]:
    blake3 = Blake3(bytes(32))
    for number in range(count):
        sha1 = ContentDigest(number.to_bytes(19, "big") + bytes([folder]))
        pieces = tuple(
            manifest.Part(volume=1, size_bytes=1, sha1=sha1, blake3=blake3) for _ in range(parts)
        )
        yield Entry(
            sha1=sha1,
            extension="cab",
            size_bytes=max(parts, 1),
            blake3=blake3,
            volume=1 if parts else None,
            parts=pieces,
        )


@pytest.mark.parametrize(
    ("count", "parts", "sentence"),
    [
        (manifest.MOST_FILES_IN_FOLDER + 1, 0, "more than 16384 content files in one folder"),
        (manifest.MOST_PARTS_IN_ALL // MOST_PARTS + 1, MOST_PARTS, "more than 50000 parts"),
    ],
)
def test_a_manifest_with_too_much_in_it_is_refused_when_written_and_when_read(
    tmp_path: Path, count: int, parts: int, sentence: str
) -> None:
    path = tmp_path / "manifest.jsonl"
    with pytest.raises(SafetyError, match=sentence):
        manifest.write_manifest(path, entries(count, folder=7, parts=parts))
    path.write_bytes(b"".join(entry.line() for entry in entries(count, folder=7, parts=parts)))
    with pytest.raises(TrustError, match=sentence):
        list(read_entries(path))


def test_too_many_files_are_refused_when_they_are_planned_before_any_is_copied(
    tmp_path: Path,
) -> None:
    path = LocalHost().path("/content/file")
    files = (
        ContentFile(entry.name, path, entry.size_bytes, 0, "")
        for entry in entries(manifest.MOST_FILES_IN_FOLDER + 1, folder=7, parts=0)
    )
    limits = MediaLimits(None, 4_294_967_295)
    with pytest.raises(SafetyError, match="more than 16384 content files in one folder"):
        plan_bundle(files, [], folder=tmp_path, limits=limits, document_bytes=1_000)


def test_a_line_of_a_hundred_megabytes_is_never_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(TrustError, match="line 1: too long"):
        list(read_entries(path))


# --- approvals ----------------------------------------------------------------------------------


def group_line(*path: str) -> bytes:
    return model.encode_line({"kind": "group", "path": ["All Computers", *path]})


def decision_line(kind: str, number: int, group: str = "Servers") -> bytes:
    update_id = f"{number:08x}-0000-4000-8000-000000000000"
    line: dict[str, object] = {"kind": kind, "update_id": update_id, "revision": 1}
    if kind == "approval":
        line |= {"group": ["All Computers", group], "action": "Install"}
    return model.encode_line(line)


class Endless(io.RawIOBase):
    """A line without an end; how much of it was asked for is counted."""

    given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"x" * len(buffer)
        self.given += len(buffer)
        return len(buffer)


def test_no_more_of_a_line_of_approvals_is_read_than_a_line_may_have() -> None:
    endless = Endless()
    with pytest.raises(ValueError, match="more than 8192 bytes"):
        list(read_bounded(io.BufferedReader(endless)))
    assert endless.given < 100_000


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (map(group_line, map(str, range(5_001))), "more than 5000 lines of kind group"),
        (
            (decision_line("approval", number, str(number)) for number in range(5_001)),
            "more than 5000 target groups",
        ),
        (
            (group_line(f"{number} {'x' * 7_000}") for number in range(700)),
            "4194304 bytes of their paths",
        ),
        ([group_line(*["x"] * 10_000)], "more than 8192 bytes"),
        ((decision_line("license", number) for number in range(50_001)), "50000 lines"),
        ((decision_line("decline", number) for number in range(150_001)), "150000 lines"),
        ((decision_line("approval", number) for number in range(200_001)), "200000 lines"),
    ],
    ids=["groups", "groups of approvals", "long paths", "a deep path", "licences", "declines",
         "approvals"],
)  # fmt: skip
def test_more_decisions_than_the_format_allows_are_refused(
    lines: Iterator[bytes], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        for _ in read_bounded(io.BytesIO(b"".join(lines))):
            pass


def test_decisions_within_the_limits_are_read_as_they_were_written() -> None:
    lines = [group_line("Servers"), decision_line("approval", 1), decision_line("decline", 2)]

    found = ApprovalSet.from_lines(read_bounded(io.BytesIO(b"".join(lines))))

    assert (len(found.groups), len(found.approvals), len(found.declines)) == (1, 1, 1)


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("part", "most_mib"),
    # Approvals as objects of pydantic took 3.7 kB each on each of three sides: 220 MiB here.
    [("approvals", 30), ("manifest", 15), ("receipt", 30)],
)
def test_memory_at_the_limit_stays_small(part: str, most_mib: int) -> None:
    """A twentieth of each limit; ``python -m tests.support.at_the_limit PART`` tries the whole."""
    command = [sys.executable, "-m", "tests.support.at_the_limit", part, "0.05"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    took = json.loads(done.stdout)

    assert took["peak_mib"] - took["before_mib"] < most_mib
