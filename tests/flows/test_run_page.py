"""The page of a run on a real Prefect server: name, tags, progress; and that it needs no run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from prefect import flow

from tasks.progress import Unit
from tasks.run_page import ArtifactProgress, is_cancelling, name_run, show_text
from tests.support.prefect_api import artifacts, newest_run


@dataclass
class Terminal:
    """What a terminal was told."""

    calls: list[tuple[object, ...]] = field(default_factory=list)

    def start(self, step: str, *, total: int | None, unit: Unit, resumed_at: int = 0) -> None:
        self.calls.append(("start", step, total, unit, *([resumed_at] if resumed_at else ())))

    def check(self, amount: int) -> None:
        self.calls.append(("check", amount))

    def advance(self, amount: int) -> None:
        self.calls.append(("advance", amount))

    def finish(self) -> None:
        self.calls.append(("finish",))


def test_a_run_gets_a_name_and_each_tag_once(api_url: str) -> None:
    @flow(name="named", flow_run_name="first name")
    def told() -> None:
        name_run(None, "alpha")
        assert newest_run(api_url).name == "first name"
        name_run("alpha-7 export", "alpha-7", "alpha")

    told()

    run = newest_run(api_url)
    assert run.name == "alpha-7 export"
    assert run.tags == ["alpha", "alpha-7"]


def test_outside_a_run_there_is_no_page_to_name_and_nobody_cancels(api_url: str) -> None:
    before = newest_run_name(api_url)
    name_run("alpha-7 export", "alpha-7")
    assert newest_run_name(api_url) == before
    assert not is_cancelling()


def newest_run_name(api_url: str) -> str:
    @flow(name="empty", flow_run_name="empty run")
    def empty() -> None:
        pass

    empty()
    return newest_run(api_url).name


def test_a_run_that_nobody_cancels_is_not_cancelling(api_url: str) -> None:
    answers: list[bool] = []

    @flow(name="asking")
    def told() -> None:
        answers.append(is_cancelling())

    told()
    assert answers == [False]


@pytest.mark.parametrize(("total", "shown"), [(200, [25.0]), (None, []), (0, [])])
def test_progress_is_shown_on_the_page_where_its_end_is_known_and_on_the_terminal_always(
    api_url: str, total: int | None, shown: list[float]
) -> None:
    terminal = Terminal()

    @flow(name="long")
    def told() -> None:
        progress = ArtifactProgress(terminal)
        progress.start("Pack", total=total, unit="bytes")
        progress.advance(20)
        progress.advance(30)
        progress.finish()

    told()

    assert terminal.calls == [
        ("start", "Pack", total, "bytes"), ("advance", 20), ("advance", 30), ("finish",),
    ]  # fmt: skip
    made = artifacts(api_url, newest_run(api_url).id)
    assert [artifact.data for artifact in made] == shown
    assert {artifact.description for artifact in made} <= {"Pack"}


def test_more_than_was_announced_is_still_all_and_no_more(api_url: str) -> None:
    @flow(name="grown")
    def told() -> None:
        progress = ArtifactProgress(Terminal())
        progress.start("Pack", total=10, unit="files")
        progress.advance(11)
        progress.finish()

    told()
    (artifact,) = artifacts(api_url, newest_run(api_url).id)
    assert artifact.data == 100.0


def test_all_steps_of_a_run_share_one_bar(api_url: str) -> None:
    @flow(name="two steps")
    def told() -> None:
        progress = ArtifactProgress(Terminal())
        for step, amount in (("Unpack", 10), ("Place", None), ("Read package", 4)):
            progress.start(step, total=amount, unit="files")
            progress.advance(2)
            progress.finish()

    told()
    (artifact,) = artifacts(api_url, newest_run(api_url).id)
    assert (artifact.description, artifact.data) == ("Read package", 50.0)


def test_a_text_lies_on_the_page_under_its_key(api_url: str) -> None:
    @flow(name="shown")
    def told() -> None:
        show_text("a-text", "# Head", "a text")

    told()

    (text,) = artifacts(api_url, newest_run(api_url).id)
    assert (text.key, text.type, text.data) == ("a-text", "markdown", "# Head")
