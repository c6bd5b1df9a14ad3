"""Measure what ``up`` needs for many sites, and what each of their files costs.

    python -m tests.e2e.many_sites FOLDER [--sites 50] [--files 20000]

Serves the staging side of so many sites of one lab's server, and prints how long it takes until
all deployments are there, and memory and processor time of server and worker in two minutes of
rest. Then one site exports so many files, and another after it; the other side imports. It prints,
of each command, processor time and peak memory, and what its state and the medium need for each
file. Times by the clock are not printed, because they say nothing on a machine that does other
things.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from deploy.prefect_server.embedded import EmbeddedServer
from deploy.prefect_server.settings import clean_environment
from tests.bench.trees import write_small_files
from tests.support.commands import MIB, measure
from tests.support.labs import Lab, make_lab
from tests.support.serving import Up, up

_REST_SECONDS = 120
_FLOWS = 6
_SCHEDULE = """
[schedule]
export = { patch_tuesday_plus = 3 }
check = { cron = "0 5 * * 1" }
"""


def main(words: Sequence[str]) -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--files", type=int, default=20_000)
    given = parser.parse_args(words)
    folder: Path = given.folder.absolute()
    folder.mkdir(parents=True)
    os.environ.setdefault("WSUS_LAB_POWERSHELL", "stand-in")
    os.environ.update(clean_environment(folder / "commands", os.environ))
    measure_rest(folder, given.sites)
    measure_files(folder, given.files)
    return 0


def measure_rest(folder: Path, number: int) -> None:
    """Serve many sites, and print what that needs while nothing is due."""
    made = make_lab(folder / "lab", updates=20, content_bytes=200_000)
    sites = folder / "sites"
    for name in (f"site{count:02}" for count in range(1, number + 1)):
        write_site(made, sites / f"{name}.toml", _SCHEDULE)
    began = time.monotonic()
    with up(sites, folder / "home") as served, served.client() as client:
        while len(client.read_deployments(limit=200, offset=_FLOWS * number - 1)) < 1:
            time.sleep(1)
        print(f"{_FLOWS * number} deployments after {time.monotonic() - began:.0f} s", flush=True)
        time.sleep(60)
        before = used(served)
        time.sleep(_REST_SECONDS)
        for name, (seconds, memory) in used(served).items():
            share = (seconds - before[name][0]) / _REST_SECONDS
            print(f"{name}: {memory // MIB} MiB, {share:.1%} of one processor", flush=True)
    database = sum(path.stat().st_size for path in (folder / "home").glob("prefect.db*"))
    print(f"database: {database / MIB:.1f} MiB")


def used(served: Up) -> dict[str, tuple[float, int]]:
    """Processor time in seconds and resident memory in bytes of each process of ``up``."""
    found = {}
    for process in (
        psutil.Process(served.process.pid),
        *psutil.Process(served.process.pid).children(),
    ):
        times = process.cpu_times()
        line = " ".join(process.cmdline())
        name = (
            "worker" if "worker_child" in line else "server" if "embedded_child" in line else "up"
        )
        found[name] = (times.user + times.system, process.memory_info().rss)
    return found


def measure_files(folder: Path, files: int) -> None:
    """Make crossings of many small files, and print what each command and each file needs."""
    with EmbeddedServer(folder / "prefect", auth=False) as server:
        server.wait_ready()
        made = make_lab(folder / "many", api_url=server.api_url, content_bytes=400_000)
        write_small_files(made.content_dir("staging"), files)
        second = made.folder / "staging" / "beta.toml"
        write_site(made, second)
        for name, side, command in (
            ("export of the first site", "staging", ["export"]),
            ("export of another site", "staging", ["export", "--site", str(second)]),
            ("import", "disconnected", ["import", "../media/alpha-1"]),
            ("export again, nothing new", "staging", ["export"]),
        ):
            needed = measure(made, side, command, server.api_url)
            print(
                f"{name}: {needed.peak_bytes // MIB} MiB, "
                f"{needed.cpu_seconds * 1e6 / files:.0f} us of processor time a file",
                flush=True,
            )
    for side in ("staging", "disconnected"):
        state = size_below(made.folder / side / "state")
        print(f"state of the {side} side: {state / files:.0f} bytes a file")
    documents = size_below(made.bundle(1)) - size_below(made.content_dir("staging"))
    print(f"medium: {documents / files:.0f} bytes a file besides the content")


def size_below(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_site(made: Lab, path: Path, more: str = "") -> None:
    """Write the site file of one more site of a lab's staging server, with a state of its own."""
    path.parent.mkdir(exist_ok=True)
    text = made.site_file("staging").read_text(encoding="utf-8")
    text = text.replace('"alpha"', f'"{path.stem}"')
    text = text.replace('"state"', f'"{path.parent}/state-{path.stem}"')
    path.write_text(text.replace('"../', f'"{made.folder}/') + more, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
