"""The examples at the end of each command's help are commands of it that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from cyclopts import App

from flows.command_line import app, run
from flows.commands.examples import EXAMPLES


def commands(of: App, name: str = "") -> Iterator[str]:
    """The names of an application and of all its commands."""
    yield name.strip()
    for word in of:
        if not word.startswith("-"):
            yield from commands(of[word], f"{name} {word}")


def test_each_command_has_examples_of_its_own() -> None:
    assert sorted(commands(app)) == sorted(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_a_command_that_can_be_typed(name: str) -> None:
    for line in EXAMPLES[name]:
        words = shlex.split(line.partition(" - ")[0])
        assert words[: len(name.split())] == name.split()
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_help_of_a_command_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["decide", "--help"]) == 0
    shown = capsys.readouterr().out

    assert "wsus-airgap decide KB5034441 accept-licence" in " ".join(shown.split())
    assert "wsus-airgap export" not in shown
    assert "Exit codes: 0 done" in shown
