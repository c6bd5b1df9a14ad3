"""The log of wsusutil: any element that ends in Error counts, in any language."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import deploy.lab
from tasks.metadata.model import PackageUpdate
from tasks.metadata.package import read_package
from tasks.metadata.wsusutil_log import read_log

EXPORT = (
    '<?xml version="1.0" encoding="{encoding}"?>\n<ExportLog Time="2031-05-01">'
    '<Update UpdateId="a" RevisionNumber="1" Title="Größe &amp; 日本語">'
    '<Files><File Path="D:\\WsusContent\\63\\CB.cab"/></Files></Update>'
    '<Update UpdateId="b" RevisionNumber="2" Title="** Title not available **"/></ExportLog>'
)
IMPORT = (
    '<ImportLog Time="x"><UpdateInserted UpdateId="a" RevisionNumber="1" ExistingUpdate="0"/>'
    '<ImportError Message="Die Datei\n ist beschädigt"/></ImportLog>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252"])
def test_an_export_log_is_read_in_any_encoding(encoding: str) -> None:
    text = EXPORT.format(encoding=encoding).replace(
        "日本語", "" if "1252" in encoding else "日本語"
    )
    summary = read_log([text.encode(encoding)])
    assert (summary.state, summary.root, summary.updates, summary.errors) == (
        "read",
        "ExportLog",
        2,
        0,
    )


def test_an_error_is_counted_and_its_message_kept_on_one_line() -> None:
    summary = read_log([IMPORT.encode()])
    assert (summary.updates, summary.errors) == (1, 1)
    assert summary.messages == ("Die Datei ist beschädigt",)


def test_an_error_element_that_nobody_knows_counts_too() -> None:
    log = b"<ExportLog><Update><SomethingNewError>broken</SomethingNewError></Update></ExportLog>"
    assert read_log([log]).messages == ("broken",)


def test_no_file_is_absent_and_no_bytes_are_empty() -> None:
    assert read_log(None).state == "absent"
    assert read_log([]).state == "empty"
    assert read_log([b" \r\n", b"\n"]).state == "empty"


def test_a_log_cut_short_is_unreadable_and_keeps_the_errors_before_the_cut() -> None:
    summary = read_log([IMPORT.encode()[:-5]])
    assert summary.state == "unreadable"
    assert summary.errors == 1
    assert summary.problem


def test_text_that_is_no_xml_is_unreadable() -> None:
    assert read_log([b"All updates are successfully exported."]).state == "unreadable"


def test_a_document_type_is_refused() -> None:
    bomb = b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ImportLog>&b;</ImportLog>'
    summary = read_log([bomb])
    assert summary.state == "unreadable"
    assert summary.updates == 0


def test_an_entity_of_a_file_is_never_read() -> None:
    log = (
        b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b"<ImportLog><ImportError>&x;</ImportError></ImportLog>"
    )
    assert not any("root" in message for message in read_log([log]).messages)


@given(st.lists(st.integers(1, 40), max_size=30))
def test_how_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    log = IMPORT.encode()

    def chunks() -> Iterator[memoryview]:
        start = 0
        for cut in cuts:
            yield memoryview(log)[start : start + cut]
            start += cut
        yield memoryview(log)[start:]

    assert read_log(chunks()) == read_log([log])


def test_memory_does_not_grow_with_the_log() -> None:
    line = b'<UpdateInserted UpdateId="a" RevisionNumber="1"/><ImportError Message="x"/>\n' * 1000

    def chunks(number: int) -> Iterator[bytes]:
        yield b"<ImportLog>"
        for _ in range(number):
            yield line
        yield b"</ImportLog>"

    process = psutil.Process()
    read_log(chunks(5))
    before = process.memory_info().rss
    summary = read_log(chunks(100))
    assert (summary.updates, summary.errors) == (100_000, 100_000)
    assert len(summary.messages) == 20
    assert process.memory_info().rss - before < 20_000_000


def test_the_logs_of_a_real_run_name_no_more_and_no_fewer_updates_than_its_package(
    tmp_path: Path,
) -> None:
    lab = tmp_path / "lab"
    deploy.lab.create(lab, updates=20, content_bytes=200_000)
    package = tmp_path / "p.xml.gz"
    for side, verb in (("staging", "export"), ("disconnected", "import")):
        log = tmp_path / f"{verb}.log"
        command = [str(lab / side / "wsusutil"), verb, str(package), str(log)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        summary = read_log([log.read_bytes()])
        assert (summary.state, summary.root) == ("read", f"{verb.title()}Log")
        assert summary.errors == 0
        assert summary.updates == sum(isinstance(i, PackageUpdate) for i in read_package(package))
