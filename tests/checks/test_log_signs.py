"""Entries of the log, and events, mean what public documents say; most are quoted there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.checks.log_signs import EVENT_SOURCE, EventRecord, LogSign, read_signs, recognise_event
from tasks.checks.software_distribution_log import read_log
from tests.checks import quoted_lines


def signs_of(*lines: str) -> list[LogSign]:
    return list(read_signs(read_log(["\r\n".join(lines).encode()])))


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (quoted_lines.SOAP_FAULT, ("endpoint-decommissioned", "soap-fault")),
        (quoted_lines.RESET, ("connection-closed",)),
        (quoted_lines.NO_ALGORITHM, ("no-common-algorithm", "connection-closed")),
        (quoted_lines.TLS_LINES[2], ("tls-protocols",)),
        (quoted_lines.STARTED, ("synchronisation-progress",)),
        (quoted_lines.SUCCEEDED, ("synchronisation-progress",)),
        (quoted_lines.DOWNLOAD_FAILED, ("bits-range", "content-download")),
        (quoted_lines.VERIFICATION_FAILED, ("content-refused",)),
        (quoted_lines.WEB_SERVICE_START, ("service-start",)),
    ],
)
def test_a_quoted_line_means_what_its_document_says(line: str, ids: tuple[str, ...]) -> None:
    (sign,) = signs_of(line)

    assert (sign.ids, sign.kind) == (ids, ids[0])
    assert sign.time is not None
    assert sign.time.tzinfo is UTC


def test_quiet_lines_and_the_soap_fault_of_something_else_mean_nothing() -> None:
    assert signs_of(*quoted_lines.QUIET, quoted_lines.OTHER_SOAP) == []


def test_an_error_is_looked_up_whatever_its_words_and_a_quiet_line_by_some_only() -> None:
    columns = "{}\t{}\tw3wp.1\tA.B\tThe operation has timed out"

    assert [sign.kind for sign in signs_of(columns.format(quoted_lines.HEAD, "Error"))] == [
        "connection-timeout"
    ]
    assert signs_of(columns.format(quoted_lines.HEAD, "Verbose")) == []


def test_tls_lines_say_which_version_is_enabled() -> None:
    signs = signs_of(*quoted_lines.TLS_LINES)

    assert [(sign.protocol, sign.is_enabled) for sign in signs] == [
        ("TLS 1.0", False),
        ("TLS 1.1", False),
        ("TLS 1.2", True),
    ]


@pytest.mark.parametrize(
    ("message", "endpoint"),
    [
        (quoted_lines.SOAP_FAULT, "fe2.update.microsoft.com"),
        ("WebException: The remote name could not be resolved: 'Up.example'", "up.example"),
        ("WebException: Der Remotename konnte nicht aufgelöst werden: 'up'", "up"),
        (
            "SoapException: Fault occurred, at http://up.example:8530/ServerSyncWebService/x.asmx",
            "up.example",
        ),
        (
            "SoapException: Fault occurred for https://sws1.update.microsoft.com/v6",
            "sws1.update.microsoft.com",
        ),
        (
            'SoapException: Fault occurred, Method = "http://www.microsoft.com/SoftwareDistribution/x"',
            None,
        ),
        (
            "SoapException: Fault occurred, at http://evil.example/?sws.update.microsoft.com.evil",
            None,
        ),
    ],
)
def test_the_other_end_is_the_one_that_was_asked(message: str, endpoint: str | None) -> None:
    line = (
        message
        if message.startswith("2")
        else f"{quoted_lines.HEAD}\tError\tw3wp.1\tA.B\t{message}"
    )
    (sign,) = signs_of(line)

    assert sign.endpoint == endpoint


def test_an_endpoint_deep_in_the_stack_trace_counts() -> None:
    trace = "\n".join(["   at System.Net.HttpWebRequest.GetRequestStream()"] * 120)
    line = f"{quoted_lines.HEAD}\tError\tw3wp.1\tA.B\tSoapException: Fault occurred\n{trace}"

    (sign,) = signs_of(f"{line}\n   at https://fe2.update.microsoft.com/v6")

    assert sign.kind == "endpoint-decommissioned"
    assert sign.evidence.startswith("SoapException: Fault occurred at System.Net")


def test_evidence_has_neither_secrets_nor_lines() -> None:
    message = "failed in download: http://a.example/f.cab?P1=9&P4=s%3d\n  password=hunter2\x1b[1m"
    (sign,) = signs_of(f"{quoted_lines.HEAD}\tError\tw3wp.1\tA.B\t{message}")

    assert sign.evidence == (
        "failed in download: http://a.example/f.cab?[redacted] password=[redacted]"
    )


def test_a_stretch_that_begins_within_an_entry_is_judged_without_a_time() -> None:
    (sign,) = signs_of(quoted_lines.NO_ALGORITHM[30:])

    assert (sign.time, sign.kind) == (None, "no-common-algorithm")


@pytest.mark.parametrize(
    ("number", "message", "kind"),
    [
        (364, "Fehler beim Herunterladen der Datei. Grund: x", "content-download"),
        (386, "Synchronization failed. Reason: (407) Proxy ...", "proxy-authentication"),
        (10022, "Der letzte Versuch war nicht erfolgreich.", "synchronisation-failed"),
        (10021, "...", "synchronisation-stale"),
        (501, "", "service-start"),
    ],
)
def test_an_event_is_known_by_its_number_in_any_language(
    number: int, message: str, kind: str
) -> None:
    sign = recognise_event(event(number, message))

    assert sign is not None
    assert sign.kind == kind
    assert sign.evidence.startswith(f"Event {number}:")


def test_an_event_of_another_source_and_an_unknown_one_mean_nothing() -> None:
    assert recognise_event(event(364, "x", source="MsiInstaller")) is None
    assert recognise_event(event(999, "x")) is None


def event(number: int, message: str, source: str = EVENT_SOURCE) -> EventRecord:
    time = datetime(2026, 1, 15, tzinfo=UTC)
    return EventRecord(id=number, source=source, time=time, message=message)
