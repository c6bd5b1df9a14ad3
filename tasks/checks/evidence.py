"""A line of foreign text made safe to show and to keep: one line, short, without secrets."""

from __future__ import annotations

import re

from tasks.visible import visible

EVIDENCE_CHARACTERS = 400
REDACTED = "[redacted]"

_NAME = r"(?:pass(?:word|wd|phrase)?|pwd|kennwort|secret|token|api[-_ ]?key|access[-_ ]?key|sig)"
_SECRETS = (
    # user:password@ in an address
    (re.compile(r"(?<=://)[^/\s]+@"), f"{REDACTED}@"),
    # the query of an address: signed links to content are keys
    (re.compile(r"(\bhttps?://[^\s?'\"<>]+\?)[^\s'\"<>]+", re.IGNORECASE), rf"\1{REDACTED}"),
    # Authorization: Basic dXNl...; digits, signs or capitals within tell a token from a word
    (
        re.compile(
            r"\b((?i:basic|bearer|negotiate|ntlm)\s+)"
            r"(?=\S*(?:[\d+/=~]|[a-z][A-Z]))[\w+/=.~-]{8,}"
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(r"\b((?:set-)?cookie\s*[:=]\s*)[^\s;]+(?:;\s*[^\s;]+)*", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    # "token": "..."; Password=... of a connection string, where it may hold blanks; pwd=...
    (
        re.compile(
            rf"(\b[\w-]*{_NAME}[\"']?\s*[:=]\s*)"
            r"(?:\"[^\"]*\"?|'[^']*'?|[^\s;][^;]{0,80}(?=;)|[^\s;,&\"']+)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    # signed tokens, and runs of Base64 longer than any digest
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{100,}={0,2}"), REDACTED),
)
# What is read for one line: what redacting takes out makes room for more.
_READ_CHARACTERS = 3 * EVIDENCE_CHARACTERS


def evidence_line(text: str) -> str:
    """One line of a foreign text, as evidence in a report.

    Credentials, tokens and the queries of addresses are replaced by ``[redacted]``; characters
    that cannot be seen are written out, and amounts of blanks shrink to one. At most
    ``EVIDENCE_CHARACTERS`` long, with ``…`` at the end when cut.
    """
    line = visible(" ".join(text[:_READ_CHARACTERS].split()))
    is_whole = len(text) <= _READ_CHARACTERS
    if not is_whole:
        line = line.rpartition(" ")[0]  # the half of a token would not be known as one
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    if is_whole and len(line) <= EVIDENCE_CHARACTERS:
        return line
    return f"{line[: EVIDENCE_CHARACTERS - 1]}…"
