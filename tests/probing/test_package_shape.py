"""The form of a metadata package, whatever form it has."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import PackageError
from tasks.probing.earlier import read_earlier, read_newest_package
from tasks.probing.package_shape import read_shape
from tests.metadata.writing import Update, write_package


def packed(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "package.xml.gz"
    path.write_bytes(gzip.compress(text.encode(encoding)))
    return path


def document(metadata: str, declaration: str = "") -> str:
    return (
        f'{declaration}<ExportPackage ServerID="a" CreationTime="2031-05-01T03:00:00Z">'
        f"<Languages/><Files/><Updates><Update><Files/><MetaData>{metadata}</MetaData></Update>"
        "</Updates></ExportPackage>"
    )


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("&lt;Update&gt;long&lt;/Update&gt;", (("text",), 1, 21)),
        ("<![CDATA[<Update>long</Update>]]>", (("text",), 1, 21)),
        ("<Update><Title>long</Title></Update>", (("elements",), 1, 15)),
    ],
)
@pytest.mark.parametrize(
    "encodings",
    [("", ""), ("utf-8", "utf-8"), ("utf-16", "utf-16 with a mark")],
)
def test_forms_and_encodings_are_told_apart(
    metadata: str, expected: tuple[Any, ...], encodings: tuple[str, str], tmp_path: Path
) -> None:
    declared, found = encodings
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    shape = read_shape(packed(tmp_path, document(metadata, declaration), declared or "utf-8"))
    assert shape.encoding == found
    assert (shape.root, shape.attributes) == ("ExportPackage", ("ServerID", "CreationTime"))
    assert shape.creation_time == "9999-99-99T99:99:99Z"
    assert shape.sections == ("Languages", "Files", "Updates")
    assert shape.update_children == (("Files", "MetaData"),)
    assert (shape.metadata, shape.updates, shape.largest_update) == expected


@pytest.mark.parametrize("text", ["", "<ExportPackage>", "<!DOCTYPE a><a/>", "no XML"])
def test_what_is_no_package_is_an_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError):
        read_shape(packed(tmp_path, text))


def test_state_without_packages_and_with_reports_of_earlier_versions_is_read(
    tmp_path: Path,
) -> None:
    assert read_newest_package(tmp_path) is None
    assert read_earlier(tmp_path) == ()
    odd: tuple[Any, ...] = ({}, {"wsusutil": {"verb": "export"}}, [], None)
    for number, details in enumerate(odd):
        folder = tmp_path / "reports" / str(number)
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps({"details": details}), encoding="utf-8")
    assert read_earlier(tmp_path) == ()
    folder = tmp_path / "exports" / "1"
    folder.mkdir(parents=True)
    (folder / "metadata.xml.gz").write_bytes(b"\x1f\x8b\x08")
    assert read_newest_package(tmp_path) == "PackageError"
    write_package(folder / "metadata.xml.gz", [Update(1)])
    shape = read_newest_package(tmp_path)
    assert shape is not None
    assert not isinstance(shape, str)
    assert shape.updates == 1
