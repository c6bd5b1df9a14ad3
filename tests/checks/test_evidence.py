"""Evidence is one short line that shows no secret and steers no terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.checks.evidence import EVIDENCE_CHARACTERS, evidence_line
from tasks.visible import visible

SECRET = "hunter2Xy"
LONG = "aB3+" * 40


@pytest.mark.parametrize(
    "text",
    [
        f"http://svc:{SECRET}@proxy.example:8080/",
        f"http://svc:a@{SECRET}@proxy.example/",
        f"Data Source=x;User ID=sa;Password={SECRET};Connect Timeout=5",
        f"Data Source=x;User ID=sa;Password=a b {SECRET};Connect Timeout=5",
        f"pwd = {SECRET}",
        f"Kennwort: '{SECRET}'",
        f'{{"access_token": "x {SECRET}"}}',
        f"Proxy-Authorization: Basic {SECRET}==",
        f"Bearer {SECRET}9",
        f"Set-Cookie: a=1; session={SECRET}",
        f"https://a.example/file.cab?P1=1&P4={SECRET}",
        f"got eyJhbGciOiJub25lIn0.{SECRET}.x",
        f"ticket {LONG}{SECRET}",
        # the long one makes room for what stands where reading ends
        f"{'Qw9+' * 285} ticket {LONG}{SECRET}",
    ],
)
def test_a_secret_is_taken_out(text: str) -> None:
    line = evidence_line(text)

    assert SECRET not in line
    assert "aB3+aB3+" not in line


@pytest.mark.parametrize(
    "text",
    [
        "EventId=364,Type=Error,Message=Content file download failed. Reason: HTTP status 404",
        "C:\\WSUS\\WsusContent\\02\\0098C79E1404B4399BF0E686D88DBF052269A302.exe",
        "digest y2/wvtpOW/lSqnhTjJoi3xE1EGM= of passwordless files",
        "Basic authentication failed because digest authentication is on",
        "Der Name wurde nicht aufgelöst: „x“",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert evidence_line(text) == text


@given(st.text() | st.text(alphabet="a=:/?@; \n\x1b\u202e'\"password", max_size=5_000))
def test_evidence_is_one_short_line(text: str) -> None:
    line = evidence_line(text)

    assert len(line) <= EVIDENCE_CHARACTERS
    assert visible(line) == line
