"""Lines about UpdateServicesPackages: names that cannot leave their folder, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.approvals.local_packages import is_package_name, read_local_package
from tasks.approvals.model import ApprovalSet

FOLDER = "0a1b2c3d-1234-5678-9abc-def012345678"
LINE: dict[str, Any] = {
    "kind": "package", "folder": FOLDER, "file": f"{FOLDER}_1.cab", "sha1": "AB" * 20,
    "size_bytes": 9, "signer": "CN=WSUS Publishers Self-signed", "thumbprint": "cd" * 20,
}  # fmt: skip


def test_a_line_reads_back_as_it_was_written_and_changes_the_digest() -> None:
    decisions = ApprovalSet.from_lines([LINE])
    assert list(decisions.lines()) == [LINE]
    assert decisions.digest() != ApprovalSet().digest()


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        (FOLDER, "../x.cab"),
        (FOLDER, "a/b.cab"),
        (FOLDER, "a\\b.cab"),
        (FOLDER, "C:x.cab"),
        (FOLDER, "x.cab:stream"),
        (FOLDER, "x.cab."),
        (FOLDER, "x.cab "),
        (FOLDER, ".cab"),
        (FOLDER, "nul.cab"),
        (FOLDER, "COM1.cab"),
        (FOLDER, "no-extension"),
        (FOLDER, "x" * 100 + ".cab"),
        ("..", "x.cab"),
        (FOLDER + "/..", "x.cab"),
        ("", "x.cab"),
    ],
)
def test_no_name_leaves_its_folder_or_is_a_device(folder: str, file: str) -> None:
    assert not is_package_name(folder, file)
    with pytest.raises(ValueError, match=r"folder|file"):
        read_local_package({**LINE, "folder": folder, "file": file})


@pytest.mark.parametrize(
    "change",
    [{"sha1": "ab" * 20}, {"size_bytes": -1}, {"thumbprint": "xy"}, {"signer": "x" * 1001}],
)
def test_other_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ApprovalSet.from_lines([{**LINE, **change}])
