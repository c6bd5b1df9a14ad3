"""A site of one side on this machine, and a run of it, for functions that need no server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tasks import flow_run
from tasks.bundle.keys import generate_keys
from tasks.hosts.host import Json
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import ExportRecord
from tasks.names import Mode
from tasks.run.context import RunContext, open_run_context
from tasks.scripts import Script
from tasks.site.reading import register_site
from tasks.site.settings import Site
from tests.support.bundles import NOW
from tests.support.memory_host import MemoryHost

Answer = Callable[[list[Json]], Iterable[Json]]

_SITE = """
[site]
name = "alpha"
side = "{side}"
[server]
address = "local"
platform = "posix"
work_dir = "work"
wsusutil = ["false"]
powershell = ["false"]
[media]
path = "media"
[trust]
signing_key = "keys/signing.key"
trusted_keys = ["keys/signing.pub"]
receipt_secret = "keys/receipt.secret"
[policy]
{policy}
"""


# Answers each script with the lines that lie beside it under the script's name.
_POWERSHELL = """#!{python}
import pathlib, sys
script = pathlib.Path(sys.argv[sys.argv.index("-File") + 1]).stem
said = pathlib.Path(__file__).with_name(script + ".said").read_text()
pathlib.Path(sys.argv[-1]).write_text(said + '{{"kind":"end"}}\\n')
"""


def write_site_file(folder: Path, *, side: str, policy: str = "") -> Path:
    """Write a site file with keys and a medium beside it; gives the site file."""
    generate_keys(folder / "keys")
    (folder / "media").mkdir()
    site = folder / "site.toml"
    site.write_text(_SITE.format(side=side, policy=policy), encoding="utf-8")
    return site


def site_with(site: Site, section: str, **values: object) -> Site:
    """The settings of a run with other values in one section of the site file."""
    changed = getattr(site, section).model_copy(update=values)
    return site.model_copy(update={section: changed})


def set_keys(site: Path, **values: object) -> None:
    """Replace values in a site file; only of keys that ``write_site_file`` writes."""
    text = site.read_text(encoding="utf-8")
    for key, value in values.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"{key} = ")]
        text = text.replace(line, f"{key} = {json.dumps(value)}")
    site.write_text(text, encoding="utf-8")


def use_answers(site: Path) -> None:
    """Have the site's server answer scripts with what ``say`` has put there."""
    powershell = site.with_name("powershell")
    powershell.write_text(_POWERSHELL.format(python=sys.executable))
    powershell.chmod(0o755)
    set_keys(site, powershell=[str(powershell)])


def say(site: Path, script: str, *lines: object) -> None:
    """What the site's server answers a script from now on."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    site.with_name(f"{script}.said").write_text(text, encoding="utf-8")


def on_memory_server(run: RunContext, answers: Mapping[str, Answer]) -> RunContext:
    """The same run on a server in memory.

    Args:
        run: The run; it stays as it is, and closes both.
        answers: By the name of a script, the lines that it answers to the lines it is asked.
    """

    def answer(script: Script, request: list[Json], _folder: HostPath) -> Iterator[Json]:
        yield from answers[script.name](request)
        yield {"kind": "end"}

    return replace(run, server=MemoryHost(run_script=answer))


def reserved(sequence: int, folder: Path, *, created: datetime = NOW) -> ExportRecord:
    """A sequence number that was taken and for which nothing is committed."""
    return ExportRecord(
        sequence=sequence,
        status="reserved",
        mode=Mode.INCREMENTAL,
        base_digest=None,
        parent_digest=None,
        header_digest=None,
        fingerprint=None,
        bundle=folder / f"alpha-{sequence}",
        folder=folder,
        created=created,
        sealed=None,
        receipt=None,
        accepted=None,
    )


def open_test_run(site: Path, *, command: str = "test", now: datetime = NOW) -> RunContext:
    """Open a run; the caller closes it (a ``with`` block)."""
    return open_run_context(register_site(site).name, command=command, side=None, clock=lambda: now)


@contextmanager
def as_current(run: RunContext) -> Iterator[None]:
    """Have steps work on a run, without a flow."""
    token = flow_run._current.set(cast("flow_run.FlowRun", SimpleNamespace(context=run)))
    try:
        yield
    finally:
        flow_run._current.reset(token)


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[RunContext]:
    """A run of the staging side, without a server."""
    with open_test_run(write_site_file(tmp_path, side="staging")) as run:
        yield run


@pytest.fixture
def disconnected(tmp_path: Path) -> Iterator[RunContext]:
    """A run of the disconnected side, without a server."""
    with open_test_run(write_site_file(tmp_path, side="disconnected")) as run:
        yield run
