"""What every error says: its sentence, and what to do now."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from tasks.errors import AirGapError, SiteFileError
from tasks.refusals import ChainError, ClockError, LockHeldError, RoomError, SafetyError, TrustError
from tests.test_architecture import sources
from tests.test_language import docstrings

STEP_MODULES = ("staging.py", "media.py", "disconnected.py")


def test_the_caller_says_what_to_do_where_only_it_knows() -> None:
    assert SafetyError(reason="too much", remedy="Raise {limit}.").next_step == "Raise {limit}."
    assert SafetyError(reason="too much").next_step.startswith("Read the report")


def test_what_to_do_may_name_the_facts() -> None:
    error = SiteFileError(path="{odd}/site.toml", problems=("site.name: missing", "x: unknown key"))

    assert error.message == "site file {odd}/site.toml: site.name: missing; x: unknown key"
    assert error.problems == ("site.name: missing", "x: unknown key")
    assert "--site {odd}/site.toml" in error.next_step


def test_a_sentence_shows_times_to_the_second_and_sizes_in_words() -> None:
    clock = datetime(2031, 5, 1, 3, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    late = ClockError(clock=clock, created=clock + timedelta(days=2))
    small = RoomError(where="the medium", free_bytes=87_912_448, needed_bytes=230_267_506)

    assert "2031-05-01 01:00:00 UTC" in late.message
    assert "123456" not in late.message
    assert "87.9 MB free, 230.3 MB are needed" in small.message
    alike = RoomError(where="the medium", free_bytes=2_000_001, needed_bytes=2_000_002)
    assert "2,000,001 bytes free, 2,000,002 bytes are needed" in alike.message


def test_an_error_survives_the_way_through_another_process() -> None:
    for error in (
        LockHeldError(what="x", since="now", owner="run 1"),
        ChainError(reason="it does not fit", remedy="Ask."),
        SiteFileError(path="site.toml", problems=("site.name: missing", "x: unknown key")),
    ):
        back = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
        assert type(back) is type(error)
        assert (back.message, back.next_step) == (error.message, error.next_step)


def test_the_docstring_of_a_step_tells_refusals_from_other_errors() -> None:
    kinds = {error.kind: error for error in below(AirGapError)}
    steps = [path for path in sources("tasks") if path.name in STEP_MODULES]
    texts = [text for path in steps for _, text in docstrings(path) if "Args:" not in text]
    refused = {kind for text in texts for kind in kinds_after("Refuses: ", text)}
    raised = {kind for text in texts for kind in kinds_after("Raises: ", text)}

    assert "chain" in refused
    assert "wsusutil" in raised
    assert {
        kind for kind in refused if not issubclass(kinds[kind], TrustError | SafetyError)
    } == set()
    assert {kind for kind in raised if issubclass(kinds[kind], TrustError | SafetyError)} == set()


def below(error: type[AirGapError]) -> Iterator[type[AirGapError]]:
    """Every class below one in the tree."""
    for subclass in error.__subclasses__():
        yield subclass
        yield from below(subclass)


def kinds_after(heading: str, text: str) -> list[str]:
    """The kinds that a docstring lists after a heading, up to the next heading."""
    match = re.search(rf"^{heading}(.*?)(?=^Raises: |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"``([a-z-]+)``", match[1]) if match else []
