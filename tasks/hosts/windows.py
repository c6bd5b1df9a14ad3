r"""Quote commands for Windows, and decode the output of its programs. Pure functions.

Two parsers read a command: the SSH server's default shell (``cmd.exe`` or PowerShell), then the
program itself, which splits its command line by the rules of ``CommandLineToArgvW`` (Microsoft,
"Parsing C++ command-line arguments"). The rules of the shells are the ``/c`` mode of cmd, and the
way in which Windows PowerShell 5.1 passes arguments to programs: it quotes arguments with blanks,
doubles trailing backslashes, and loses inner quotes and empty arguments.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Shell = Literal["cmd", "powershell"]

# Each shell answers differently: cmd replaces %OS%, PowerShell prints True, a POSIX shell 0.
SHELL_QUESTION = "echo %OS% $?"
COMMAND_LIMIT = 8_000  # cmd.exe accepts 8,191 characters, including its own "cmd.exe /c"
_OEM = "cp437"  # the console's code page of an English Windows
_CMD_SPECIAL = re.compile(r'[()%!^"<>&|]')
_PS_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")
_PLACEHOLDERS = "~#@+=\u00a4\u00a7\u00b6"


# --- commands ----------------------------------------------------------------------------------


def quote_argument(argument: str) -> str:
    """Quote one argument so that ``CommandLineToArgvW`` returns the same argument."""
    if argument and not re.search(r'[ \t\n\v"]', argument):
        return argument
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', argument)
    return '"' + re.sub(r"(\\+)$", r"\1\1", escaped) + '"'


def command_line(command: Sequence[str]) -> str:
    """Join program and arguments into a Windows command line."""
    return " ".join([_quote_program(command[0]), *map(quote_argument, command[1:])])


def _quote_program(program: str) -> str:
    """Quote the program's own path, for which backslashes never escape.

    Raises:
        ValueError: The path contains a quote.
    """
    if '"' in program:
        raise ValueError(f"a program's path cannot hold a quote: {program!r}")
    return f'"{program}"' if not program or re.search(r"[ \t]", program) else program


def quote_for_shell(command: Sequence[str], shell: Shell) -> str:
    """Write a command for the default shell of an SSH server on Windows.

    Raises:
        ValueError: The command contains a line break or a NUL, or is too long.
    """
    if any(re.search(r"[\0\r\n]", part) for part in command):
        raise ValueError("a command for a Windows shell cannot hold line breaks")
    text = quote_for_cmd(command) if shell == "cmd" else quote_for_powershell(command)
    if len(text) > COMMAND_LIMIT:
        raise ValueError(f"a command of {len(text)} characters is too long for a Windows shell")
    return text


def quote_for_cmd(command: Sequence[str]) -> str:
    """Write a command for ``cmd.exe /c``.

    Every special character gets a caret. Quotes get one too, so that cmd never assumes that it is
    inside quotes. So does ``%``: cmd finds no variable in ``^%NAME^%``, and only drops the carets.
    """
    return _CMD_SPECIAL.sub(r"^\g<0>", command_line(command))


def quote_for_powershell(command: Sequence[str]) -> str:
    """Write a command for ``powershell -Command``, without double quotes.

    The plain form also works in constrained language mode. Arguments that Windows PowerShell would
    spoil (empty, or with quotes) need the longer form, which starts the process through .NET. The
    exit code for a program that does not exist is 9009, as in cmd.
    """
    spoiled = any(not part or '"' in part for part in command)
    if not spoiled:
        words = " ".join(_ps_literal(part) for part in command)
        return f"$global:LASTEXITCODE = 9009; & {words}; exit $LASTEXITCODE"
    arguments = " ".join(map(quote_argument, command[1:]))
    stand_in = next(character for character in _PLACEHOLDERS if character not in arguments)
    literal = _ps_literal(arguments.replace('"', stand_in))
    return (
        "$s = New-Object Diagnostics.ProcessStartInfo; "
        f"$s.FileName = {_ps_literal(command[0])}; "
        f"$s.Arguments = {literal}.Replace('{stand_in}', [string][char]34); "
        "$s.UseShellExecute = $false; "
        "try { $p = [Diagnostics.Process]::Start($s) } catch { exit 9009 }; "
        "$p.WaitForExit(); exit $p.ExitCode"
    )


def _ps_literal(text: str) -> str:
    """Return a single-quoted string; typographic quotes are doubled, as PowerShell needs it."""
    return "'" + _PS_QUOTES.sub(r"\1\1", text) + "'"


def read_shell_answer(answer: str) -> Shell | None:
    """Return the shell that answered ``SHELL_QUESTION``; None if it is neither of the two."""
    words = answer.split()
    if words[:1] == ["Windows_NT"]:
        return "cmd"
    return "powershell" if words == ["%OS%", "True"] else None


# --- text --------------------------------------------------------------------------------------


def decode_output(output: bytes) -> str:
    r"""Decode the output of a program, with line ends as ``\n``.

    Programs write UTF-8, UTF-16 or the code page of the console, mostly without a mark. UTF-8 is
    tried before the code page, because text in a code page is hardly ever valid UTF-8.
    """
    return _decode(output).replace("\r\n", "\n").replace("\r", "\n")


def _decode(output: bytes) -> str:
    if output.startswith(b"\xef\xbb\xbf"):
        return output[3:].decode("utf-8", "replace")
    if output.startswith((b"\xff\xfe", b"\xfe\xff")):
        return output.decode("utf-16", "replace")
    if _looks_like_utf16(output):
        return output.decode("utf-16-le", "replace")
    try:
        return output.decode("utf-8")
    except UnicodeDecodeError:
        return output.decode(_OEM, "replace")


def _looks_like_utf16(output: bytes) -> bool:
    """Return True if many odd bytes and few even bytes are zero, as in UTF-16 of Latin text."""
    sample = output[:4096]
    odd, even = sample[1::2], sample[0::2]
    return len(odd) > 0 and odd.count(0) * 3 >= len(odd) and even.count(0) * 20 <= len(even)


_CLIXML_DOCUMENT = re.compile(r"#< CLIXML\s*(<Objs\b.*?(?:</Objs>|\Z))?", re.DOTALL)
_CLIXML_TEXT = re.compile(r'<S S="(?:Error|Warning|Information)">(.*?)(?:</S>|\Z)', re.DOTALL)
_CLIXML_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}


def readable_stderr(text: str) -> str:
    """Turn the serialised objects of Windows PowerShell on stderr into readable text.

    Errors, warnings, information and the text around the objects stay; progress is dropped. The
    objects are parsed by patterns, not as XML, because a document may be cut off or contain a
    second header.
    """
    if "#< CLIXML" not in text:
        return text
    plain = _CLIXML_DOCUMENT.sub(lambda match: _clixml_text(match.group(1) or ""), text)
    return plain.replace("\r\n", "\n")


def _clixml_text(document: str) -> str:
    parts = [_unescape(part) for part in _CLIXML_TEXT.findall(document)]
    text = "".join(parts).replace("\r\n", "\n")
    return "".join(line for line in text.splitlines(keepends=True) if line.strip() != "#< CLIXML")


def _unescape(text: str) -> str:
    plain = re.sub(r"&(?:lt|gt|quot|apos|amp);", lambda match: _ENTITIES[match.group()], text)
    units = _CLIXML_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), plain)
    # A character beyond the first plane arrives as two escapes, one for each surrogate.
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
