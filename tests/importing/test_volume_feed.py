"""Volumes come one after another through one drive, in any order; each is proved when it comes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.bundle.plan import MediaLimits
from tasks.errors import BundleIncompleteError
from tasks.importing.volume_feed import gather_volumes
from tests.importing.disconnected_side import DisconnectedSide
from tests.metadata.writing import Update
from tests.support.bundles import fill_content

Ask = Callable[[str], bool]


class Drive:
    """A drive that has one volume of a bundle in it at a time.

    Attributes:
        questions: What a person was asked, in order.
    """

    def __init__(self, bundle: Path, folder: Path) -> None:
        self._volumes = {path.name: path for path in bundle.iterdir()}
        self._slot = folder / bundle.name
        self.questions: list[str] = []

    def __len__(self) -> int:
        return len(self._volumes)

    def put_in(self, number: int) -> Path:
        """Take out what is in it, and put a volume in; gives the bundle's folder."""
        shutil.rmtree(self._slot, ignore_errors=True)
        name = f"volume-{number:03d}"
        shutil.copytree(self._volumes[name], self._slot / name)
        return self._slot

    def feeding(self, *numbers: int) -> Ask:
        """A person who puts these volumes in when asked, and then ends it."""
        following = iter(numbers)

        def ask(sentence: str) -> bool:
            self.questions.append(sentence)
            number = next(following, None)
            if number is None:
                return False
            self.put_in(number)
            return True

        return ask


@pytest.fixture
def drive(side: DisconnectedSide, tmp_path: Path) -> Drive:
    """A drive for a bundle of at least three volumes, with files in parts."""
    side.workshop.updates = [Update(1)]
    side.workshop.limits = MediaLimits(90_000, 3_000)
    fill_content(side.workshop.content, 60)
    made = Drive(side.make_bundle(), tmp_path / "drive")
    assert len(made) >= 3
    return made


def test_three_volumes_through_one_drive_in_any_order_are_one_import(
    side: DisconnectedSide, drive: Drive
) -> None:
    order = [*range(len(drive), 0, -1)]
    slot = drive.put_in(order[0])
    (folder,) = gather_volumes(side.run, [str(slot)], ask=drive.feeding(*order[1:]))

    delivery = side.import_(Path(folder))
    assert not delivery.incoming.opened.faults
    assert len(list(side.list_content())) == 60
    assert len(drive.questions) == len(drive) - 1
    assert f"{', '.join(map(str, sorted(order[1:])))} of {len(drive)} to come" in drive.questions[0]
    # The copies are needed no more.
    assert not list((side.run.site.state_dir / "volumes").iterdir())


def test_a_wrong_disc_is_named_and_another_asked_for_and_what_came_stays(
    side: DisconnectedSide, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    slot = drive.put_in(1)

    def feed(sentence: str) -> bool:
        drive.questions.append(sentence)
        if len(drive.questions) == 1:
            damaged = next(path for path in drive.put_in(2).rglob("content/*/*"))
            damaged.write_bytes(b"x" * damaged.stat().st_size)
            return True
        if len(drive.questions) == 2:
            (drive.put_in(2) / "volume-002" / "content" / "00.exe").write_bytes(b"stranger")
            return True
        if len(drive.questions) == 3:
            shutil.rmtree(slot)  # nothing is in the drive
            return True
        return False  # the person goes home

    given = gather_volumes(side.run, [str(slot)], ask=feed)
    warnings = " ".join(record.getMessage() for record in caplog.records)
    assert "expected" in warnings
    assert "undeclared" in warnings
    assert "is not there" in warnings
    with pytest.raises(BundleIncompleteError):
        side.take_in(Path(given[0]))

    # The next day the same command goes on with the discs that are missing.
    rest = range(2, len(drive) + 1)
    slot = drive.put_in(2)
    (folder,) = gather_volumes(side.run, [str(slot)], ask=drive.feeding(*list(rest)[1:]))
    side.import_(Path(folder))
    assert len(list(side.list_content())) == 60


def test_whole_bundles_are_read_where_they_lie_and_nobody_is_asked(
    side: DisconnectedSide, drive: Drive, tmp_path: Path
) -> None:
    whole = tmp_path / "workshop" / "media" / "alpha-1"
    assert gather_volumes(side.run, [str(whole)], ask=drive.feeding()) == [str(whole)]
    slot = drive.put_in(1)
    assert gather_volumes(side.run, [str(slot)], ask=None) == [str(slot)]
    assert drive.questions == []
