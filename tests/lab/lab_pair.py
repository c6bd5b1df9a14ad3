"""A lab with the actions that tests perform on it."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from deploy import lab
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server


@dataclass(frozen=True, slots=True)
class LabPair:
    folder: Path

    def wsusutil(self, side: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a side's own executable."""
        return subprocess.run(
            [self.folder / side / "wsusutil", *arguments],
            capture_output=True, text=True, check=False, timeout=60, encoding="utf-8",
        )  # fmt: skip

    @contextmanager
    def server(self, side: str) -> Iterator[Server]:
        server = open_server(self.folder / side)
        try:
            yield server
        finally:
            server.close()

    def state(self, side: str) -> dict[str, Any]:
        return lab.state(self.folder, side)

    def fault(self, side: str, name: str, *, on: bool) -> None:
        lab.set_fault(self.folder, side, name, on)

    def content(self, side: str, name: str) -> Path:
        return self.folder / side / "WsusContent" / name[38:40] / name

    def copy_content(self) -> None:
        """Copy all content to the disconnected server, as robocopy does."""
        shutil.copytree(
            self.folder / "staging" / "WsusContent",
            self.folder / "disconnected" / "WsusContent",
            dirs_exist_ok=True,
        )

    def cross(self, name: str) -> None:
        """Carry content and metadata to the disconnected server by hand."""
        package = self.folder / "media" / f"{name}.xml.gz"
        exported = self.wsusutil("staging", "export", package, package.with_suffix(".log"))
        assert exported.returncode == 0, exported.stdout
        self.copy_content()
        imported = self.wsusutil("disconnected", "import", package)
        assert imported.returncode == 0, imported.stdout

    def let_agent_run(self, side: str) -> None:
        """Wait until the content agent has no due work."""
        for _ in range(100):
            with self.server(side) as server:
                query = "SELECT count(*) FROM agent_job"
                if server.connection.execute(query).fetchone()[0] == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the agent does not come to rest")


def package_root(package: Path) -> ElementTree.Element:
    with gzip.open(package) as stream:
        return ElementTree.parse(stream).getroot()


def count(server: Server, query: str, *values: object) -> int:
    return int(server.connection.execute(query, values).fetchone()[0])
