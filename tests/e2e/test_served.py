"""Runs that a served deployment made: a disk fills up, a person makes room and retries the run.

A file system that runs out of names says the same as one that runs out of bytes, and can be made
to do so at an exact place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun

from tests.support import needs
from tests.support import serving as serving_support
from tests.support.labs import Lab, make_lab
from tests.support.prefect_api import artifacts, client_of, logged, task_runs
from tests.support.serving import up

pytestmark = [needs.root, pytest.mark.timeout(600)]
# Room for the folders and for all but the last of three batches of files, which are begun together.
_NAMES_LEFT = 1_300
_BATCH_FILES = 500


@pytest.fixture
def crossing(tmp_path: Path, shared_api: str, stand_in: None) -> Iterator[Lab]:
    """A lab whose disconnected server and whose media lie on disks of their own."""
    made = make_lab(tmp_path / "lab", api_url=shared_api, updates=600, content_bytes=3_000_000)
    for side in ("staging", "disconnected"):
        made.configure(side, "site", state_dir=str(tmp_path / f"state-{side}"))
        count_starts(made, side)
    with disk(made.folder / "disconnected"), disk(made.folder / "media"):
        yield made


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Put a folder with all in it on a file system of its own."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], check=True)
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def leave_names(folder: Path, names: int) -> None:
    """Let a disk take so many more files and folders."""
    found = os.statvfs(folder)
    limit = found.f_files - found.f_ffree + names
    subprocess.run(["mount", "-o", f"remount,nr_inodes={limit}", folder], check=True)


def count_starts(made: Lab, side: str) -> None:
    """Have the site use a wsusutil that notes each start."""
    own = made.folder / f"wsusutil-{side}"
    own.write_text(
        f'#!/bin/sh\necho "$1" >>{own}.starts\nexec {made.folder / side / "wsusutil"} "$@"\n'
    )
    own.chmod(0o755)
    made.configure(side, "server", wsusutil=[str(own)])


def starts(made: Lab, side: str) -> list[str]:
    return (made.folder / f"wsusutil-{side}.starts").read_text().split()


@contextmanager
def serving(made: Lab, side: str) -> Iterator[None]:
    """Serve the flows of one side on the API that its site file names."""
    with up(made.site_file(side)):
        yield


def start(api_url: str, deployment: str, **parameters: object) -> FlowRun:
    """Start a run of a deployment, once it is served."""
    with client_of(api_url) as client:
        return serving_support.start(client, deployment, **parameters)


def ended(api_url: str, run: UUID) -> FlowRun:
    """Wait until a run has ended, whatever the end."""
    with client_of(api_url) as client:
        return serving_support.ended(client, run)


def retry(api_url: str, run: UUID) -> FlowRun:
    """Retry a run with Prefect's own command, and wait for its end."""
    subprocess.run(
        [sys.executable, "-m", "prefect", "flow-run", "retry", str(run)],
        env={**os.environ, "PREFECT_API_URL": api_url},
        check=True,
        capture_output=True,
    )
    time.sleep(1)
    return ended(api_url, run)


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    """Which content files lie below a folder under their names: inodes, and when written."""
    found = {}
    for path in folder.rglob("*.*"):
        if re.fullmatch(r"[0-9A-F]{40}\.[a-z]+", path.name):
            stat = path.stat()
            found[path.name] = (stat.st_ino, stat.st_mtime_ns)
    return found


def states(api_url: str, run: FlowRun) -> dict[str, str]:
    """How each step ended last."""
    return {each.name: str(each.state_name) for each in task_runs(api_url, run.id)}


def test_an_export_that_filled_the_medium_is_retried_and_repeats_nothing(
    crossing: Lab, shared_api: str
) -> None:
    media = crossing.folder / "media"
    leave_names(media, _NAMES_LEFT)
    with serving(crossing, "staging"):
        failed = ended(shared_api, start(shared_api, "export/alpha").id)
        packed = identities(media)
        leave_names(media, 100_000)
        done = retry(shared_api, failed.id)

    assert failed.state is not None
    assert (failed.state.type.value, failed.state.name) == ("FAILED", "Failed")
    assert "no room left" in str(failed.state.message)
    assert "Traceback" not in str(failed.state.message)
    assert len(packed) >= _BATCH_FILES

    assert done.id == failed.id
    assert done.state is not None
    assert done.state.is_completed(), done.state.message
    assert done.name == "alpha-1 export"
    assert {"alpha", "alpha-1"} <= set(done.tags)
    assert starts(crossing, "staging") == ["export"]
    assert states(shared_api, done)["Export metadata"] == "Found done"
    assert any("files are carried" in line for line in logged(shared_api, done.id))
    after = identities(media)
    assert {name: after[name] for name in packed} == packed
    crossing.import_(1)


def test_an_import_that_filled_the_disk_is_retried_and_repeats_nothing(
    crossing: Lab, shared_api: str
) -> None:
    crossing.export()
    tampered = crossing.folder / "tampered"
    shutil.copytree(crossing.bundle(1), tampered)
    with (tampered / "volume-001" / "manifest.jsonl").open("r+b") as stream:
        stream.write(b"#")
    leave_names(crossing.folder / "disconnected", _NAMES_LEFT)
    with serving(crossing, "disconnected"):
        bundles = [str(crossing.bundle(1))]
        failed = ended(shared_api, start(shared_api, "import/alpha", bundles=bundles).id)
        unpacked = identities(crossing.work("disconnected") / "intake")
        placed = identities(crossing.content_dir("disconnected"))
        leave_names(crossing.folder / "disconnected", 100_000)
        done = retry(shared_api, failed.id)
        refused = ended(shared_api, start(shared_api, "verify/alpha", bundles=[str(tampered)]).id)

    assert failed.state is not None
    assert (failed.state.type.value, failed.state.name) == ("FAILED", "Failed")
    assert "no room left" in str(failed.state.message)
    assert len(unpacked) >= _BATCH_FILES
    assert placed == {}

    assert done.id == failed.id
    assert done.state is not None
    assert (done.state.type.value, done.state.name) == ("COMPLETED", "Flagged"), done.state.message
    assert done.name == "alpha-1 import"
    assert {"alpha", "alpha-1", "flagged"} <= set(done.tags)
    assert starts(crossing, "disconnected") == ["import"]
    after = identities(crossing.content_dir("disconnected"))
    assert {name: after[name] for name in unpacked} == unpacked
    assert crossing.bytes_of("disconnected") == crossing.bytes_of("staging")

    shown = [each.key for each in artifacts(shared_api, done.id) if each.type != "progress"]
    texts = [f"alpha-import-{name}" for name in ("attention", "waiting", "plan", "details")]
    assert shown[0] == texts[0]
    assert set(shown) == set(texts)  # those of the first try bear the same names

    assert refused.state is not None
    assert (refused.state.type.value, refused.state.name) == ("FAILED", "Refused")
    assert "manifest" in str(refused.state.message)
