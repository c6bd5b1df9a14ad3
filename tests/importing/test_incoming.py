"""A bundle on its way in: what the report says of the media it came on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.approvals.model import encode_line
from tasks.bundle.layout import APPROVALS, CONTENT, SHA1SUMS
from tasks.errors import PathMissingError
from tasks.importing.incoming import open_incoming, prove
from tasks.importing.trusted_bundle import unpack
from tasks.refusals import TamperError, TrustError
from tasks.run.context import RunContext
from tasks.run.stored_documents import read_decisions_file
from tests.support.bundles import Workshop, fill_content


@pytest.fixture
def workshop(disconnected: RunContext, tmp_path: Path) -> Workshop:
    """A bundle that the disconnected side trusts."""
    made = Workshop(tmp_path / "workshop")
    fill_content(made.content, 4)
    made.export()
    shutil.copy(made.root / "keys" / "signing.pub", disconnected.site.trust.trusted_keys[0])
    return made


def test_what_lies_beside_a_bundle_is_listed_and_not_opened(
    disconnected: RunContext, workshop: Workshop
) -> None:
    for name in ("zero.txt", "1st.txt"):
        (workshop.medium / name).touch()
    (workshop.medium / "System Volume Information").mkdir()
    (workshop.medium / "holiday\x1b.jpg").symlink_to("/nowhere")

    prove(disconnected, open_incoming(disconnected, [str(workshop.bundle())], to_import=False))

    (section,) = (each for each in disconnected.report.sections if each.key == "beside")
    assert [(Path(str(path)).name, kind) for path, kind in section.rows] == [
        ("1st.txt", "file"),
        ("System Volume Information", "folder"),
        ("holiday\\x1b.jpg", "link or device"),
        ("zero.txt", "file"),
    ]
    beside, *_, proved, not_proved = disconnected.report.lines
    assert "holiday\\x1b.jpg" in beside
    assert proved.startswith("proved: the seal, every byte")
    assert not_proved.startswith("not proved: that each content file is named by its SHA-1")
    assert disconnected.report.notices == []


def test_every_fault_is_listed_and_what_another_copy_made_good_is_said(
    disconnected: RunContext, workshop: Workshop, tmp_path: Path
) -> None:
    copy = tmp_path / "disc" / "alpha-1"
    shutil.copytree(workshop.bundle(), copy)
    (workshop.volume() / SHA1SUMS).unlink()
    both = [str(workshop.bundle()), str(copy)]

    prove(disconnected, open_incoming(disconnected, both, to_import=False))

    assert any("taken from another" in line for line in disconnected.report.lines)
    assert any("SHA1SUMS" in line for line in disconnected.report.lines)

    for path in filter(Path.is_file, (copy / "volume-001" / CONTENT).rglob("*")):
        path.write_bytes(b"another length")
    with pytest.raises(TamperError):
        prove(disconnected, open_incoming(disconnected, [str(copy)], to_import=False))
    assert len(disconnected.report.sections[-1].rows) == 4


def test_a_first_bundle_tells_of_those_before_it_that_never_came(
    disconnected: RunContext, workshop: Workshop
) -> None:
    packed = workshop.pack(2)
    parent = workshop.header(packed, 1).reference
    workshop.publish(workshop.header(packed, 2, parent=parent))

    open_incoming(disconnected, [str(workshop.bundle(2))], to_import=True)

    (line,) = [line for line in disconnected.report.lines if "bundles up to 1 " in line]
    assert line.endswith("alpha-2 carries all that staging holds")
    assert disconnected.report.notices == []


def test_no_name_at_all_is_no_folder(disconnected: RunContext) -> None:
    with pytest.raises(PathMissingError):
        open_incoming(disconnected, [""], to_import=True)


APPROVAL = (
    b'{"kind":"approval","update_id":"00000001-0000-4000-8000-000000000000","revision":1,'
    b'"group":["All Computers"],"action":"Install","deadline":"2041-05-01T03:00:00Z"}'
)


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"\xff",
        b"[1]",
        b"[" * 100_000,
        b'{"kind":"group"}',
        b'{"kind":"group","path":7}',
        b'{"kind":"group","path":"All Computers"}',
        b'{"kind":"group","path":[]}',
        b'{"kind":"group","path":["All Computers",7]}',
        b'{"kind":"group","path":["Ring 1"]}',
        b'{"kind":"group","path":["All Computers","half \\ud83d of a pair"]}',
        b'{"kind":"group","path":["All Computers"' + b',"x"' * 10_000 + b"]}",
        APPROVAL.replace(b"00000001", b"../x"),
        APPROVAL.replace(b'["All Computers"]', b'["All Computers","\\udcff"]'),
        APPROVAL.replace(b'["All Computers"]', b"[]"),
        APPROVAL.replace(b"2041", b"0001"),
        APPROVAL.replace(b"2041", b"1752"),
        APPROVAL.replace(b"2041", b"9999"),
        APPROVAL.replace(b"2041-05-01T03:00:00Z", b"0001-01-01T00:00:00+14:00"),
        APPROVAL.replace(b"2041-05-01T03:00:00Z", b"2041-05-01T03:00:00"),
        APPROVAL.replace(b'"revision":1', b'"revision":2147483648'),
        APPROVAL.replace(b"Install", b"All"),
    ],
)
def test_sealed_approvals_that_no_wsus_could_hold_are_refused_for_trust(
    tmp_path: Path, line: bytes
) -> None:
    path = tmp_path / APPROVALS
    path.write_bytes(APPROVAL + b"\n" + line + b"\n")
    with pytest.raises(TrustError, match=APPROVALS):
        read_decisions_file(path)


@pytest.mark.parametrize("name", ["", "line\nfeed", "nul\x00", "\x1b[2J", "<b>", "n" * 300])
def test_a_name_that_this_server_may_refuse_is_for_the_server_to_judge(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / APPROVALS
    path.write_bytes(encode_line({"kind": "group", "path": ["All Computers", name]}))
    assert read_decisions_file(path).groups == (("All Computers", name),)


def test_what_no_wsus_could_hold_is_found_by_verify_and_by_import_before_any_change(
    disconnected: RunContext, workshop: Workshop
) -> None:
    shutil.rmtree(workshop.bundle())
    workshop.decisions = APPROVAL.replace(b"2041", b"0001") + b"\n"
    workshop.export()
    bundle = [str(workshop.bundle())]
    with pytest.raises(TrustError, match="deadline"):
        prove(disconnected, open_incoming(disconnected, bundle, to_import=False))
    listing = disconnected.new_listing(disconnected.media.path(str(workshop.content)))
    with pytest.raises(TrustError, match="deadline"):
        unpack(
            disconnected, open_incoming(disconnected, bundle, to_import=True), listing, volume=None
        )
    disk = disconnected.content_disk(listing.content_dir)
    assert not Path(disk.intake.text).exists()
