"""The arguments of PowerShell: their meaning on Windows, and a prefix for their command."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path

# Options of powershell.exe that take a value, each by its shortest unique beginning.
_WITH_VALUE = ("-ex", "-ep", "-inp", "-o", "-w", "-v", "-psc", "-config", "-settings")
# Options that take all arguments after them; each may be shortened to any beginning.
_TO_THE_END = ("-command", "-file", "-encodedcommand", "-ec")
_PARAMETER = re.compile(r"-[A-Za-z_]\w*:?")


def as_windows_takes_them(arguments: Sequence[str]) -> list[str]:
    """Arguments for ``pwsh`` with the meaning that they have for ``powershell.exe``.

    Text without an option is a command for ``powershell.exe``, but a script file for ``pwsh``.
    """
    position = _last_option(arguments)
    if position < len(arguments) and not _option(arguments[position]).startswith("-"):
        return [*arguments[:position], "-Command", *arguments[position:]]
    return list(arguments)


def with_prefix(arguments: Sequence[str], prefix: str) -> list[str]:
    """Put PowerShell text before the script or command of some arguments.

    A script keeps its parameters and its exit code. The arguments for a missing script stay
    unchanged, so that the engine reports it.
    """
    position = _last_option(arguments)
    options, rest = list(arguments[:position]), list(arguments[position + 1 :])
    if position >= len(arguments):
        return options
    name = _option(arguments[position])
    if "-file".startswith(name) and name != "-":
        if not rest or not Path(rest[0]).is_file():
            return list(arguments)
        return [*options, "-Command", f"{prefix} {_script_call(rest)}"]
    if not "-command".startswith(name):
        text = base64.b64decode(rest[0]).decode("utf-16-le") if rest else ""
        encoded = base64.b64encode(f"{prefix} {text}".encode("utf-16-le")).decode()
        return [*options, "-EncodedCommand", encoded]
    if name == "-" or rest == ["-"]:
        rest = ["Invoke-Expression ([Console]::In.ReadToEnd())"]
    return [*options, "-Command", f"{prefix} {' '.join(rest)}"]


def quoted(text: str) -> str:
    """Text as a PowerShell string without expansion."""
    return "'" + text.replace("'", "''") + "'"


def _script_call(words: Sequence[str]) -> str:
    arguments = " ".join(map(_argument, words[1:]))
    # After a script $? is false only if its exit code is not 0.
    ending = "if ($?) { exit 0 }; if ($LASTEXITCODE) { exit $LASTEXITCODE }; exit 1"
    return f"& {quoted(words[0])} {arguments}; {ending}"


def _argument(word: str) -> str:
    """A word after -File as PowerShell text: the name of a parameter, or a quoted string."""
    if _PARAMETER.fullmatch(word):
        return word
    name, colon, value = word.partition(":")
    if colon and _PARAMETER.fullmatch(name):
        is_switch = value.lower() in {"$true", "$false"}
        return f"{name}:{value if is_switch else quoted(value)}"
    return quoted(word)


def _last_option(arguments: Sequence[str]) -> int:
    """The position of the option that takes the rest, or of the first text without an option."""
    position = 0
    while position < len(arguments):
        option = _option(arguments[position])
        if not option.startswith("-"):
            break
        is_last = any(name.startswith(option) for name in _TO_THE_END)
        if is_last and not option.startswith(_WITH_VALUE):
            break
        position += 2 if option.startswith(_WITH_VALUE) else 1
    return position


def _option(argument: str) -> str:
    return argument.lower().replace("/", "-", 1) if argument[:1] == "/" else argument.lower()
