"""A catalogue like Microsoft's, generated from a seed.

Each update follows from the seed and its own number alone. So a catalogue of any size can be
streamed, and a later month continues the numbers of the first. The number also determines the
role of an update: every third is to be approved and has many files; every sixth was approved once
and its files still exist; some are declined, some expired; the rest have no content.
"""

from __future__ import annotations

import hashlib
import math
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from deploy.lab.generate import taxonomy
from deploy.lab.generate.draft import Draft
from deploy.lab.generate.shapes import SHAPES
from deploy.lab.store.records import Revision

# Files on staging's disk per visible update, over a cycle of shapes and roles.
FILES_ON_DISK = 1.7

_GOLDEN = 0.6180339887498949
_SPREAD = 1.6
# A real catalogue has more detectoids than anything else.
_DETECTOIDS_PER_UPDATE = 3
MOST_DETECTOIDS = 3_710


@dataclass(frozen=True, slots=True)
class Entry:
    """One visible update.

    Attributes:
        role: The decision of staging's administrators: ``approved``, ``kept`` (approved once),
            ``declined`` or ``listed`` (none).
        revisions: First the bundled children, then the update's own revisions, the newest last.
    """

    number: int
    role: str
    shape: str
    revisions: tuple[Revision, ...]

    @property
    def newest(self) -> Revision:
        """The update's newest revision."""
        return self.revisions[-1]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The generator of a catalogue.

    Attributes:
        mean_bytes: The mean size of a file.
    """

    seed: int
    mean_bytes: float

    def entry(self, number: int) -> Entry:
        """The visible update of a number."""
        role = role_of(number)
        draft = Draft(self, number, rich=role == "approved")
        shape, make = SHAPES[number // 3 % len(SHAPES)]
        revisions = make(draft)
        if role == "listed" and number % 12 == 11:
            revisions = (*revisions[:-1], replace(revisions[-1], publication="Expired"))
        return Entry(number, role, shape, revisions)

    def detectoids(self, updates: int) -> Iterator[Revision]:
        """The detectoids of a catalogue of so many updates."""
        for number in range(min(updates * _DETECTOIDS_PER_UPDATE, MOST_DETECTOIDS)):
            yield taxonomy.detectoid(self.guid(f"detectoid {number}"), number)

    def guid(self, key: str) -> str:
        """A GUID that follows from the seed."""
        raw = hashlib.blake2b(f"{self.seed} {key}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=raw, version=4))

    def later_revision(self, newest: Revision, created: str, arrived: str) -> Revision:
        """Make an update's next revision: new bytes in its first file, and a new description."""
        draft = Draft(self, int(newest.details["number"]), rich=True)
        files = newest.files
        if files:
            # Sorted by name: the choice must not depend on the order in which the files come.
            first, *others = sorted(files, key=lambda file: file.name)
            files = (draft.file(f"r{newest.revision + 1}-{first.name}", created=created), *others)
        return replace(
            newest,
            revision=newest.revision + 1,
            created=created,
            arrived=arrived,
            description=f"{newest.description} (revised)",
            files=files,
        )

    def expired_revision(self, newest: Revision, created: str, arrived: str) -> Revision:
        """Make the revision by which Microsoft withdraws an update: the same files, expired."""
        return replace(
            newest,
            revision=newest.revision + 1,
            created=created,
            arrived=arrived,
            publication="Expired",
        )

    def size_bytes(self, serial: int) -> int:
        """The size of a file: log-normal, spread so that even a few files have the mean size."""
        # The fractional parts of multiples of the golden ratio spread any run of numbers evenly.
        share = (serial * _GOLDEN + _start(self.seed)) % 1.0
        share = min(max(share, 0.0005), 0.9995)
        middle = math.log(self.mean_bytes) - _SPREAD**2 / 2
        from statistics import NormalDist  # every program of the lab imports this module

        return int(math.exp(middle + _SPREAD * NormalDist().inv_cdf(share)))


@lru_cache(maxsize=8)
def _start(seed: int) -> float:
    return random.Random(seed).random()


def role_of(number: int) -> str:
    """The decision of staging's administrators on the update of a number."""
    if number % 3 == 0:
        return "approved"
    if number % 3 == 1 and (number // 3 + number // 30) % 2 == 0:
        return "kept"
    return "declined" if number % 12 == 5 else "listed"
