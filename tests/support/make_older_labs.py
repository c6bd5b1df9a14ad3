"""Make the labs of an older version that ``tests/e2e/test_older_version.py`` goes on with.

    git checkout <the version's commit>; python -m tests.support.make_older_labs FOLDER

Run it on the code of the version itself: everything in the archive was written by that code.
``FOLDER`` gets ``labs.tar.xz`` with two labs, both made at one path, and ``labs.json``, which says
of which version and commit they are and which absolute paths stand in them.

``export-killed``: bundle 1 crossed, its receipt accepted, a month passed; the export of bundle 2
killed while it packed. ``import-killed``: bundle 1 crossed, its receipt not yet accepted, a month
passed, bundle 2 exported; its import killed while wsusutil worked, which then ended by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from deploy import lab
from deploy.embedded import EmbeddedServer
from tasks.version import VERSION
from tests.e2e import killing
from tests.support.labs import STAND_IN, Lab

_FOLDER = Path(tempfile.gettempdir()) / "wsus-airgap-older-lab"
_TRIES = 20
_LIMIT_SECONDS = 60.0


def make(target: Path) -> None:
    """Make both labs and pack them.

    Args:
        target: Folder that gets the archive and its description.

    Raises:
        RuntimeError: No try killed the command in its middle.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="older-labs-") as home_text:
        home = Path(home_text)
        with EmbeddedServer(home / "prefect", auth=False) as server:
            server.wait_ready()
            _make_labs(home, server.api_url)
        _pack(home, target / "labs.tar.xz")
    commit = subprocess.check_output(
        ["git", "rev-parse", "HEAD"],
        cwd=killing.ROOT,
        text=True,
    ).strip()
    description = {
        "version": VERSION,
        "commit": commit,
        "folder": str(_FOLDER),
        "interpreter": sys.executable,
        "installation": str(killing.ROOT),
    }
    text = json.dumps(description, indent=2) + "\n"
    (target / "labs.json").write_text(text, encoding="utf-8")


def _make_labs(home: Path, api_url: str) -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    lab.create(_FOLDER, updates=20, content_bytes=600_000, seed=7)
    killing.name_api(_FOLDER, api_url)
    made = Lab(_FOLDER)
    receipt = made.cross().document["receipt"]
    crossed = home / "crossed"
    shutil.copytree(_FOLDER, crossed, symlinks=True)

    made.accept(receipt, expect=0)
    made.advance()
    _kill(home / "export-killed", ["export"], _is_packing, _is_not_sealed)

    killing.put_back(crossed, _FOLDER)
    made.advance()
    made.export()
    made.tune("disconnected", "wsusutil_seconds", 3.0)
    words = ["import", str(made.bundle(2))]
    _kill(home / "import-killed", words, _is_loading, lambda: True)
    made = Lab(home / "import-killed")
    made.tune("disconnected", "wsusutil_seconds", 0.0)
    shutil.rmtree(crossed)
    shutil.rmtree(_FOLDER)


def _kill(
    result: Path,
    words: list[str],
    is_time: Callable[[], bool],
    is_in_the_middle: Callable[[], bool],
) -> None:
    """Kill a command once it is time to, and copy the lab when that was in its middle."""
    command, before = words[0], result.with_suffix(".before")
    shutil.copytree(_FOLDER, before, symlinks=True)
    for _ in range(_TRIES):
        process = Lab(_FOLDER).start(killing.SIDE_OF[command], *words, variables=STAND_IN)
        while process.poll() is None and not is_time():
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == -signal.SIGKILL and is_in_the_middle():
            _wait_for_jobs(killing.SIDE_OF[command])
            shutil.copytree(_FOLDER, result, symlinks=True)
            shutil.rmtree(before)
            return
        killing.put_back(before, _FOLDER)
    raise RuntimeError(f"no try killed {command} in its middle")


def _is_packing() -> bool:
    return any((_FOLDER / "media" / "alpha-2").glob("volume-*/content/*/*"))


def _is_not_sealed() -> bool:
    with sqlite3.connect(_FOLDER / "staging" / "state" / "ledger.sqlite") as connection:
        (status,) = connection.execute("SELECT status FROM export WHERE sequence=2").fetchone()
        steps = connection.execute("SELECT name FROM step WHERE work='export-2'").fetchall()
    return status != "sealed" and ("package",) in steps


def _is_loading() -> bool:
    runs = _FOLDER / "disconnected" / "server" / "work" / "runs"
    # From there on its supervisor says nothing more to a reader that may be dead.
    return any(runs.glob("alpha-import-2-*/job-*/stdout"))


def _wait_for_jobs(side: str) -> None:
    """Wait until what the killed run had started on the server has ended by itself."""
    give_up = time.monotonic() + _LIMIT_SECONDS
    jobs = list((_FOLDER / side / "server" / "work" / "runs").glob("*/job-*"))
    while not all((job / "exit-code").exists() for job in jobs):
        if time.monotonic() > give_up:
            raise RuntimeError(f"a job below {_FOLDER} does not end")
        time.sleep(0.1)


def _pack(home: Path, archive: Path) -> None:
    """Pack both labs, without what only a living process has and without the packer's name."""
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name in ("export-killed", "import-killed"):
            for path in [home / name, *sorted((home / name).rglob("*"))]:
                if path.name.endswith("-shm") or "prefect" in path.relative_to(home).parts:
                    continue
                member = packed.gettarinfo(path, arcname=path.relative_to(home).as_posix())
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                if path.is_file():
                    with path.open("rb") as content:
                        packed.addfile(member, content)
                else:
                    packed.addfile(member)


def main() -> int:
    """Make the labs in the folder that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=Path)
    os.environ.update(STAND_IN)
    make(parser.parse_args().target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
