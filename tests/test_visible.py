"""Whatever a server or bundle says: what cannot be seen stands in no sentence, line or report."""

from __future__ import annotations

import io
import json
import logging
import string
import unicodedata
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks import errors, refusals
from tasks.errors import AirGapError, ScriptFailedError
from tasks.logs import log
from tasks.reports.files import write_reports
from tasks.reports.markdown import artifacts_of
from tasks.reports.model import ApprovalLine, ApprovalOutcome, CommandReport, Section, error_line
from tasks.reports.terminal import print_report
from tasks.run.ending import close_run
from tests.reports import examples
from tests.support.runs import open_test_run, write_site_file

# C0, DEL, C1, bidirectional overrides and isolates, halves of pairs, separators, and all else.
NASTY = "\x00\x07\x08\t\n\r\x1b[2J\x7f\x85\x9b31m\u061c\u200e\u202e\u2028\u2066\ufeff\ud800\udfff"
FOREIGN = st.text(st.sampled_from(NASTY + "ab=|<`"), min_size=1, max_size=30) | st.text(max_size=60)
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def hidden_in(text: str, allowed: str = "") -> set[str]:
    """Characters that nobody sees; (non-)joiners are letters' companions."""
    kept = f"\u200c\u200d{allowed}"
    return {c for c in text if unicodedata.category(c) in HIDDEN and c not in kept}


def every_error() -> list[type[AirGapError]]:
    classes = [each for each in (vars(errors) | vars(refusals)).values() if isinstance(each, type)]
    return [each for each in classes if issubclass(each, AirGapError)]


def facts_of(error_class: type[AirGapError], foreign: str) -> dict[str, object]:
    """All that its sentences name, foreign text wherever that can stand."""
    sentences = f"{error_class.template} {error_class.remedy}"
    names = {name for _, name, _, _ in string.Formatter().parse(sentences) if name}
    numbers = {"limit_seconds"}
    return {name: 7.0 if name in numbers else foreign for name in names}


def errors_about(foreign: str) -> Iterator[AirGapError]:
    """One of each class, and where a caller may name the remedy, one with that."""
    for error_class in every_error():
        facts = facts_of(error_class, foreign)
        if error_class is errors.SiteFileError:
            yield errors.SiteFileError(path=foreign, problems=(foreign, foreign))
            continue
        if error_class is not refusals.ChainError:
            yield error_class(**facts)
        yield error_class(**facts, remedy=foreign)


@given(foreign=FOREIGN)
@settings(deadline=None)
def test_no_error_sentence_holds_what_cannot_be_seen(foreign: str) -> None:
    for error in errors_about(foreign):
        for sentence in (error.message, error.next_step, *error_line(error).lines):
            assert hidden_in(sentence) == set()
            sentence.encode()


@given(foreign=FOREIGN)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_log_line_holds_what_cannot_be_seen(
    caplog: pytest.LogCaptureFixture, foreign: str
) -> None:
    caplog.clear()
    log.info("read %s", foreign)
    log.warning(foreign)
    try:
        raise ValueError(foreign)  # noqa: TRY301
    except ValueError:
        log.exception("it failed")
    for record in caplog.records:
        line = logging.Formatter("%(message)s").format(record)
        assert hidden_in(line, allowed="\n" if record.exc_info else "") == set()
        line.encode()


@given(foreign=FOREIGN)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_form_of_a_report_holds_what_cannot_be_seen(tmp_path: Path, foreign: str) -> None:
    line = ApprovalLine(update_id=foreign, revision=1, group=(foreign,), reason=foreign)
    report = CommandReport(
        command="import",
        site="alpha",
        exit_code=1,
        errors=(error_line(ScriptFailedError(script="x", reason=foreign)),),
        approvals=ApprovalOutcome(failed=(line,), held=(line,)),
        missing=(examples.missing_file(1, title=foreign),),
        titles={foreign: foreign},
        notices=(foreign,),
        lines=(foreign,),
        sections=(Section(key="more", title=foreign, note=foreign),),
        details={"foreign": foreign},
    )
    written = write_reports(tmp_path, report, now=examples.NOW)
    texts = [
        path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n") for path in tmp_path.iterdir()
    ]
    for artifact in artifacts_of(written):
        texts += [artifact.text, artifact.description]
    for as_json in (False, True):
        out, err = io.StringIO(), io.StringIO()
        print_report(written, as_json=as_json, out=out, err=err)
        texts += [out.getvalue(), err.getvalue()]
    for text in texts:
        assert hidden_in(text, allowed="\n") == set()
        text.encode()
    document = json.loads((tmp_path / "report.json").read_text(encoding="ascii"))
    assert document["lines"] == json.loads(json.dumps([foreign])), "programs get the text itself"


def test_what_nobody_foresaw_is_kept_readable(tmp_path: Path) -> None:
    with open_test_run(write_site_file(tmp_path, side="disconnected")) as place:
        report = close_run(place, RuntimeError("\x1b]0;owned\x07\ud800"))
        kept = (place.site.state_dir / "unexpected.log").read_text(encoding="utf-8")
    assert "[U+001B]]0;owned[U+0007][U+D800]" in kept
    assert hidden_in(kept, allowed="\n") == set()
    assert hidden_in(report.errors[0].message) == set()


@pytest.mark.parametrize("name", ["prefect.flow_runs", "prefect.task_runs"])
def test_what_prefect_logs_of_a_run_is_visible(name: str) -> None:
    import_module("tasks.flow_run")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger(name).addHandler(handler)
    try:
        logging.getLogger(name).error("failed: %s", "\x1b[2J")
    finally:
        logging.getLogger(name).removeHandler(handler)
    assert stream.getvalue() == "failed: [U+001B][2J\n"
