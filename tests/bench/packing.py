"""Packing against cp: the state before each run, and the peer."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.bench.frame import Case
from tests.bench.trees import run
from tests.support.bundles import Workshop


@dataclass(frozen=True, slots=True)
class Packing:
    """A workshop that packs again and again, and the peers' copy of its content."""

    workshop: Workshop
    copy: Path

    def clean(self) -> None:
        """Remove what the last run has written, and plan anew; nothing waits for the disk then."""
        for folder in (self.copy, self.workshop.bundle()):
            shutil.rmtree(folder, ignore_errors=True)
        (self.workshop.root / "state" / "hashes.sqlite").unlink(missing_ok=True)
        run("sync", "-f", self.copy.parent)
        self.workshop.plan()

    def pack(self) -> Case:
        """Return the product's step."""
        return Case("pack", self.workshop.pack, self.clean)

    def cp(self) -> Case:
        """Return the peer: a recursive copy, durable at its end."""
        command = f"cp -r {self.workshop.content} {self.copy} && sync -f {self.copy}"
        return Case("cp", lambda: run("sh", "-c", command), self.clean)
