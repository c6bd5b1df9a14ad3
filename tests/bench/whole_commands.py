"""Whole commands on labs with many content files, on one running Prefect server.

The lab's own programs (wsusutil, PowerShell) are run through a wrapper that notes when they work,
so that their time can be taken off.
"""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.prefect_server.embedded import EmbeddedServer
from tests.bench.frame import require
from tests.support.labs import STAND_IN, Lab, make_lab

_WRAPPER = """#!/bin/sh
begin=$(date +%s.%N)
{command} "$@"
code=$?
echo "$begin $(date +%s.%N)" >>{record}
exit $code
"""


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Run a Prefect server for all commands; yields its URL."""
    home.mkdir()
    with EmbeddedServer(home, auth=False) as server:
        server.wait_ready()
        yield server.api_url


class TimedLab:
    """A lab whose programs note when they work."""

    def __init__(self, folder: Path, api_url: str) -> None:
        self.lab: Lab = make_lab(folder, api_url=api_url, content_bytes=400_000)
        self._record = folder / "programs.txt"
        for side in ("staging", "disconnected"):
            site = tomllib.loads(self.lab.site_file(side).read_text(encoding="utf-8"))
            for key in ("wsusutil", "powershell"):
                wrapper = self._wrap(side, key, site["server"][key])
                self.lab.configure(side, "server", **{key: [str(wrapper)]})

    def _wrap(self, side: str, key: str, command: list[str]) -> Path:
        folder = self.lab.folder / side
        words = [str(folder / word) if (folder / word).exists() else word for word in command]
        wrapper = folder / f"timed-{key}"
        quoted = " ".join(f"'{word}'" for word in words)
        wrapper.write_text(_WRAPPER.format(command=quoted, record=f"'{self._record}'"))
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        return wrapper

    def run(self, side: str, *words: str | Path) -> dict[str, object]:
        """Run a command as a process of its own; returns its JSON document."""
        self._record.write_text("")
        result = self.lab.run_command(side, *words, variables=STAND_IN, timeout_seconds=3_000)
        require(result.exit_code in {0, 2}, result.explain())
        return json.loads(json.dumps(result.document))  # type: ignore[no-any-return]

    def program_seconds(self) -> float:
        """Seconds of the last run in which at least one of the lab's programs worked."""
        lines = self._record.read_text().splitlines()
        spans = sorted(tuple(map(float, line.split())) for line in lines)
        total = end = 0.0
        for begin, finish in spans:
            total += max(0.0, finish - max(begin, end))
            end = max(end, finish)
        return total
