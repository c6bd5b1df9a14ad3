"""The error reference answers what people and logs ask it, the gravest and most exact first."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.command_line import run
from tasks.checks.error_reference import REFERENCE, find_in_message, find_in_question
from tasks.checks.reference_entry import ErrorEntry
from tests.checks import quoted_lines

# Every entry that issue and guide name, every row of the guide's two tables, as people put it.
ASKED = {
    "0x80072EE2": "connection-timeout",
    "0x80072EFD": "connection-refused",
    "0x80072F8F": "clock-or-certificate",
    "0x80244022": "service-unavailable",
    "0x8024402C": "name-resolution-in-context",
    "SoapException: Fault occurred": "soap-fault",
    "SoapException in console or log": "soap-fault",
    "The underlying connection was closed": "connection-closed",
    "no common algorithm": "no-common-algorithm",
    "TLS reset / no common algorithm": "no-common-algorithm",
    "TLS reset": "connection-closed",
    "Could not establish trust relationship for the SSL/TLS secure channel": "certificate-trust",
    "The upstream server experienced an unexpected error": "upstream-error",
    "407": "proxy-authentication",
    "Proxy authentication error / 407": "proxy-authentication",
    "is the replica mode meant": "replica-mode",
    "Private Memory Limit of the pool": "pool-memory",
    "Downstream cannot sync to upstream": "upstream-unreachable",
    "TCP timeout reaching Microsoft Update": "connection-timeout",
    "netsh winhttp import proxy source=ie": "netsh-import-proxy",
    "netsh winhttp show proxy": "winhttp-proxy",
    "works in the browser, fails in WSUS": "browser-works",
    "Why does sync work in the browser but fail in WSUS?": "browser-works",
    "synchronisation succeeded, nothing new": "succeeded-nothing-new",
    "Sync succeeds but no new updates appear": "succeeded-nothing-new",
    "a failed synchronisation on a disconnected server": "disconnected-synchronisation",
    "Failed to download": "download-failed-after-import",
    "fe2.update.microsoft.com": "endpoint-decommissioned",
    "https://sws1.update.microsoft.com": "endpoint-old",
    "SCHANNEL Protocol 'TLS 1.0' disabled": "tls-protocols",
    "ReportingEvents.log": "client-log",
    "Synchronisation failed": "synchronisation-failed",
    "Test-NetConnection fails": "direct-test",
    "(-2145386477)": "bits-range",
    "2148204809": "content-refused",
    "0x80070005": "access-denied",
    "0x80070070": "disk-full",
    "0x80072EE7": "name-resolution",
    "404": "content-not-found",
    "403": "access-forbidden",
    "0x80131500": "managed-exception",
    "SynchronizationError.Unknown": "synchronisation-unknown",
    "NotApplicable": "synchronisation-no-error",
    "UssInternalError": "upstream-error",
    "SynchronizationError = 5": "proxy-settings",
}


@pytest.mark.parametrize(("question", "expected"), ASKED.items())
def test_a_question_gets_its_entry_first(question: str, expected: str) -> None:
    assert [match.entry.id for match in find_in_question(question)][:1] == [expected]


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda entry: entry.id)
def test_every_entry_is_found_by_all_that_it_lists(entry: ErrorEntry) -> None:
    messages = [spelt for code in entry.codes for spelt in spellings(code)]
    messages += [f"failed: ({status})" for status in entry.http]
    messages += [f"EventId={event.id},Type=Error" for event in entry.events]
    messages += [f"Error: SynchronizationError.{error.name}" for error in entry.sync_errors]
    messages += [f"SynchronizationError {error.value}" for error in entry.sync_errors]
    messages += [f"x: {phrase.upper().replace(' ', '  ')}." for phrase in entry.phrases]
    questions = [f"Why {question.replace('…', 'does the')}?" for question in entry.questions]

    assert messages + questions
    for message in messages:
        assert entry.id in {match.entry.id for match in find_in_message(message)}, message
    for question in questions:
        assert entry.id in {match.entry.id for match in find_in_question(question)}, question


def spellings(code: int) -> list[str]:
    signed = code - (1 << 32)
    return [
        f"0x{code:08X}",
        f"{code:08x}",
        f"0X{code:08x}",
        f"hr={signed}",
        f"({signed})",
        f"{code}",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "0x80070002",
        "80072ee2-436e-4fba-a9d0-3291eb717ecd",
        "CB6FF0BEDA4E5BF952AA78538C9A22DF80072EE2",
        "10.0.14393.364",
        "the service was up for 364 hours without a fault since the last reboot of all",
        "KB4070407",
        "an unexpected visitor from upstream",
        f"upstream {'and ' * 40} unexpected",
    ],
)
def test_what_is_no_code_of_ours_is_not_answered(text: str) -> None:
    assert find_in_question(text) == ()


def test_several_codes_are_all_answered_and_causes_stand_before_what_follows_from_them() -> None:
    line = (
        "EventId=386,Type=Error,Message=Synchronization failed. Reason: SoapException: Fault "
        "occurred; 0x80072EE2; https://fe2.update.microsoft.com/v6; SCHANNEL Protocol 'TLS 1.0'"
    )

    assert [match.entry.id for match in find_in_question(line)] == [
        "endpoint-decommissioned",
        "connection-timeout",
        "soap-fault",
        "synchronisation-failed",
        "tls-protocols",
    ]


def test_a_cause_stands_before_a_symptom_of_the_same_weight() -> None:
    line = "The underlying connection was closed: (407) Proxy Authentication Required"

    assert [match.entry.id for match in find_in_question(line)] == [
        "proxy-authentication",
        "connection-closed",
    ]


def test_a_number_that_is_named_as_one_thing_is_not_taken_for_the_other() -> None:
    first = {question: find_in_question(question) for question in ("503", "event 503", "HTTP 503")}

    assert {text: {match.entry.id for match in found} for text, found in first.items()} == {
        "503": {"service-failed", "service-unavailable"},
        "event 503": {"service-failed"},
        "HTTP 503": {"service-unavailable"},
    }


def test_an_event_is_explained_in_its_own_words() -> None:
    (match,) = find_in_question("10021")

    assert match.texts == (
        "Event 10021: The catalog was last synchronized successfully ... days ago.",
    )


def test_words_that_only_people_use_are_not_looked_for_in_logs() -> None:
    assert find_in_message("User opened the WSUS page in the browser: no new updates") == ()


@pytest.mark.parametrize("fault", quoted_lines.FAULTS, ids=lambda fault: fault.id)
def test_a_fault_is_known_in_english_and_in_german(fault: quoted_lines.Fault) -> None:
    for message in (fault.english, fault.german):
        assert find_in_message(message)[0].entry.id == fault.id, message


@given(text=st.text() | st.from_regex(r"(event|http|0x|-|\(|browser|sync| |\d){0,60}"))
def test_any_text_is_searched(text: str) -> None:
    for match in (*find_in_question(text), *find_in_message(text)):
        assert match.seen


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    began = time.monotonic()
    find_in_question("sync browser wsus upstream " * 20_000)

    assert time.monotonic() - began < 10


# --- the command ---------------------------------------------------------------------------------


def test_the_command_explains_a_code_and_says_what_to_look_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["explain", "-2147012894"]) == 0
    out, err = capsys.readouterr()

    assert out.startswith("0x80072EE2, TCP time-out (failure: connection-timeout)\n")
    assert "beware      Do not blame IIS" in out
    assert err.startswith("next: The path that WSUS takes")


def test_the_command_takes_several_words_and_lists_every_entry(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["explain", "0x80072EFD", "407", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    entries = document["details"]["entries"]
    assert [entry["id"] for entry in entries] == ["proxy-authentication", "connection-refused"]
    assert entries[0].keys() == {
        *("id", "severity", "symptom", "matched", "says", "meaning", "seen_in"),
        *("first_check", "do_not_conclude", "source"),
    }
    assert (document["outcome"], document["site"]) == ("done", None)


def test_what_the_command_does_not_know_it_says_without_repeating_a_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["explain", "login\x1b[2J failed, password=hunter2"]) == 1
    err = capsys.readouterr().err

    assert "has nothing on: login[U+001B][2J failed, password=[redacted]" in err
    assert err.splitlines()[-1].startswith("next: Explain the lines around it")


@pytest.mark.parametrize("words", [[], [""], ["  "]])
def test_the_command_wants_something_to_explain(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", *words]) == 64


def test_the_command_needs_no_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WSUS_AIRGAP_SITE", str(tmp_path / "none.toml"))

    assert run(["explain", "10022"]) == 0
    assert list(tmp_path.iterdir()) == []
