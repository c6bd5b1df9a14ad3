"""What Windows does to commands and text, by tables of cases and by laws."""

from __future__ import annotations

import base64
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.hosts.windows import (
    Shell,
    command_line,
    decode_output,
    quote_argument,
    quote_for_cmd,
    quote_for_powershell,
    quote_for_shell,
    read_shell_answer,
    readable_stderr,
)
from tests.support import needs
from tests.support.windows_rules import (
    read_by_cmd,
    read_by_powershell,
    split_arguments,
    split_command_line,
)

PLAIN_LINE = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n"), max_size=20
)
NASTY = st.text(st.sampled_from("ab \t\\\"'%^&|<>()!$`~\u2019;,="), max_size=12)
ARGUMENT = PLAIN_LINE | NASTY
PROGRAM = st.sampled_from(
    ["powershell.exe", "C:\\Program Files\\Tools\\WsusUtil.exe", "C:\\a&b\\c"]
)

# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "quoted"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("a b", '"a b"'),
        ("C:\\dir\\", "C:\\dir\\"),
        ("C:\\my dir\\", '"C:\\my dir\\\\"'),
        ('say "hi"', '"say \\"hi\\""'),
        ('a\\"b', '"a\\\\\\"b"'),
        ("a\\\\b c", '"a\\\\b c"'),
        ("tab\there", '"tab\there"'),
        ("/switch:value", "/switch:value"),
    ],
)
def test_arguments_are_quoted_as_microsoft_describes(argument: str, quoted: str) -> None:
    assert quote_argument(argument) == quoted
    assert split_arguments(quoted) == [argument]


@given(PROGRAM, st.lists(ARGUMENT, max_size=5))
@example("C:\\x y.exe", ["\\", "\\\\", '"', '\\"', '"" ""', " \\", "%PATH%"])
def test_a_command_line_is_read_back_as_it_was(program: str, arguments: list[str]) -> None:
    assert split_command_line(command_line([program, *arguments])) == [program, *arguments]


@given(PROGRAM, st.lists(ARGUMENT, max_size=5))
@example("C:\\x y.exe", ['"', "&", '" & calc "', "%PATH%", "^", '^"', "a^&b", "!x!"])
def test_cmd_passes_a_command_on_as_it_was(program: str, arguments: list[str]) -> None:
    line = read_by_cmd(quote_for_cmd([program, *arguments]))
    assert split_command_line(line) == [program, *arguments]


@given(PROGRAM, st.lists(ARGUMENT, max_size=5))
@example("C:\\x y.exe", ["it's", "", 'a "b c" d', '"b c"', "\u2019; calc", "end\\", "two words\\"])
def test_powershell_passes_a_command_on_as_it_was(program: str, arguments: list[str]) -> None:
    text = quote_for_powershell([program, *arguments])
    assert '"' not in text
    assert read_by_powershell(text) == [program, *arguments]


@needs.pwsh
def test_a_real_engine_reads_both_forms() -> None:
    plain = ["printf", "<%s>", "a b", "it's", "x\u2019y", "$HOME", "a;b", "%PATH%"]
    for command in (plain, [*plain, 'with "quotes"', ""]):
        text = quote_for_powershell(command)
        run = subprocess.run(
            ["pwsh", "-NoProfile", "-Command", text], capture_output=True, check=True, timeout=60
        )
        expected = "".join(f"<{part}>" for part in command[2:])
        assert run.stdout.decode("utf-8") == expected


@pytest.mark.parametrize("command", [["a", "b\nc"], ["a\0"], ["a", "x" * 9_000]])
def test_what_no_windows_shell_takes_is_refused(command: list[str]) -> None:
    shells: tuple[Shell, ...] = ("cmd", "powershell")
    for shell in shells:
        with pytest.raises(ValueError, match="command"):
            quote_for_shell(command, shell)


