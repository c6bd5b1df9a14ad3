"""The files of a report agree with each other, stand alone, and open in anything."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.errors import DiskFullError, HostFileError
from tasks.reports.files import write_reports
from tasks.reports.html import MAX_ROWS, render_html
from tasks.reports.model import ApprovalOutcome, CommandReport
from tasks.reports.tables import ShoppingList, shopping_list, table_csv
from tests.reports import examples
from tests.reports.examples import LATER, missing_file
from tests.support import needs


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: dict[str, int] = {}
        self.text = ""
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "section":
            self._section = dict(attrs).get("id") or ""
        if tag == "tr":
            self.rows[self._section] = self.rows.get(self._section, -1) + 1

    def handle_data(self, data: str) -> None:
        self.text += data


def read_csv(path: Path) -> list[list[str]]:
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


def test_a_report_is_written_in_every_form(tmp_path: Path) -> None:
    report = write_reports(tmp_path / "run", examples.flagged_report(), now=LATER)

    assert report.report == tmp_path / "run" / "report.html"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "decisions.csv", "missing.csv", "report.html", "report.json", "shopping-list.json",
    ]  # fmt: skip


def test_the_document_beside_the_page_is_the_one_of_json(tmp_path: Path) -> None:
    report = write_reports(tmp_path, examples.flagged_report(), now=LATER)

    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))

    assert document == report.as_json()
    assert document["report"] == str(tmp_path / "report.html")


def test_all_forms_have_the_same_numbers(tmp_path: Path) -> None:
    write_reports(tmp_path, examples.flagged_report(), now=LATER)

    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    heading, *rows = read_csv(tmp_path / "missing.csv")

    assert heading == list(document["missing"][0])
    assert len(rows) == len(document["missing"]) == page.rows["missing"]
    for row, one in zip(rows, document["missing"], strict=True):
        assert row == ["" if one[key] is None else str(one[key]) for key in heading]
        assert one["reason_text"] in page.text
    for kind in ("applied", "parked", "held"):
        assert page.rows[f"approvals-{kind}"] == len(document["approvals"][kind])
    assert "23.5 GB" in page.text
    assert "61,377" in page.text


def test_a_run_with_nothing_missing_has_no_list_of_it(tmp_path: Path) -> None:
    write_reports(tmp_path, CommandReport(command="export", site="a", missing=()), now=LATER)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_written_again_a_report_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        write_reports(tmp_path, examples.flagged_report(), now=LATER)

    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HostFileError) as raised:
        write_reports(tmp_path / "file" / "run", examples.flagged_report(), now=LATER)

    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno in {errno.ENOTDIR, errno.EEXIST}


def test_a_report_that_a_scanner_holds_for_a_moment_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, held = Path.replace, [True]

    def replace_later(path: Path, target: Path) -> Path:
        if held and held.pop():
            raise OSError(errno.EBUSY, "in use")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_later)

    write_reports(tmp_path / "run", examples.flagged_report(), now=LATER)

    assert (tmp_path / "run" / "report.html").is_file()
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_quota_that_is_used_up_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)

    with pytest.raises(DiskFullError):
        write_reports(tmp_path / "run", examples.flagged_report(), now=LATER)


@pytest.mark.parametrize(
    "report", [examples.flagged_report(), examples.refused_report(), examples.hostile_report()]
)
def test_a_page_needs_nothing_from_outside(report: CommandReport) -> None:
    text = render_html(report)
    page = Page(text)

    assert "script" not in page.tags
    assert not {"img", "link", "iframe", "object", "base", "form"} & set(page.tags)
    assert all(str(value)[:1] == "#" for name, value in page.attributes if name == "href")
    assert not [name for name, _ in page.attributes if name in {"src", "style"}]
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text


def test_foreign_text_stays_text_on_the_page() -> None:
    report = examples.hostile_report()
    page = Page(render_html(report))

    assert page.text.count("<script>alert('x')</script>") >= 15
    assert "\u202e" not in page.text
    assert "\r" not in page.text
    assert page.tags == [tag for tag in page.tags if tag != "script"]


def test_a_long_table_ends_and_says_where_the_rest_is() -> None:
    missing = tuple(missing_file(n) for n in range(1, MAX_ROWS + 12))
    report = CommandReport(command="audit", site="a", exit_code=2, missing=missing)

    page = Page(render_html(report))

    assert page.rows["missing"] == MAX_ROWS
    assert "11 more rows in report.json" in page.text


def test_csv_cells_of_foreign_text_are_no_formulas(tmp_path: Path) -> None:
    write_reports(tmp_path, examples.hostile_report(), now=LATER)

    _, row = read_csv(tmp_path / "missing.csv")

    assert row[2].startswith("'=HYPERLINK")
    assert "[U+000D][U+000A]" in row[2]


def test_numbers_stay_numbers_in_csv() -> None:
    assert table_csv(["a", "b"], [(-5, None)]) == b"\xef\xbb\xbfa,b\r\n-5,\r\n"


def test_a_shopping_list_names_each_file_once_and_no_titles() -> None:
    shared = missing_file(1).file
    missing = [
        missing_file(2),
        missing_file(1),
        missing_file(3, file=shared),
        missing_file(4, file=None),
    ]

    wanted = shopping_list(missing, site="alpha", now=LATER)

    assert [(one.file, len(one.wanted_by)) for one in wanted.files] == [
        (shared, 2),
        (missing_file(2).file, 1),
    ]
    text = wanted.model_dump_json()
    assert "Cumulative" not in text
    assert ShoppingList.model_validate_json(text) == wanted


@needs.chromium
def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    write_reports(tmp_path, examples.flagged_report(), now=LATER)

    shown = subprocess.run(
        [
            needs.path("chromium"), "--headless", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
            (tmp_path / "report.html").as_uri(),
        ],
        capture_output=True, text=True, encoding="utf-8", check=True, timeout=60,
    ).stdout  # fmt: skip

    assert "Missing content" in Page(shown).text
    assert "の悪意のある" in Page(shown).text


def _first_import() -> CommandReport:
    """A first import of 3,000 updates: every decision and file in tables as long as they get."""
    report = examples.flagged_report()
    titles = {examples.guid(n): f"2026-03 Cumulative Update {n} for Windows" for n in range(3_000)}
    (brings,) = report.sections
    long = brings.model_copy(update={"rows": brings.rows * 500})
    sections = [long.model_copy(update={"key": key}) for key in ("brings", "plan", "placed")]
    lines = tuple(examples.approval(n, group=("All Computers", "Ring 1")) for n in range(3_000))
    waiting = tuple(examples.approval(n, "content-missing") for n in range(300))
    return report.model_copy(
        update={
            "titles": titles,
            "sections": tuple(sections),
            "missing": tuple(map(missing_file, range(400))),
            "approvals": ApprovalOutcome(applied=lines, parked=waiting, held=waiting),
        }
    )


@needs.chromium
def test_a_first_import_of_3000_updates_prints_on_ten_pages_and_the_rest_is_in_csv(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    write_reports(folder, _first_import(), now=LATER)

    paper = tmp_path / "report.pdf"
    subprocess.run(
        [
            needs.path("chromium"), "--headless", "--no-sandbox", "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer",
            f"--print-to-pdf={paper}", (folder / "report.html").as_uri(),
        ],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip

    pages = len(re.findall(rb"/Type\s*/Page[^s]", paper.read_bytes()))
    assert 4 <= pages <= 10
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    for name, rows in (
        ("missing.csv", 400), ("decisions.csv", 3_600), ("table-brings.csv", 1_000),
    ):  # fmt: skip
        assert len(read_csv(folder / name)) == rows + 1
        assert f"all are in {name}" in page.text
    _, first, *_ = read_csv(folder / "decisions.csv")
    assert first[-1] == "2026-03 Cumulative Update 0 for Windows"
