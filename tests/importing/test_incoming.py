"""A bundle on its way in: what the report says of the media it came on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.bundle.layout import APPROVALS, CONTENT, SHA1SUMS
from tasks.errors import PathMissingError, TamperError, TrustError
from tasks.importing.incoming import open_incoming, prove
from tasks.run.context import RunContext
from tasks.run.stored_documents import read_decisions_file
from tests.support.bundles import Workshop, fill_content


@pytest.fixture
def workshop(disconnected: RunContext, tmp_path: Path) -> Workshop:
    """A bundle that the disconnected side trusts."""
    made = Workshop(tmp_path / "workshop")
    fill_content(made.content, 4)
    made.export()
    shutil.copy(made.root / "keys" / "staging.pub", disconnected.site.trust.trusted_keys[0])
    return made


def test_what_lies_beside_a_bundle_is_listed_and_not_opened(
    disconnected: RunContext, workshop: Workshop
) -> None:
    for name in ("zero.txt", "1st.txt"):
        (workshop.medium / name).touch()
    (workshop.medium / "System Volume Information").mkdir()
    (workshop.medium / "holiday\x1b.jpg").symlink_to("/nowhere")

    prove(disconnected, open_incoming(disconnected, [str(workshop.bundle())], to_import=False))

    (section,) = disconnected.report.sections
    assert [(Path(str(path)).name, kind) for path, kind in section.rows] == [
        ("1st.txt", "file"),
        ("System Volume Information", "folder"),
        ("holiday\\x1b.jpg", "link or device"),
        ("zero.txt", "file"),
    ]
    (line,) = disconnected.report.lines
    assert "holiday\\x1b.jpg" in line
    assert disconnected.report.notices == []


def test_every_fault_is_listed_and_what_another_copy_made_good_is_said(
    disconnected: RunContext, workshop: Workshop, tmp_path: Path
) -> None:
    copy = tmp_path / "disc" / "alpha-1"
    shutil.copytree(workshop.bundle(), copy)
    (workshop.volume() / SHA1SUMS).unlink()
    both = [str(workshop.bundle()), str(copy)]

    prove(disconnected, open_incoming(disconnected, both, to_import=False))

    assert "taken from another" in disconnected.report.lines[-1]
    assert "SHA1SUMS" in disconnected.report.lines[-1]

    for path in filter(Path.is_file, (copy / "volume-001" / CONTENT).rglob("*")):
        path.write_bytes(b"another length")
    with pytest.raises(TamperError):
        prove(disconnected, open_incoming(disconnected, [str(copy)], to_import=False))
    assert len(disconnected.report.sections[-1].rows) == 4


def test_no_name_at_all_is_no_folder(disconnected: RunContext) -> None:
    with pytest.raises(PathMissingError):
        open_incoming(disconnected, [""], to_import=True)


@pytest.mark.parametrize(
    "line",
    [b"no json", b"\xff", b"[1]", b"[" * 100_000, b'{"kind":"group"}', b'{"kind":"group","path":7}',
     b'{"kind":"approval","update_id":"../x","revision":1,"group":["G"],"action":"Install"}'],
)  # fmt: skip
def test_sealed_approvals_that_break_the_format_are_refused_for_trust(
    tmp_path: Path, line: bytes
) -> None:
    path = tmp_path / APPROVALS
    path.write_bytes(b'{"kind":"group","path":["All Computers"]}\n' + line + b"\n")
    with pytest.raises(TrustError, match=APPROVALS):
        read_decisions_file(path)