@pytest.mark.parametrize(
    ("answer", "shell"),
    [
        ("Windows_NT $?\n", "cmd"),
        ("%OS%\nTrue\n", "powershell"),
        ("%OS% 0\n", None),
        ("", None),
        ("banner %OS% True", None),
    ],
)
def test_the_default_shell_is_known_by_its_answer(answer: str, shell: str | None) -> None:
    assert read_shell_answer(answer) == shell


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"", ""),
        (b"plain\r\nlines\r\n", "plain\nlines\n"),
        ("Überprüfung".encode(), "Überprüfung"),
        (b"\xef\xbb\xbfwith mark", "with mark"),
        ("\ufeffUTF-16 ä".encode("utf-16-le"), "UTF-16 ä"),
        ("\ufeffUTF-16 ä".encode("utf-16-be"), "UTF-16 ä"),
        ("Kein BOM, aber lang genug.\r\n".encode("utf-16-le"), "Kein BOM, aber lang genug.\n"),
        (
            "Der Vorgang wurde für ä ausgeführt.".encode("cp437"),
            "Der Vorgang wurde für ä ausgeführt.",
        ),
        (b"\x84\x94\x81", "äöü"),
    ],
)
def test_output_is_decoded_whatever_wrote_it(output: bytes, text: str) -> None:
    assert decode_output(output) == text


@given(st.binary(max_size=200))
def test_any_bytes_become_some_text(output: bytes) -> None:
    assert isinstance(readable_stderr(decode_output(output)), str)


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\0\ufeff")))
def test_utf8_stays_what_it_is(text: str) -> None:
    assert decode_output(text.encode("utf-8")) == text


PROGRESS = (
    '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
    '<Obj S="progress" RefId="0"><TN RefId="0"><T>System.Object</T></TN><MS>'
    '<I64 N="SourceId">1</I64><PR N="Record"><AV>Preparing modules for first use.</AV><AI>0</AI>'
    "<Nil /><PI>-1</PI><PC>-1</PC><T>Completed</T><SR>-1</SR><SD> </SD></PR></MS></Obj>"
)


NESTED = (
    '#< CLIXML\r\n<Objs><S S="Error">#< CLIXML_x000D__x000A_</S>'
    '<S S="Error">inner_x000D__x000A_</S></Objs>'
)


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("just text\n", "just text\n"),
        (PROGRESS + "</Objs>", ""),
        (
            PROGRESS + '<S S="Error">It failed: a &lt;b&gt; &amp; c_x000D__x000A_</S>'
            '<S S="Error">At line:1 char:1_x000D__x000A_</S></Objs>',
            "It failed: a <b> & c\nAt line:1 char:1\n",
        ),
        (
            NESTED,
            "inner\n",
        ),
        ('before\n#< CLIXML\n<Objs><S S="Error">one</S></Objs>after', "before\noneafter"),
        ('#< CLIXML\r\n<Objs><S S="Error">cut o', "cut o"),
        ('#< CLIXML\r\n<Objs><S S="Error">_x005F_x0041_ _xD83D__xDE00_</S></Objs>', "_x0041_ 😀"),
        ("#< CLIXML\r\n", ""),
        ('#< CLIXML\n<Objs><S S="verbose">chatter</S><S S="Warning">care</S></Objs>', "care"),
    ],
)
def test_serialised_errors_become_what_a_person_would_see(text: str, readable: str) -> None:
    assert readable_stderr(text) == readable


@needs.pwsh
def test_what_a_real_engine_writes_as_clixml_is_readable() -> None:
    source = "Write-Error 'Größe <zu> klein & _alt_'; exit 3"
    encoded = base64.b64encode(source.encode("utf-16-le")).decode("ascii")
    run = subprocess.run(
        ["pwsh", "-NoProfile", "-EncodedCommand", encoded],
        capture_output=True,
        check=False,
        timeout=60,
    )
    text = readable_stderr(decode_output(run.stderr))
    assert run.returncode == 3
    assert "Größe <zu> klein & _alt_" in text
    assert "CLIXML" not in text
