"""What every error says: its sentence, and what to do now."""

from __future__ import annotations

import pickle

from tasks.errors import SiteFileError
from tasks.refusals import ChainError, LockHeldError, SafetyError


def test_the_caller_says_what_to_do_where_only_it_knows() -> None:
    assert SafetyError(reason="too much", remedy="Raise {limit}.").next_step == "Raise {limit}."
    assert SafetyError(reason="too much").next_step.startswith("Read the report")


def test_what_to_do_may_name_the_facts() -> None:
    error = SiteFileError(path="{odd}/site.toml", problems=("site.name: missing", "x: unknown key"))

    assert error.message == "site file {odd}/site.toml: site.name: missing; x: unknown key"
    assert error.problems == ("site.name: missing", "x: unknown key")
    assert "--site {odd}/site.toml" in error.next_step


def test_an_error_survives_the_way_through_another_process() -> None:
    for error in (
        LockHeldError(what="x", since="now", owner="run 1"),
        ChainError(reason="it does not fit", remedy="Ask."),
        SiteFileError(path="site.toml", problems=("site.name: missing", "x: unknown key")),
    ):
        back = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
        assert type(back) is type(error)
        assert (back.message, back.next_step) == (error.message, error.next_step)
