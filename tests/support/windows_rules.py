"""How Windows itself reads a command line, written after Microsoft's description, for tests."""

from __future__ import annotations


def split_command_line(line: str) -> list[str]:
    """``CommandLineToArgvW``: the program first, by its own rule, then the arguments."""
    program, rest = _program(line)
    return [program, *split_arguments(rest)]


def _program(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        end = line.find('"', 1)
        return (line[1:], "") if end < 0 else (line[1:end], line[end + 1 :])
    ends = [i for i in (line.find(" "), line.find("\t")) if i >= 0]
    end = min(ends) if ends else len(line)
    return line[:end], line[end:]


def split_arguments(text: str) -> list[str]:
    """The rules for all arguments but the program."""
    found: list[str] = []
    rest = text.lstrip(" \t")
    while rest:
        argument, rest = _first_argument(rest)
        found.append(argument)
        rest = rest.lstrip(" \t")
    return found


def _first_argument(text: str) -> tuple[str, str]:
    found: list[str] = []
    quoted = False
    while text and (quoted or text[0] not in " \t"):
        slashes = len(text) - len(text.lstrip("\\"))
        text = text[slashes:]
        before_quote = text.startswith('"')
        found.append("\\" * (slashes // 2 if before_quote else slashes))
        if before_quote and slashes % 2:
            found.append('"')
            text = text[1:]
        elif before_quote and quoted and text.startswith('""'):  # two in a quoted part are one
            found.append('"')
            text = text[2:]
        elif before_quote:
            quoted = not quoted
            text = text[1:]
        elif not slashes:
            found.append(text[0])
            text = text[1:]
    return "".join(found), text


def read_by_cmd(text: str) -> str:
    """What ``cmd.exe /c`` makes of a command: carets go, and what is not quoted must be plain.

    Raises:
        ValueError: A special character would have been acted upon.
    """
    found: list[str] = []
    quoted, i = False, 0
    while i < len(text):
        char = text[i]
        if char == "^" and not quoted and i + 1 < len(text):
            found.append(text[i + 1])
            i += 2
            continue
        if char == "%":
            raise ValueError(f"cmd would look for a variable: {text!r}")
        if char == '"':
            quoted = not quoted
        elif char in "&|<>()" and not quoted:
            raise ValueError(f"cmd would act on {char}: {text!r}")
        found.append(char)
        i += 1
    return "".join(found)


def read_ps_literal(text: str) -> tuple[str, str]:
    """A single-quoted PowerShell string at the beginning of a text, and what follows it."""
    quotes = "'\u2018\u2019\u201a\u201b"
    if text[:1] not in quotes or not text:
        raise ValueError(f"no literal: {text!r}")
    found: list[str] = []
    i = 1
    while i < len(text):
        if text[i] in quotes:
            if text[i + 1 : i + 2] and text[i + 1] in quotes:
                found.append(text[i])
                i += 2
                continue
            return "".join(found), text[i + 1 :]
        found.append(text[i])
        i += 1
    raise ValueError(f"the literal has no end: {text!r}")


def pass_to_program(arguments: list[str]) -> str:
    """How Windows PowerShell 5.1 joins arguments for a program (``&``)."""
    return " ".join(f'"{a}{_tail(a)}"' if _wants_quotes(a) else a for a in arguments if a)


def _tail(argument: str) -> str:
    return "\\" * (len(argument) - len(argument.rstrip("\\")))


def _wants_quotes(argument: str) -> bool:
    quotes = 0
    for char in argument:
        if char == '"':
            quotes += 1
        elif char.isspace() and quotes % 2 == 0:
            return True
    return False


def read_by_powershell(text: str) -> list[str]:
    """The program and arguments that a command of ours starts in Windows PowerShell 5.1.

    Understands the two forms in which we write commands, and nothing else.
    """
    plain = text.removeprefix("$global:LASTEXITCODE = 9009; & ")
    if plain != text:
        words = []
        while not plain.startswith(";"):
            word, plain = read_ps_literal(plain.lstrip(" "))
            words.append(word)
        return [words[0], *split_arguments(pass_to_program(words[1:]))]
    file_name, rest = read_ps_literal(text.partition("FileName = ")[2])
    line, rest = read_ps_literal(rest.partition("Arguments = ")[2])
    stand_in, rest = read_ps_literal(rest.removeprefix(".Replace("))
    if not rest.startswith(", [string][char]34)"):
        raise ValueError(f"not a form of ours: {text!r}")
    return [file_name, *split_arguments(line.replace(stand_in, '"'))]
